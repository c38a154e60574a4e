import type { ReadByCorrelationRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { CorrelationQuery } from '../store/event-store';
import { checkId, eventTypeFilter, maxCount } from './field-checks';
import { Findings } from './findings';

/** Throws InvalidRequestError. */
export function parseReadByCorrelation(request: ReadByCorrelationRequest, limits: Limits): CorrelationQuery {
  const { correlationId, skipUnreadable } = request;
  const findings = new Findings();
  if (correlationId === '') findings.add('correlation_id', 'is required');
  else checkId(correlationId, 'correlation_id', limits, findings);
  const eventTypes = eventTypeFilter(request.eventTypes, limits, findings);
  const count = maxCount(request.maxCount, findings);
  findings.throwIfAny();
  return { correlationId, eventTypes, maxCount: count, skipUnreadable };
}
