import {
  EventStoreServiceService,
  ReadAllRequest,
  ReadAllResponse,
  type ReadAllHeader,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream } from './authorized-calls';
import type { Channel } from './channel';
import type { EventShape } from './event';
import { MovingCursor, toCursorFields, type Cursor } from './cursor';
import { toProtoQuery, type EventQuery } from './event-query';
import { toUint64, type WholeNumber } from './numbers';
import { Events, toRangeFields, type EventRead, type RangeOptions } from './read';
import { encode } from './text';
import type { UnreadableOptions } from './unreadable';

/** Which events of the whole store. */
export interface EventFilter {
  /** Streams by name in NATS notation: "order.*", "order.>", "order.1"; empty: all streams. */
  readonly patterns?: readonly string[] | undefined;
  /** Only events of these types, or with a type that begins with one of `eventTypePrefixes`; both empty: all types. */
  readonly eventTypes?: readonly string[] | undefined;
  readonly eventTypePrefixes?: readonly string[] | undefined;
  /** Only events that it selects by their types and tags, found by an index where each item has tags; left out: all events. */
  readonly query?: EventQuery | undefined;
  /**
   * True: of these streams, those that the caller has grants for when the call begins; others are left out as if they did not exist.
   * Otherwise a pattern that no single grant contains fails with AccessDeniedError.
   */
  readonly permittedOnly?: boolean | undefined;
}

/** Which part of the store to read; without options, the whole store. Options can be combined. */
export interface ReadAllOptions extends EventFilter, RangeOptions, UnreadableOptions {
  /**
   * Where to start, in the direction of the read: after the cursor of an earlier read with the same filters and direction, or after
   * the commit at a position.
   */
  readonly after?: WholeNumber | Cursor | undefined;
  /** The last position to read, inclusive; 0: no limit. */
  readonly toPosition?: WholeNumber | undefined;
  /** At most this many events, counted after all filters; 0: no limit. Commits are not split: the first one may have more events. */
  readonly maxCount?: WholeNumber | undefined;
}

/** The store as a read shows it. */
export interface StoreHead {
  /** The end of the store at the time of the call; 0 if it is empty. Later events are not read. */
  readonly position: bigint;
  /** Identifies the store; empty: it has no id. */
  readonly storeId: string;
}

const method = { path: EventStoreServiceService.readAll.path, response: ReadAllResponse };

/** A read of the whole store, or of a part of it. */
export interface AllRead<E extends EventShape = EventShape> extends EventRead<StoreHead, E> {
  /** Where the loop is, after its last event: for `after` of a later read. Before that, the start; undefined: none was given. */
  readonly cursor: Cursor | undefined;
}

export function readAll(channel: Channel, options: ReadAllOptions): AllRead {
  const start = toCursorFields(options.after);
  const request: ReadAllRequest = {
    patterns: [...(options.patterns ?? [])],
    permittedOnly: options.permittedOnly ?? false,
    ...start,
    toPosition: toUint64(options.toPosition ?? 0, 'toPosition'),
    ...toRangeFields(options),
    eventTypePrefixes: [...(options.eventTypePrefixes ?? [])],
    skipUnreadable: options.onUnreadable !== undefined,
    query: options.query && toProtoQuery(options.query),
  };
  const call = { method, request: encode(ReadAllRequest, request) };
  const moving = new MovingCursor(start);
  const open = (): AsyncIterable<ReadAllResponse> => {
    moving.restart(start);
    return serverStream(channel, call, options);
  };
  const toHead = ({ position, storeId }: ReadAllHeader): StoreHead => {
    moving.onStore(storeId);
    return { position, storeId };
  };
  return new Events(open, toHead, options, moving);
}
