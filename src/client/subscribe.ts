import {
  EventStoreServiceService,
  SubscribeRequest,
  SubscribeResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream } from './authorized-calls';
import type { Channel } from './channel';
import { UnauthenticatedError } from './errors';
import { toRecordedEvent, type EventShape, type RecordedEvent } from './event';
import { toProtoQuery } from './event-query';
import { MovingCursor, toCursorFields, type Cursor } from './cursor';
import { toUint64, type WholeNumber } from './numbers';
import { toPageHint, type PageOptions } from './read';
import type { EventFilter } from './read-all';
import { isTransient, missedMax, pauseAfter } from './reconnect';
import { encode } from './text';
import { toDuration, toTimestamp, type Time } from './time';
import { reportUnreadable, type UnreadableOptions } from './unreadable';

/** What to follow, and where to start: at most one of `after`, `afterVersion` and `fromNow`. */
export interface SubscribeOptions extends EventFilter, UnreadableOptions {
  /** One stream; not together with `patterns`. Without both: the whole store. */
  readonly stream?: string | undefined;
  /** Where to start: after the cursor of an earlier subscription with the same filters, or after the commit at a position. */
  readonly after?: WholeNumber | Cursor | undefined;
  /** Start after this version; only with `stream`. */
  readonly afterVersion?: WholeNumber | undefined;
  /** Only commits at or after this time, each by its own time. Can be combined with `after`, but with no other start. */
  readonly fromTime?: Time | undefined;
  /** Start with the events that are stored after the call has reached the store. */
  readonly fromNow?: boolean | undefined;
  /** True: a position or version after the end is refused. Otherwise the subscription waits until it exists. */
  readonly startMustExist?: boolean | undefined;
  /**
   * How often the gateway reports the lag of the subscription, 1,000 to 3,600,000 ms. When the loop has waited for three times as long
   * without any report or event, the client gives the connection up and tries again. Default: 5,000.
   */
  readonly heartbeatMs?: number | undefined;
  readonly page?: PageOptions | undefined;
  /** Ends the subscription when it aborts; the loop then fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The loop has all events that were stored before; from now on it gets events as they are stored. Can be called again. */
  readonly onCaughtUp?: (() => void) | undefined;
  /** The loop was too slow: it gets events from the log again until `onCaughtUp`. */
  readonly onFellBehind?: (() => void) | undefined;
  /** The connection was lost or the token function failed, and the client is about to try again. */
  readonly onReconnect?: ((error: Error) => void) | undefined;
}

/**
 * Events as they are stored, until the loop is left. When the gateway becomes unavailable, the loop waits and continues with
 * the same gateway or another: it gets each event once, in order. Leaving the loop ends the call; a later loop continues after
 * the last event of this one.
 */
export interface Subscription<E extends EventShape = EventShape> extends AsyncIterable<RecordedEvent<E>> {
  /**
   * The loop has every matching event up to this position; undefined before the first response. It also advances over events
   * that the filters drop, so it is a better cursor to resume from than the last event.
   */
  readonly position: bigint | undefined;
  /**
   * Where the loop is, after its last event: what to store for `after`; undefined before the first response. With `afterVersion` it
   * advances by whole commits only.
   */
  readonly cursor: Cursor | undefined;
  /** How many positions the subscription is behind the end of the store, by the latest report. */
  readonly lag: bigint | undefined;
}

const heartbeatDefaultMs = 5_000;
/** How often the time doubles after which a call counts as silent. */
const doublingsMax = 4;

export function subscribe(channel: Channel, options: SubscribeOptions): Subscription {
  const cursor = new MovingCursor(toCursorFields(options.after));
  const first = toRequest(options);
  const { signal, heartbeatMs = heartbeatDefaultMs } = options;
  let { afterVersion } = first;
  let position: bigint | undefined;
  let lag: bigint | undefined;

  const toBytes = (): Uint8Array => {
    const { storeId } = cursor.current;
    // A request cannot have a version and a position.
    if (afterVersion !== undefined) return encode(SubscribeRequest, { ...first, afterVersion, storeId });
    const fromNow = first.fromNow && position === undefined;
    return encode(SubscribeRequest, { ...first, ...cursor.current, fromNow });
  };
  toBytes(); // throws for text that cannot be sent

  const take = (message: SubscribeResponse): void => {
    const { notice } = message;
    position = message.position ?? position;
    cursor.onStore(message.storeId);
    cursor.onPosition(message.position);
    if (notice?.$case === 'heartbeat') ({ lag } = notice.value);
    if (notice?.$case === 'caughtUp') lag = 0n;
    if (notice?.$case === 'caughtUp') options.onCaughtUp?.();
    if (notice?.$case === 'fellBehind') options.onFellBehind?.();
  };

  return {
    get position() {
      return position;
    },
    get cursor() {
      return position === undefined && afterVersion !== undefined ? undefined : cursor.text;
    },
    get lag() {
      return lag;
    },
    async *[Symbol.asyncIterator]() {
      for (let failures = 0; ; failures++) {
        const ends = signal === undefined ? channel.closed : AbortSignal.any([signal, channel.closed]);
        let wasAccepted = false;
        try {
          const call = { method, request: toBytes() };
          // Longer after each failure: on a slow network, a large message takes its time.
          const silentMsMax = heartbeatMs * missedMax * 2 ** Math.min(failures, doublingsMax);
          for await (const message of serverStream(channel, call, { signal: ends, silentMsMax })) {
            failures = 0;
            wasAccepted = true;
            for (const event of message.events) {
              ends.throwIfAborted();
              if (afterVersion === undefined) cursor.onEvent(event.position);
              else afterVersion = event.version;
              yield toRecordedEvent(event);
            }
            await reportUnreadable(options, message.unreadable);
            take(message);
          }
        } catch (error) {
          const needsToken =
            wasAccepted && channel.tokens !== undefined && error instanceof UnauthenticatedError;
          if (ends.aborted || !(needsToken || isTransient(error))) throw error;
          if (!needsToken) options.onReconnect?.(error);
        }
        await pauseAfter(failures, ends);
      }
    },
  };
}

const method = { path: EventStoreServiceService.subscribe.path, response: SubscribeResponse };

/** Throws TypeError and RangeError. */
function toRequest(options: SubscribeOptions): SubscribeRequest {
  const { heartbeatMs = heartbeatDefaultMs, afterVersion } = options;
  return {
    stream: options.stream ?? '',
    patterns: [...(options.patterns ?? [])],
    permittedOnly: options.permittedOnly ?? false,
    ...toCursorFields(options.after),
    afterVersion: afterVersion === undefined ? undefined : toUint64(afterVersion, 'afterVersion'),
    fromTime: toTimestamp(options.fromTime, 'fromTime'),
    fromNow: options.fromNow ?? false,
    startMustExist: options.startMustExist ?? false,
    eventTypes: [...(options.eventTypes ?? [])],
    eventTypePrefixes: [...(options.eventTypePrefixes ?? [])],
    query: options.query && toProtoQuery(options.query),
    heartbeatInterval: toDuration(heartbeatMs, 'heartbeatMs'),
    page: toPageHint(options.page),
    skipUnreadable: options.onUnreadable !== undefined,
  };
}
