import type { AppendCondition as ProtoCondition } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { AppendCondition } from '../store/append-condition';
import { eventQuery } from './event-query';
import { positionNumber } from './field-checks';
import { shown, type Findings } from './findings';

/** The condition of an append to these streams, which it writes or checks; undefined: it has no condition. */
export function appendCondition(
  condition: ProtoCondition | undefined,
  streams: readonly string[],
  limits: Limits,
  findings: Findings,
): AppendCondition | undefined {
  if (condition === undefined) return undefined;
  const { query, afterPosition, withinStream } = condition;
  if (query === undefined) findings.add('condition.query', 'is required');
  const within = streams.find((stream) => stream === withinStream) as AppendCondition['withinStream'];
  if (withinStream !== '' && within === undefined)
    findings.add('condition.within_stream', `is no stream of the request: ${shown(withinStream)}`);
  return {
    query: query === undefined ? { items: [] } : eventQuery(query, 'condition.query', limits, findings),
    after: positionNumber(afterPosition, 'condition.after_position', findings),
    withinStream: within,
  };
}
