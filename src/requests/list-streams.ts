import type { ListStreamsRequest } from '../../generated/sluice/v1/event_store_service';
import type { ListStreamsQuery } from '../store/event-store';
import { parseStreamName } from '../store/values';
import { checkStreamPattern, maxCount } from './field-checks';
import { Findings, shown } from './findings';

/** Throws InvalidRequestError. */
export function parseListStreams(request: ListStreamsRequest): ListStreamsQuery {
  const { after, includeDeleted } = request;
  const findings = new Findings();
  const pattern = request.pattern === '' ? '>' : request.pattern;
  checkStreamPattern(pattern, 'pattern', findings);
  if (after !== '' && parseStreamName(after) === undefined) {
    findings.add('after', `is not a stream name: ${shown(after)}`);
  }
  const count = maxCount(request.maxCount, findings);
  findings.throwIfAny();
  return { patterns: [pattern], after, maxCount: count, includeDeleted };
}
