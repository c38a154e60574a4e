import type { EventQuery } from './event-query';
import type { Position, StreamName } from './values';

/** What must not have been stored for an append to be stored. */
export interface AppendCondition {
  readonly query: EventQuery;
  /** Only events after this position count. */
  readonly after: Position;
  /** Only events of this stream count, which the append writes or checks; undefined: those of all streams. */
  readonly withinStream: StreamName | undefined;
}

/** An event that a query selects. */
export interface QueryMatch {
  /** The first item that selects it, by its index. */
  readonly item: number;
  readonly position: Position;
  readonly eventId: string;
}
