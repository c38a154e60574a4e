import { status, type Client } from '@grpc/grpc-js';
import {
  ConsumerGroupServiceService,
  ConsumeRequest,
  ConsumeResponse,
  type Joined,
  type Refused,
  type Revoked,
} from '../../generated/sluice/v1/consumer_group_service';
import { duplexStream } from './authorized-calls';
import type { Duplex, DuplexEnd, DuplexListener } from './calls';
import type { Channel } from './channel';
import { Task, type DeliveryQueue, type Settling } from './delivery-queue';
import { UnavailableError, type AnySluiceError } from './errors';
import { statusFailure } from './failure';
import { ParkEvent, RetryEvent, SkipEvent } from './handler';
import { missedMax } from './reconnect';
import { decode, encode } from './text';
import { fromDuration, toDuration } from './time';
import { toError } from './to-error';

/** How to join. */
export interface Joining {
  readonly group: string;
  /** Empty: the gateway makes one. */
  readonly member: string;
  readonly maxInFlight: number;
  readonly heartbeatMs: number;
}

/** What a call reports. */
export interface MembershipEvents {
  readonly onJoined: (joined: Joined) => void;
  /** The lanes that the member has now, after a change. */
  readonly onLanes: (lanes: readonly number[]) => void;
  readonly onCaughtUp: () => void;
  readonly onRefused: (error: AnySluiceError) => void;
}

type Request = NonNullable<ConsumeRequest['request']>;

const method = { path: ConsumerGroupServiceService.consume.path };
/** `Ack.deliveries` and `Extend.deliveries` have at most this many. */
const idsMax = 10_000;
/** How often in its time a delivery is extended that waits for a handler. */
const extendsPerTimeout = 3;

/** Throws TypeError and RangeError for what cannot be sent. */
export function toJoin({ group, member, maxInFlight, heartbeatMs }: Joining): Uint8Array {
  const heartbeatInterval = toDuration(heartbeatMs, 'heartbeatMs');
  return encode(ConsumeRequest, {
    request: { $case: 'join', value: { group, member, maxInFlight, heartbeatInterval } },
  });
}

/** One call of Consume: from joining to its end. Its deliveries go into a queue, and are lost when the call ends. */
export class Membership implements DuplexListener, Settling {
  readonly ended: Promise<DuplexEnd>;
  private readonly call: Duplex;
  private readonly client: Client;
  private readonly events: MembershipEvents;
  private readonly giveUp = new AbortController();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly lanes = new Set<number>();
  private joined: Joined | undefined;
  private acked: bigint[] = [];
  private missed = 0;
  private isEnded = false;
  private onEnded: (end: DuplexEnd) => void = () => undefined;

  /** `signal` ends the call at once. Throws its reason if it has aborted. */
  constructor(
    private readonly channel: Channel,
    joining: Joining,
    private readonly queue: DeliveryQueue,
    { signal, ...events }: MembershipEvents & { readonly signal: AbortSignal },
  ) {
    this.events = events;
    this.ended = new Promise((resolve) => (this.onEnded = resolve));
    this.client = channel.client;
    this.call = duplexStream(
      channel,
      method,
      { signal: AbortSignal.any([signal, this.giveUp.signal]) },
      this,
    );
    this.call.write(toJoin(joining));
    this.every(joining.heartbeatMs, () => {
      if (++this.missed > missedMax) this.leaveSilent(joining.heartbeatMs);
    });
  }

  get hasJoined(): boolean {
    return this.joined !== undefined;
  }

  /** No more deliveries come; the call ends with OK when those there are have been settled. */
  leave(): void {
    if (this.joined === undefined) this.giveUp.abort(new Error('the member leaves before it has joined'));
    else this.send({ $case: 'leave', value: {} });
  }

  ack({ id }: Task): void {
    if (this.acked.push(id) === 1) setImmediate(this.flush);
  }

  fail({ id }: Task, handled: number, error: unknown): void {
    const reason = (error instanceof Error ? error.message : String(error)).toWellFormed();
    const delivery = { delivery: id, handled };
    if (error instanceof SkipEvent) this.send({ $case: 'skip', value: delivery });
    else if (error instanceof ParkEvent) this.send({ $case: 'park', value: { ...delivery, reason } });
    else {
      const delay = error instanceof RetryEvent ? toDuration(error.delayMs, 'delayMs') : undefined;
      this.send({ $case: 'retry', value: { ...delivery, delay, reason } });
    }
  }

  extend(tasks: readonly Task[]): void {
    for (let at = 0; at < tasks.length; at += idsMax) {
      const deliveries = tasks.slice(at, at + idsMax).map(({ id }) => id);
      this.send({ $case: 'extend', value: { deliveries } });
    }
  }

  onResponse(bytes: Buffer): void {
    this.missed = 0;
    try {
      const { deliveries, notice } = decode(ConsumeResponse, bytes);
      if (notice !== undefined) this.take(notice);
      const ackTimeoutMs = fromDuration(this.joined?.settings?.ackTimeout);
      const nowMs = performance.now();
      for (const delivery of deliveries) this.queue.add(new Task(delivery, this, ackTimeoutMs, nowMs));
    } catch (error) {
      // Of a callback, or because the bytes are not a message: another call would not be better.
      this.giveUp.abort(error);
    }
  }

  onDrain(): void {
    // What waits to be sent has a bound: that of the deliveries.
  }

  onEnd(end: DuplexEnd): void {
    this.isEnded = true;
    for (const timer of this.timers) clearTimeout(timer);
    const reason = end.reason ?? new Error('the call has ended');
    this.queue.lose((task) => this.owns(task), reason);
    this.onEnded(end);
  }

  private owns(task: Task): boolean {
    return task.settling === this;
  }

  private take(notice: NonNullable<ConsumeResponse['notice']>): void {
    switch (notice.$case) {
      case 'joined':
        this.onJoined(notice.value);
        break;
      case 'assigned':
        for (const lane of notice.value.lanes) this.lanes.add(lane);
        this.events.onLanes([...this.lanes]);
        break;
      case 'revoked':
        this.onRevoked(notice.value);
        break;
      case 'refused':
        this.onRefused(notice.value);
        break;
      case 'caughtUp':
        this.events.onCaughtUp();
        break;
      case 'heartbeat':
      case 'draining': // the call goes on until the gateway ends it
        break;
    }
  }

  private onJoined(joined: Joined): void {
    this.joined = joined;
    this.every(fromDuration(joined.settings?.ackTimeout) / extendsPerTimeout, () => {
      const tasks = this.queue.unstarted.filter((task) => this.owns(task));
      for (const task of tasks) task.beginTime(performance.now());
      this.extend(tasks);
    });
    this.events.onJoined(joined);
  }

  private onRevoked({ lanes, timeout }: Revoked): void {
    const isOfThem = (task: Task): boolean => this.owns(task) && lanes.includes(task.lane);
    const lose = (): void => {
      this.queue.lose(isOfThem, new Error('another member gets the lane'));
    };
    for (const lane of lanes) this.lanes.delete(lane);
    if (timeout === undefined) lose();
    else {
      this.queue.hurry(isOfThem);
      this.timers.push(setTimeout(lose, fromDuration(timeout)).unref());
    }
    this.events.onLanes([...this.lanes]);
  }

  private onRefused({ error }: Refused): void {
    if (error !== undefined) this.events.onRefused(toError(statusFailure(error, undefined)));
  }

  private every(ms: number, work: () => void): void {
    this.timers.push(setInterval(work, ms).unref());
  }

  /** The connection is left too: another call on it would be silent as well. */
  private leaveSilent(heartbeatMs: number): void {
    this.channel.leave(this.client);
    const message = `nothing has come from the gateway for ${missedMax * heartbeatMs} ms`;
    this.giveUp.abort(new UnavailableError({ message, status: status.UNAVAILABLE }, 'UNAVAILABLE', 0));
  }

  /** Acknowledges what was done in this turn of the event loop, in one message. */
  private readonly flush = (): void => {
    for (let deliveries = this.acked.splice(0, idsMax); deliveries.length > 0;) {
      this.send({ $case: 'ack', value: { deliveries } });
      deliveries = this.acked.splice(0, idsMax);
    }
  };

  private send(request: Request): void {
    if (!this.isEnded) this.call.write(encode(ConsumeRequest, { request }));
  }
}
