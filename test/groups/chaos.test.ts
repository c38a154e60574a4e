import type { Delivery } from '../../src/store/consumer-groups';
import { GroupError } from '../../src/store/group-errors';
import { groupFaults, type ObservedDelivery } from '../support/group-history';
import { MemoryState, type MemoryGateway } from '../support/memory-state';
import { createModelStore } from '../support/model-store';
import { randomFrom } from '../support/random';
import {
  append,
  call,
  defaultSettings,
  name,
  open,
  shortTimings,
  TestMember,
  versionsOf,
} from './groups-setup';
import type { OpenGroups } from '../../src/groups/open-groups';

const settings = {
  ...defaultSettings,
  ackTimeoutMs: 400,
  handoverTimeoutMs: 100,
  backoffMinMs: 10,
  backoffMaxMs: 50,
};

/** A gateway, which can be away from the state for a while, or die. */
interface TestGateway {
  readonly groups: OpenGroups;
  readonly state: MemoryGateway;
}

/** A group under members that come and go, on gateways that pause and die. */
class Chaos {
  readonly store = createModelStore();
  readonly state = new MemoryState();
  readonly deliveries: ObservedDelivery[] = [];
  readonly log = new Map<string, number[]>();
  gateways: TestGateway[] = [];
  readonly members = new Map<string, { readonly member: TestMember; readonly gateway: TestGateway }>();
  readonly failures: unknown[] = [];
  private readonly open = new Map<string, { readonly observed: ObservedDelivery; readonly lane: number }>();
  private lastMember = 0;
  private time = 0;
  /** Members acknowledge everything. */
  isCalm = false;

  constructor(private readonly random: () => number) {
    for (let count = 0; count < 3; count++) this.addGateway();
  }

  addGateway(): void {
    const state = this.state.gateway();
    this.gateways.push({ groups: open(this.store, state, {}, shortTimings), state });
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)] as Item;
  }

  async append(): Promise<void> {
    const to = `s${Math.floor(this.random() * 25).toString()}`;
    const count = 1 + Math.floor(this.random() * 3);
    await append(this.store, to, count);
    const versions = this.log.get(to) ?? [];
    for (let added = 0; added < count; added++) versions.push(versions.length + 1);
    this.log.set(to, versions);
  }

  join(): void {
    const gateway = this.pick(this.gateways);
    const id = `m${(++this.lastMember).toString()}`;
    const member = new TestMember(
      gateway.groups,
      'g',
      id,
      (delivery) => {
        this.handle(member, delivery);
      },
      8,
    );
    this.members.set(id, { member, gateway });
    member.onUpdate = (update) => {
      if (update.kind === 'revoked' && update.timeoutMs === undefined) this.lose(id, update.lanes);
      if (update.kind === 'refused') this.lost(`${id} ${update.delivery.toString()}`);
    };
    void member.done.then((error) => {
      this.lose(id);
      this.members.delete(id);
      if (error instanceof GroupError) this.failures.push(error);
    });
  }

  /** The member goes, and settles what it has before or not. */
  part(isGraceful: boolean): void {
    const [id, { member }] = this.pick([...this.members]);
    if (!member.hasJoined) return;
    if (isGraceful) member.membership.leave();
    else {
      this.lose(id);
      member.caller.abort();
    }
  }

  /** The gateway reaches nothing for a while. Its members do not know that. */
  pause(ms: number): void {
    const gateway = this.pick(this.gateways);
    gateway.state.away = true;
    setTimeout(() => (gateway.state.away = false), ms).unref();
  }

  /** The gateway dies with its members. */
  kill(): void {
    const gateway = this.pick(this.gateways);
    gateway.state.away = true;
    this.gateways = this.gateways.filter((other) => other !== gateway);
    for (const [id, { member, gateway: its }] of this.members) {
      if (its !== gateway) continue;
      member.isDead = true;
      this.lose(id);
      this.members.delete(id);
    }
    this.addGateway();
  }

  private handle(member: TestMember, delivery: Delivery): void {
    const key = `${member.id} ${delivery.id.toString()}`;
    const { redelivered, replayed, lane, stream } = delivery;
    const versions = versionsOf(delivery).map((event) => Number(event.split(' ')[1]));
    const startedAt = ++this.time;
    const observed: ObservedDelivery = {
      member: member.id,
      stream,
      versions,
      redelivered,
      replayed,
      startedAt,
    };
    this.deliveries.push(observed);
    this.open.set(key, { observed, lane });
    if (this.random() < 0.01 && !this.isCalm) {
      // It is never settled, and counts as failed a little later.
      setTimeout(() => {
        this.end(key, 'retried', 0);
      }, settings.ackTimeoutMs - 5).unref();
      return;
    }
    setTimeout(() => {
      this.settle(member, delivery, key);
    }, this.random() * 10).unref();
  }

  private settle(member: TestMember, delivery: Delivery, key: string): void {
    if (!this.open.has(key) || member.isDead) return;
    const { membership } = member;
    const handled = Math.floor(this.random() * delivery.eventCount);
    const chance = this.isCalm ? 1 : this.random();
    if (chance < 0.1) {
      this.end(key, 'retried', handled);
      membership.fail(delivery.id, handled, { kind: 'retry', delayMs: undefined, reason: 'by chance' });
    } else if (chance < 0.12) {
      this.end(key, 'parked', handled);
      membership.fail(delivery.id, handled, { kind: 'park', reason: 'by chance' });
    } else if (chance < 0.14) {
      this.end(key, 'skipped', handled);
      membership.fail(delivery.id, handled, { kind: 'skip' });
    } else {
      this.end(key, 'acknowledged', delivery.eventCount);
      membership.ack([delivery.id]);
    }
  }

  private end(key: string, outcome: NonNullable<ObservedDelivery['outcome']>, handled: number): void {
    const found = this.open.get(key);
    if (found !== undefined) Object.assign(found.observed, { outcome, handled, endedAt: ++this.time });
    this.ended.set(key, found?.observed);
    this.open.delete(key);
  }

  private readonly ended = new Map<string, ObservedDelivery | undefined>();

  /** What was said of a delivery came too late. */
  private lost(key: string): void {
    const ended = this.ended.get(key);
    if (ended !== undefined) ended.outcome = 'lost';
  }

  private lose(id: string, lanes?: readonly number[]): void {
    for (const [key, { lane }] of this.open)
      if (key.startsWith(`${id} `) && lanes?.includes(lane) !== false) this.end(key, 'lost', 0);
  }

  private get groups(): OpenGroups {
    return this.pick(this.gateways).groups;
  }

  replay(): Promise<number> {
    return this.groups.replayParked({ group: name('g'), stream: undefined, version: undefined }, call());
  }

  /** As "stream version". */
  async parked(): Promise<ReadonlySet<string>> {
    const query = { group: name('g'), stream: undefined, version: undefined, maxCount: undefined };
    const parked = new Set<string>();
    for await (const page of this.groups.listParked({ ...query, withEvents: false }, call()))
      for (const { stream, version } of page) parked.add(`${stream} ${version.toString()}`);
    return parked;
  }

  /** The same, while a gateway may still be without its state. */
  async parkedOnceReached(): Promise<ReadonlySet<string>> {
    for (let attempt = 0; attempt < 50; attempt++) {
      try {
        return await this.parked();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    return this.parked();
  }

  /** Whether everything is settled, and nothing is parked that was asked for. */
  async isDone(): Promise<boolean> {
    const { lanes, head, parkedCount } = await this.groups.get(name('g'), call());
    return lanes.every(({ floor }) => floor === head) && (!this.isCalm || parkedCount === 0);
  }
}

test.each<[number, boolean]>([
  [1, false],
  [2, false],
  [3, true],
  [4, true],
])(
  'seed %i: nothing is lost, repeated without saying so, or out of order; what follows is parked: %s',
  async (seed, parkFollowing) => {
    const random = randomFrom(seed);
    const chaos = new Chaos(random);
    const { groups } = chaos.gateways[0] as TestGateway;
    const start = { kind: 'beginning' } as const;
    await groups.create({ name: name('g'), settings: { ...settings, parkFollowing }, start }, call());
    chaos.join();
    for (let turn = 0; turn < 400; turn++) {
      for (let count = 0; count < 3; count++) await chaos.append();
      const chance = random();
      if (chance < 0.06 && chaos.members.size < 8) chaos.join();
      else if (chance < 0.11 && chaos.members.size > 0) chaos.part(random() < 0.5);
      else if (chance < 0.12) chaos.pause(random() * 600);
      else if (chance < 0.125) chaos.kill();
      else if (chance < 0.15 && parkFollowing) await chaos.replay().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (let count = 0; count < 4; count++) chaos.join();
    chaos.isCalm = parkFollowing;
    const endMs = performance.now() + 20_000;
    while (!(await chaos.isDone().catch(() => false)) && performance.now() < endMs) {
      if (parkFollowing) await chaos.replay().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const parked = await chaos.parkedOnceReached();
    const { log, deliveries } = chaos;
    expect(groupFaults({ log, deliveries, parked, isComplete: true })).toEqual([]);
    expect(chaos.failures).toEqual([]);
    expect(await chaos.isDone()).toBe(true);
    for (const gateway of chaos.gateways) await gateway.groups.close();
  },
);
