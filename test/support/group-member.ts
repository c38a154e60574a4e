import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { ObservedDelivery } from './group-history';
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

let lastTick = 0;

/** One clock for all that members observe, in all processes of this machine: no two times of one process are the same. */
export function tick(): number {
  lastTick = Math.max(lastTick + 1, Number(process.hrtime.bigint()));
  return lastTick;
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
  /** The same for the judge of histories. */
  readonly observed: ObservedDelivery[] = [];
  readonly notices: WireMessage[] = [];
  private readonly open = new Map<string, ObservedDelivery>();
  private readonly byId = new Map<string, ObservedDelivery>();
  private readonly name: string;
  /** The failure of the call; undefined: it has ended with OK. */
  readonly ended: Promise<WireFailure | undefined>;
  readonly call: ClientDuplexStream<WireMessage, WireMessage>;
  isOver = false;
  /** Called when a delivery has come, and before the gateway learns what becomes of it. */
  onObserved: (observed: ObservedDelivery) => void = () => undefined;
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
      .finally(() => {
        this.isOver = true;
        this.loseAll();
      });
    this.name = `member ${process.pid}-${members++}`;
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
    if (this.isOver) return;
    for (const [outcome, id, handled] of outcomesIn(request)) this.end(id, outcome, handled);
    this.call.write(request);
  }

  /** What it has is lost from now on, whether it knows or not. */
  loseAll(): void {
    for (const id of this.open.keys()) this.end(id, 'lost');
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
    if (deliveries === undefined) this.note(response);
    for (const delivery of (deliveries as WireMessage[] | undefined) ?? []) {
      const one = toDelivered(delivery);
      this.delivered.push(one);
      this.begin(one);
      void this.answer(one);
    }
  }

  private note(notice: WireMessage): void {
    this.notices.push(notice);
    const { revoked, refused } = notice as { revoked?: Revoked; refused?: { delivery: string } };
    if (refused !== undefined) {
      const observed = this.byId.get(refused.delivery);
      if (observed?.outcome !== undefined) {
        observed.outcome = 'lost';
        this.onObserved(observed);
      }
    }
    if (revoked === undefined || revoked.timeout !== undefined) return;
    for (const { id, lane } of this.delivered) if (revoked.lanes?.includes(lane)) this.end(id, 'lost');
  }

  private begin({ id, stream, versions, redelivered, replayed }: Delivered): void {
    const observed = { member: this.name, stream, versions, redelivered, replayed, startedAt: tick() };
    this.observed.push(observed);
    this.open.set(id, observed);
    this.byId.set(id, observed);
    this.onObserved(observed);
  }

  private end(id: string, outcome: NonNullable<ObservedDelivery['outcome']>, handled = 0): void {
    const observed = this.open.get(id);
    if (observed === undefined) return;
    this.open.delete(id);
    Object.assign(observed, { outcome, handled, endedAt: tick() });
    this.onObserved(observed);
  }

  private async answer(delivery: Delivered): Promise<void> {
    const says = await this.decide(delivery);
    if (says !== undefined) this.say(says);
  }
}

let members = 0;

interface Revoked {
  readonly lanes?: readonly number[];
  readonly timeout?: unknown;
}

type Outcome = readonly [
  outcome: 'acknowledged' | 'retried' | 'parked' | 'skipped',
  id: string,
  handled: number,
];

function outcomesIn(request: WireMessage): Outcome[] {
  const { ack, ...failures } = request as { ack?: { deliveries: string[] } };
  const acknowledged = (ack === undefined ? [] : ack.deliveries).map((id): Outcome => [
    'acknowledged',
    id,
    0,
  ]);
  const failed = (['retry', 'park', 'skip'] as const).flatMap((kind): Outcome[] => {
    const said = (failures as Record<string, { delivery: string; handled?: number } | undefined>)[kind];
    return said === undefined ? [] : [[pastOf[kind], said.delivery, said.handled ?? 0]];
  });
  return [...acknowledged, ...failed];
}

const pastOf = { retry: 'retried', park: 'parked', skip: 'skipped' } as const;

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

  get observed(): ObservedDelivery[] {
    return this.calls.flatMap(({ observed }) => observed);
  }

  /** Leaves the group. */
  async stop(): Promise<void> {
    this.isStopped = true;
    const last = this.calls.at(-1);
    last?.say({ leave: {} });
    await this.running;
  }

  private hasStopped(): boolean {
    return this.isStopped;
  }

  private async run(): Promise<void> {
    for (let turn = this.start; ; turn++) {
      const address = this.addresses[turn % this.addresses.length] as string;
      const member = new GroupMember(address, this.join, this.decide);
      this.calls.push(member);
      await member.ended;
      member[Symbol.dispose]();
      if (this.hasStopped()) return;
      await sleep(200);
      if (this.hasStopped()) return;
    }
  }
}
