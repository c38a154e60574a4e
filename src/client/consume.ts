import { status } from '@grpc/grpc-js';
import type { Joined } from '../../generated/sluice/v1/consumer_group_service';
import type { DuplexEnd } from './calls';
import type { Channel } from './channel';
import { DeliveryQueue } from './delivery-queue';
import { GroupError, UnauthenticatedError, type AnySluiceError } from './errors';
import type { RecordedEvent } from './event';
import { malformed } from './failure';
import { toProtoSettings, toStoredSettings, type StoredGroupSettings } from './group';
import type { EventHandler } from './handler';
import { Membership, toJoin, type Joining, type MembershipEvents } from './membership';
import { toUint32 } from './numbers';
import { isTransient, pauseAfter } from './reconnect';
import { toError } from './to-error';

/** How to consume, and what to call. What a callback throws ends `consume`, which then fails with it. */
export interface ConsumeOptions {
  /** The number of events that are handled at a time, of different streams. Default: 1. */
  readonly concurrency?: number | undefined;
  /** The largest number of deliveries that the gateway sends ahead. Default: twice `concurrency`. */
  readonly maxInFlight?: number | undefined;
  /** The id of the member, unique in its group. Left out: the gateway makes one. */
  readonly member?: string | undefined;
  /**
   * How often the gateway sends a heartbeat, 1,000 to 3,600,000. After three of them without any message, the client gives the
   * connection up. Default: 5,000.
   */
  readonly heartbeatMs?: number | undefined;
  /** Stops when it aborts: no more events come, and the promise resolves when those that the member has are settled. */
  readonly stop?: AbortSignal | undefined;
  /** Ends the call at once when it aborts; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called each time that the member has joined. */
  readonly onJoined?: ((joined: JoinedGroup) => void) | undefined;
  /** Called with the lanes of the member whenever it gets or loses some. */
  readonly onLanes?: ((lanes: readonly number[]) => void) | undefined;
  /** Called when nothing of new lanes is left to deliver. */
  readonly onCaughtUp?: (() => void) | undefined;
  /** Called when a handler has thrown, also a ParkEvent, SkipEvent or RetryEvent. */
  readonly onFailed?: ((error: unknown, event: RecordedEvent) => void) | undefined;
  /** Called when what a handler did came too late: a GroupError with the code DELIVERY_NOT_HELD. The event comes again. */
  readonly onRefused?: ((error: AnySluiceError) => void) | undefined;
  /** Called when the call has ended, and the client is about to join again. */
  readonly onReconnect?: ((error: Error) => void) | undefined;
}

/** A group that a member has joined. */
export interface JoinedGroup {
  /** The id of the member. */
  readonly member: string;
  /** The id of the store; empty: the store has no id. */
  readonly storeId: string;
  readonly settings: StoredGroupSettings;
}

const heartbeatDefaultMs = 5_000;
/** A gateway that has lost a member needs this long at most until another one accepts its id. */
const memberExistsMsMax = 60_000;

/** Throws a TypeError or a RangeError for options that cannot be sent. */
export function consume(
  channel: Channel,
  group: string,
  handler: EventHandler,
  options: ConsumeOptions,
): Promise<void> {
  const { concurrency = 1, heartbeatMs = heartbeatDefaultMs, member = '' } = options;
  const { maxInFlight = 2 * concurrency } = options;
  for (const [name, value] of Object.entries({ concurrency, maxInFlight }))
    if (toUint32(value, name) < 1) throw new RangeError(`${name} must be at least 1`);
  const joining = { group, member, maxInFlight, heartbeatMs };
  toJoin(joining);
  const queue = new DeliveryQueue(reporting(handler, options), concurrency);
  return untilStopped(channel, joining, queue, options);
}

function reporting(handler: EventHandler, { onFailed }: ConsumeOptions): EventHandler {
  if (onFailed === undefined) return handler;
  return async (event, context) => {
    try {
      await handler(event, context);
    } catch (error) {
      onFailed(error, event);
      throw error;
    }
  };
}

/** Joins again whenever a call ends in a way that may pass. */
async function untilStopped(
  channel: Channel,
  joining: Joining,
  queue: DeliveryQueue,
  options: ConsumeOptions,
): Promise<void> {
  const { stop, signal, onReconnect } = options;
  const ends = signal === undefined ? channel.closed : AbortSignal.any([signal, channel.closed]);
  const stops = stop === undefined ? ends : AbortSignal.any([stop, ends]);
  const events = eventsOf(options);
  let endedMs = -Infinity;
  for (let failures = 0; ; failures++) {
    ends.throwIfAborted();
    if (isAborted(stops)) return;
    const membership = new Membership(channel, joining, queue, { ...events, signal: ends });
    const end = await endOf(membership, stops);
    ends.throwIfAborted();
    const error = errorOf(end);
    const hasLeft = end.failure.status === status.OK || !membership.hasJoined || mayPass(error, true);
    if (isAborted(stops) && hasLeft) return;
    if (membership.hasJoined) {
      failures = 0;
      endedMs = performance.now();
    }
    // The gateway may not have noticed yet that the call before this one has ended.
    const isOwnId =
      error instanceof GroupError &&
      error.code === 'MEMBER_EXISTS' &&
      performance.now() - endedMs < memberExistsMsMax;
    if (!isOwnId && !mayPass(error, channel.tokens !== undefined && membership.hasJoined)) throw error;
    onReconnect?.(error);
    await pauseAfter(failures, stops).catch(() => undefined);
  }
}

function isAborted({ aborted }: AbortSignal): boolean {
  return aborted;
}

async function endOf(membership: Membership, stops: AbortSignal): Promise<DuplexEnd> {
  const leave = (): void => {
    membership.leave();
  };
  stops.addEventListener('abort', leave);
  try {
    return await membership.ended;
  } finally {
    stops.removeEventListener('abort', leave);
  }
}

/** `hasRenewableToken`: a token that has expired is followed by another one. */
function mayPass(error: unknown, hasRenewableToken: boolean): boolean {
  return isTransient(error) || (hasRenewableToken && error instanceof UnauthenticatedError);
}

function errorOf({ reason, failure }: DuplexEnd): Error {
  if (reason !== undefined) return reason;
  return toError(failure.status === status.OK ? malformed('the call ended although no one left') : failure);
}

function eventsOf({ onJoined, onLanes, onCaughtUp, onRefused }: ConsumeOptions): MembershipEvents {
  return {
    onJoined: ({ member, storeId, settings }: Joined) =>
      onJoined?.({ member, storeId, settings: toStoredSettings(settings ?? toProtoSettings({})) }),
    onLanes: (lanes) => onLanes?.(lanes),
    onCaughtUp: () => onCaughtUp?.(),
    onRefused: (error) => onRefused?.(error),
  };
}
