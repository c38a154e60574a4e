import {
  EventStoreServiceService,
  ReadAllRequest,
  ReadAllResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream, type CallOptions } from './calls';
import type { Channel } from './channel';
import { following, toStart, type EventPlace, type Place } from './event-place';
import { toUint64, type WholeNumber } from './numbers';
import { directions, Events, toPageHint, type EventRead, type PageOptions } from './read';
import { encode } from './text';
import type { UnreadableOptions } from './unreadable';
import { toTimestamp, type Time } from './time';

/** Which events of the whole store. */
export interface EventFilter {
  /** Streams by name in NATS notation: "order.*", "order.>", "order.1"; none: all streams. */
  readonly patterns?: readonly string[] | undefined;
  /** Only events of these types, or whose types begin with one of `eventTypePrefixes`; neither: all types. */
  readonly eventTypes?: readonly string[] | undefined;
  readonly eventTypePrefixes?: readonly string[] | undefined;
}

/** Which part of the store to read. All conditions hold together; left out, all of it is read. */
export interface ReadAllOptions extends EventFilter, CallOptions, UnreadableOptions {
  /**
   * Begin beyond this, in the direction of the read: an event that was read before, or a position, which stands for the
   * whole commit that has it. If the filters leave that event's stream out, the events that they take of the same commit are
   * all read.
   */
  readonly after?: Place | undefined;
  /** The position to end with, inclusive; 0: no bound. */
  readonly toPosition?: WholeNumber | undefined;
  /** Default: forward. */
  readonly direction?: 'forward' | 'backward' | undefined;
  /**
   * At most this many events, counted after all filters, but no commit is split: the first may have more. After an event
   * within a commit come the other events of that commit alone: go on after the last of them.
   */
  readonly maxCount?: WholeNumber | undefined;
  /** Only commits taken in at or after this time. */
  readonly fromTime?: Time | undefined;
  /** Only commits taken in at or before this time. */
  readonly toTime?: Time | undefined;
  readonly page?: PageOptions | undefined;
}

/** The store as a read shows it. */
export interface StoreHead {
  /** The position of its end at the time of the call; 0 if it is empty. Nothing beyond it is read. */
  readonly position: bigint;
}

const method = { path: EventStoreServiceService.readAll.path, response: ReadAllResponse };

export function readAll(channel: Channel, options: ReadAllOptions): EventRead<StoreHead> {
  const { direction = 'forward', deadlineMs = Infinity } = options;
  const { afterPosition, afterEvent } = toStart(options.after, direction);
  const maxCount = toUint64(options.maxCount ?? 0, 'maxCount');
  if (afterEvent === undefined || maxCount === 0n)
    return readAfter(channel, options, afterPosition, afterEvent);
  // A gateway would count what it sends of that commit up to the event: the rest of the commit is read on its own.
  const { position } = afterEvent;
  const end = toUint64(options.toPosition ?? 0, 'toPosition');
  const isEarlier = direction === 'forward' ? end !== 0n && end < position : end > position;
  const rest = { ...options, maxCount: 0, toPosition: isEarlier ? end : position };
  return firstWithEvents(readAfter(channel, rest, afterPosition, afterEvent), (spentMs) => {
    const left = { ...options, deadlineMs: Math.max(1, deadlineMs - spentMs) };
    return readAfter(channel, left, position, undefined);
  });
}

function readAfter(
  channel: Channel,
  options: ReadAllOptions,
  afterPosition: bigint | undefined,
  afterEvent: EventPlace | undefined,
): EventRead<StoreHead> {
  const { direction = 'forward' } = options;
  const request: ReadAllRequest = {
    patterns: [...(options.patterns ?? [])],
    afterPosition,
    toPosition: toUint64(options.toPosition ?? 0, 'toPosition'),
    direction: directions[direction],
    maxCount: toUint64(options.maxCount ?? 0, 'maxCount'),
    fromTime: toTimestamp(options.fromTime, 'fromTime'),
    toTime: toTimestamp(options.toTime, 'toTime'),
    eventTypes: [...(options.eventTypes ?? [])],
    eventTypePrefixes: [...(options.eventTypePrefixes ?? [])],
    page: toPageHint(options.page),
    skipUnreadable: options.onUnreadable !== undefined,
  };
  const bytes = encode(ReadAllRequest, request);
  return new Events(
    () => serverStream(channel, method, bytes, options),
    ({ position }) => ({ position }),
    options,
    () => following(afterEvent, direction),
  );
}

/** A read, and if it has no events another one, which is told how long the first took. */
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
