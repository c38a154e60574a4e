import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import {
  EventStoreServiceService,
  SubscribeRequest,
  SubscribeResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream } from './calls';
import type { Channel } from './channel';
import { CancelledError, InternalError, OverloadedError, UnavailableError } from './errors';
import { toRecordedEvent, type RecordedEvent } from './event';
import { following, toStart, type EventPlace, type Place } from './event-place';
import { toUint64, type WholeNumber } from './numbers';
import { toPageHint, type PageOptions } from './read';
import type { EventFilter } from './read-all';
import { encode } from './text';
import { toTimestamp, type Time } from './time';
import { tellUnreadable, type UnreadableOptions } from './unreadable';

/** What to follow, and where to begin: at most one of `after`, `afterVersion` and `fromNow`. */
export interface SubscribeOptions extends EventFilter, UnreadableOptions {
  /** One stream; not together with `patterns`. Neither: the whole store. */
  readonly stream?: string | undefined;
  /**
   * Begin beyond this: the last event that was dealt with, or a position, which stands for the whole commit that has it. If
   * the filters leave that event's stream out, the events that they take of the same commit are all handed over.
   */
  readonly after?: Place | undefined;
  /** Begin beyond this version; only with `stream`. */
  readonly afterVersion?: WholeNumber | undefined;
  /** Only commits taken in at or after this time, each judged by its own time; also with `after`, but with no other start. */
  readonly fromTime?: Time | undefined;
  /** Begin with what is stored after the call has reached the store. */
  readonly fromNow?: boolean | undefined;
  /** Whether a position or version beyond the end is refused, rather than waited for. */
  readonly startMustExist?: boolean | undefined;
  /** How often the gateway tells how far the subscription is behind, 1,000 to 3,600,000 ms. Default: 5,000. */
  readonly heartbeatMs?: number | undefined;
  readonly page?: PageOptions | undefined;
  /** Ends the subscription when it aborts; the loop then fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Everything that was stored has been handed over; from here on events come as they are stored. May be called again. */
  readonly onCaughtUp?: (() => void) | undefined;
  /** The loop was too slow: events come from the log until `onCaughtUp`. */
  readonly onFellBehind?: (() => void) | undefined;
  /** The connection was lost, and is about to be made anew. */
  readonly onReconnect?: ((error: Error) => void) | undefined;
}

/**
 * Events as they are stored, for as long as the loop goes on. When the gateway goes away the loop waits, and goes on with
 * another or the same one: it hands over each event once, in order. Leaving the loop ends the call; another loop goes on
 * behind the event that was handed over last.
 */
export interface Subscription extends AsyncIterable<RecordedEvent> {
  /**
   * All that is asked for has been dealt with up to here; undefined before the gateway has answered. It passes over what
   * the filters drop, so that it is the better place to go on from than the last event.
   */
  readonly position: bigint | undefined;
  /** How many positions the subscription is behind the end of the store, as was last said. */
  readonly lag: bigint | undefined;
}

const heartbeatDefaultMs = 5_000;
const pauseFirstMs = 100;
const pauseMaxMs = 5_000;
/** A gateway that does not know subscriptions yet. */
const unimplemented: number = status.UNIMPLEMENTED;

export function subscribe(channel: Channel, options: SubscribeOptions): Subscription {
  const { afterPosition, afterEvent } = toStart(options.after);
  const first = toRequest(options, afterPosition);
  const afterVersion = first.afterVersion ?? 0n;
  const { signal } = options;
  let position: bigint | undefined;
  let lag: bigint | undefined;
  let last: EventPlace | undefined;

  const toBytes = (): Uint8Array => {
    const start = { afterVersion: undefined, fromNow: false };
    const again = position === undefined ? first : { ...first, ...start, afterPosition: position };
    return encode(SubscribeRequest, again);
  };
  toBytes(); // throws for text that cannot be sent

  const take = ({ position: reached, notice }: SubscribeResponse): void => {
    position = reached ?? position;
    if (notice?.$case === 'heartbeat') ({ lag } = notice.value);
    if (notice?.$case === 'caughtUp') lag = 0n;
    if (notice?.$case === 'caughtUp') options.onCaughtUp?.();
    if (notice?.$case === 'fellBehind') options.onFellBehind?.();
  };

  return {
    get position() {
      return position;
    },
    get lag() {
      return lag;
    },
    async *[Symbol.asyncIterator]() {
      for (let failures = 0; ; failures++) {
        const ends = signal === undefined ? channel.closed : AbortSignal.any([signal, channel.closed]);
        try {
          const call = { signal: ends, deadlineMs: Infinity };
          const follow = following(last ?? afterEvent);
          for await (const message of serverStream(channel, method, toBytes(), call)) {
            failures = 0;
            for (const event of follow(message.events, message.position !== undefined)) {
              // A request that goes on from a position cannot say it.
              if (event.version <= afterVersion) continue;
              ends.throwIfAborted();
              last = { position: event.position, stream: event.stream, version: event.version };
              yield toRecordedEvent(event);
            }
            await tellUnreadable(options, message.unreadable);
            take(message);
          }
        } catch (error) {
          if (ends.aborted || !mayPass(error)) throw error;
          options.onReconnect?.(error);
        }
        const pauseMs = Math.min(pauseMaxMs, pauseFirstMs * 2 ** Math.min(failures, 10));
        await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal: ends }).catch(() => {
          throw ends.reason;
        });
      }
    },
  };
}

const method = { path: EventStoreServiceService.subscribe.path, response: SubscribeResponse };

/** Errors after which another call may go well: no gateway, one that stops, one that had enough of waiting. */
function mayPass(error: unknown): error is Error {
  return (
    error instanceof UnavailableError ||
    error instanceof OverloadedError ||
    error instanceof CancelledError ||
    (error instanceof InternalError && error.status !== unimplemented)
  );
}

/** Throws TypeError and RangeError. */
function toRequest(options: SubscribeOptions, afterPosition: bigint | undefined): SubscribeRequest {
  const { heartbeatMs = heartbeatDefaultMs, afterVersion } = options;
  if (!Number.isFinite(heartbeatMs))
    throw new RangeError(`heartbeatMs must be a number; found ${heartbeatMs}`);
  return {
    stream: options.stream ?? '',
    patterns: [...(options.patterns ?? [])],
    afterPosition,
    afterVersion: afterVersion === undefined ? undefined : toUint64(afterVersion, 'afterVersion'),
    fromTime: toTimestamp(options.fromTime, 'fromTime'),
    fromNow: options.fromNow ?? false,
    startMustExist: options.startMustExist ?? false,
    eventTypes: [...(options.eventTypes ?? [])],
    eventTypePrefixes: [...(options.eventTypePrefixes ?? [])],
    heartbeatInterval: {
      seconds: BigInt(Math.trunc(heartbeatMs / 1_000)),
      nanos: Math.round((heartbeatMs % 1_000) * 1e6),
    },
    page: toPageHint(options.page),
    skipUnreadable: options.onUnreadable !== undefined,
  };
}
