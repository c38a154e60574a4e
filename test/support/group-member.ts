import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import {
  connectWire,
  wireFailureOf,
  type WireClient,
  type WireFailure,
  type WireMessage,
} from './wire-client';

/** A delivery as a member got it. */
export interface Delivered {
  readonly id: string;
  readonly stream: string;
  readonly versions: readonly number[];
  readonly lane: number;
  readonly attempt: number;
  readonly redelivered: boolean;
  readonly replayed: boolean;
}

/** What a member says of a delivery; undefined: nothing. */
export type Decide = (delivery: Delivered) => WireMessage | undefined | Promise<WireMessage | undefined>;

/** Acknowledges a delivery. */
export function acknowledge({ id }: Pick<Delivered, 'id'>): WireMessage {
  return { ack: { deliveries: [id] } };
}

/** One call of Consume, and what has come of it. */
export class GroupMember implements Disposable {
  readonly delivered: Delivered[] = [];
  readonly notices: WireMessage[] = [];
  /** The failure of the call; undefined: it has ended with OK. */
  readonly ended: Promise<WireFailure | undefined>;
  readonly call: ClientDuplexStream<WireMessage, WireMessage>;
  isOver = false;
  private readonly wire: WireClient;

  constructor(
    address: string,
    join: WireMessage,
    private readonly decide: Decide = acknowledge,
    token?: string,
  ) {
    this.wire = connectWire(address, { service: 'sluice.v1.ConsumerGroupService', token });
    this.call = this.wire.duplex('Consume', { deadline: Infinity });
    this.call.on('data', (response: WireMessage) => {
      this.take(response);
    });
    const end = new Promise<void>((resolve, reject) => this.call.on('end', resolve).on('error', reject));
    this.ended = end
      .then(
        () => undefined,
        (error: unknown) => wireFailureOf(Promise.reject(error as Error)),
      )
      .finally(() => (this.isOver = true));
    this.call.write({ join });
  }

  /** The lanes that it has. */
  get lanes(): number[] {
    const lanes = new Set<number>();
    for (const { assigned, revoked } of this.notices as Record<string, { lanes?: number[] } | undefined>[]) {
      for (const lane of assigned?.lanes ?? []) lanes.add(lane);
      for (const lane of revoked?.lanes ?? []) lanes.delete(lane);
    }
    return [...lanes].sort((a, b) => a - b);
  }

  has(notice: string): boolean {
    return this.notices.some((one) => one[notice] !== undefined);
  }

  refusals(): WireMessage[] {
    return this.notices.flatMap(({ refused }) => (refused === undefined ? [] : [refused as WireMessage]));
  }

  say(request: WireMessage): void {
    if (!this.isOver) this.call.write(request);
  }

  /** Leaves, and waits for the end of the call. */
  async leave(): Promise<WireFailure | undefined> {
    this.say({ leave: {} });
    return this.ended;
  }

  [Symbol.dispose](): void {
    this.call.cancel();
    this.wire[Symbol.dispose]();
  }

  private take(response: WireMessage): void {
    const { deliveries } = response;
    if (deliveries === undefined) this.notices.push(response);
    for (const delivery of (deliveries as WireMessage[] | undefined) ?? []) {
      const one = toDelivered(delivery);
      this.delivered.push(one);
      void this.answer(one);
    }
  }

  private async answer(delivery: Delivered): Promise<void> {
    const says = await this.decide(delivery);
    if (says !== undefined) this.say(says);
  }
}

function toDelivered(delivery: WireMessage): Delivered {
  const events = delivery['events'] as WireMessage[];
  return {
    id: delivery['id'] as string,
    stream: events[0]?.['stream'] as string,
    versions: events.map(({ version }) => Number(version)),
    lane: (delivery['lane'] as number | undefined) ?? 0,
    attempt: delivery['attempt'] as number,
    redelivered: delivery['redelivered'] === true,
    replayed: delivery['replayed'] === true,
  };
}

/** A process that joins again, at any of these gateways, whenever its call ends, until it is stopped. */
export class LoyalMember {
  /** Every call so far. */
  readonly calls: GroupMember[] = [];
  private isStopped = false;
  private readonly running: Promise<void>;

  constructor(
    private readonly addresses: readonly string[],
    private readonly join: WireMessage,
    private readonly decide: Decide = acknowledge,
    private readonly start = 0,
  ) {
    this.running = this.run();
  }

  get delivered(): Delivered[] {
    return this.calls.flatMap(({ delivered }) => delivered);
  }

  /** Leaves the group. */
  async stop(): Promise<void> {
    this.isStopped = true;
    const last = this.calls.at(-1);
    last?.say({ leave: {} });
    await this.running;
  }

  private async run(): Promise<void> {
    for (let turn = this.start; !this.isStopped; turn++) {
      const address = this.addresses[turn % this.addresses.length] as string;
      const member = new GroupMember(address, this.join, this.decide);
      this.calls.push(member);
      await member.ended;
      member[Symbol.dispose]();
      if (!this.isStopped) await sleep(200);
    }
  }
}
