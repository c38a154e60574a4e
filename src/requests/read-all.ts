import type { ReadAllRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { ReadAllQuery } from '../store/event-store';
import { eventFilter } from './event-filter';
import { afterCountOf, directionOf, maxCount, positionNumber, storeIdOf, timeRange } from './field-checks';
import { Findings } from './findings';

/** Throws InvalidRequestError. */
export function parseReadAll(request: ReadAllRequest, limits: Limits): ReadAllQuery {
  const findings = new Findings();
  const filter = eventFilter(request, limits, findings);
  const direction = directionOf(request.direction, findings);
  const query = {
    filter,
    direction,
    ...positionRange(request, direction, findings),
    ...timeRange(request, findings),
    maxCount: maxCount(request.maxCount, findings),
    skipUnreadable: request.skipUnreadable,
    storeId: storeIdOf(request, limits, findings),
  };
  findings.throwIfAny();
  return query;
}

function positionRange(
  request: ReadAllRequest,
  direction: ReadAllQuery['direction'],
  findings: Findings,
): Pick<ReadAllQuery, 'afterPosition' | 'afterCount' | 'toPosition'> {
  const after = request.afterPosition;
  const afterPosition = after === undefined ? undefined : positionNumber(after, 'after_position', findings);
  const toPosition = positionNumber(request.toPosition, 'to_position', findings);
  if (afterPosition !== undefined && toPosition !== 0n) {
    const [low, high] = direction === 'forward' ? [afterPosition, toPosition] : [toPosition, afterPosition];
    if (high < low) findings.add('to_position', 'is before after_position in the direction of the read');
  }
  return { afterPosition, afterCount: afterCountOf(request, findings), toPosition };
}
