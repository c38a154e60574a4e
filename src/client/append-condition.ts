import type { AppendCondition as ProtoCondition } from '../../generated/sluice/v1/event_store_service';
import { toProtoQuery, type EventQuery } from './event-query';
import { toUint64, type WholeNumber } from './numbers';

/** An append with it is stored only if no event that a query selects has been stored since its caller looked. */
export interface AppendCondition {
  /** What must not have been stored. */
  readonly query: EventQuery;
  /** Only events after this position count: the position of the head of the read that was the basis. 0: all events. */
  readonly after: WholeNumber;
  /** Only events of this stream count, which the append writes or checks: that costs next to nothing. Left out: those of all streams. */
  readonly withinStream?: string | undefined;
}

/** Throws TypeError and RangeError. */
export function toProtoCondition(condition: AppendCondition | undefined): ProtoCondition | undefined {
  if (condition === undefined) return undefined;
  const { query, after, withinStream = '' } = condition;
  return { query: toProtoQuery(query), afterPosition: toUint64(after, 'condition.after'), withinStream };
}
