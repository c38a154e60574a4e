import {
  EventStoreServiceService,
  ReadAllRequest,
  ReadAllResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream } from './calls';
import type { Channel } from './channel';
import { following, toStart, type Cursor, type Start } from './cursor';
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
}

/** Which part of the store to read; without options, the whole store. Options can be combined. */
export interface ReadAllOptions extends EventFilter, RangeOptions, UnreadableOptions {
  /**
   * Where to start, exclusive, in the direction of the read: after an event, or after a position, which means after the whole
   * commit. If the filters exclude the stream of that event, the read includes all events of its commit that they match.
   */
  readonly after?: Cursor | undefined;
  /** The last position to read, inclusive; 0: no limit. */
  readonly toPosition?: WholeNumber | undefined;
  /**
   * At most this many events, counted after all filters; 0: no limit. Commits are not split: the first one may have more events.
   * A read after an event within a commit returns only the rest of that commit: continue after its last event.
   */
  readonly maxCount?: WholeNumber | undefined;
}

/** The store as a read shows it. */
export interface StoreHead {
  /** The end of the store at the time of the call; 0 if it is empty. Later events are not read. */
  readonly position: bigint;
}

const method = { path: EventStoreServiceService.readAll.path, response: ReadAllResponse };

function toHead({ position }: StoreHead): StoreHead {
  return { position };
}

export function readAll(channel: Channel, options: ReadAllOptions): EventRead<StoreHead> {
  const { direction = 'forward', deadlineMs = Infinity } = options;
  const start = toStart(options.after, direction);
  const { afterEvent } = start;
  const maxCount = toUint64(options.maxCount ?? 0, 'maxCount');
  if (afterEvent === undefined || maxCount === 0n) return readAfter(channel, options, start);
  // A gateway would count the events of that commit up to the cursor: so a separate call reads the rest of the commit.
  const { position } = afterEvent;
  const end = toUint64(options.toPosition ?? 0, 'toPosition');
  const isEarlier = direction === 'forward' ? end !== 0n && end < position : end > position;
  const rest = { ...options, maxCount: 0, toPosition: isEarlier ? end : position };
  return firstWithEvents(readAfter(channel, rest, start), (spentMs) => {
    const left = { ...options, deadlineMs: Math.max(1, deadlineMs - spentMs) };
    return readAfter(channel, left, { afterPosition: position, afterEvent: undefined });
  });
}

function readAfter(
  channel: Channel,
  options: ReadAllOptions,
  { afterPosition, afterEvent }: Start,
): EventRead<StoreHead> {
  const request: ReadAllRequest = {
    patterns: [...(options.patterns ?? [])],
    afterPosition,
    toPosition: toUint64(options.toPosition ?? 0, 'toPosition'),
    ...toRangeFields(options),
    eventTypePrefixes: [...(options.eventTypePrefixes ?? [])],
    skipUnreadable: options.onUnreadable !== undefined,
  };
  const call = { method, request: encode(ReadAllRequest, request) };
  return new Events(
    () => serverStream(channel, call, options),
    toHead,
    options,
    () => following(afterEvent, options.direction),
  );
}

/** The first read, or the second one if the first has no events; `second` gets the duration of the first. */
function firstWithEvents<Head>(
  first: EventRead<Head>,
  second: (spentMs: number) => EventRead<Head>,
): EventRead<Head> {
  let read = first;
  return {
    get head() {
      return read.head;
    },
    async *[Symbol.asyncIterator]() {
      const beganMs = Date.now();
      let isEmpty = true;
      read = first;
      for await (const event of first) {
        isEmpty = false;
        yield event;
      }
      if (!isEmpty) return;
      read = second(Date.now() - beganMs);
      yield* read;
    },
  };
}
