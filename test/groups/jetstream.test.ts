import { connect } from 'nats';
import pino from 'pino';
import type { Delivery, GroupSettings } from '../../src/store/consumer-groups';
import { leftToNats } from '../../src/store/durability';
import { UnreadableCommitError } from '../../src/store/errors';
import { defaultLimits } from '../../src/limits';
import { openStore, type OpenedStore } from '../../src/open-store';
import { newStore, type StoreNames } from '../contract/open';
import { groupFaults, type ObservedDelivery } from '../support/group-history';
import { natsOptions } from '../support/nats-options';
import { startNats, type TestNats, until } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { append, call, defaultSettings, name, TestMember, versionsOf } from './groups-setup';

const g = name('g');
const beginning = { kind: 'beginning' } as const;
let nats: TestNats;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

/** A gateway without gRPC. */
function openGateway(names: StoreNames): Promise<OpenedStore> {
  return openStore({
    address: '127.0.0.1:1',
    nats: natsOptions(nats.url),
    store: { ...names, replicas: 1 },
    mayCreate: true,
    limits: { ...defaultLimits, appendTimeoutMs: 30_000 },
    durability: leftToNats,
    log: pino({ level: 'silent' }),
    replicaDir: makeReplicaDir(),
  });
}

/** Gateways of one store with a group. */
async function setup(count: number, settings: Partial<GroupSettings> = {}) {
  const names = newStore();
  const gateways: OpenedStore[] = [];
  for (let opened = 0; opened < count; opened++) gateways.push(await openGateway(names));
  const [first] = gateways as [OpenedStore];
  await first.groups.create(
    { name: g, settings: { ...defaultSettings, ...settings }, start: beginning },
    call(),
  );
  return {
    names,
    first,
    gateways,
    async [Symbol.asyncDispose]() {
      await Promise.all(gateways.map((gateway) => gateway.close()));
    },
  };
}

/** Members that note what they get. */
class Observers {
  readonly deliveries: ObservedDelivery[] = [];
  readonly counts = new Map<string, number>();
  private time = 0;

  join(gateway: OpenedStore, id: string, fails: (delivery: Delivery) => boolean = () => false): TestMember {
    const handle = (delivery: Delivery, { membership }: TestMember): void => {
      const versions = versionsOf(delivery).map((event) => Number(event.split(' ')[1]));
      const { stream, redelivered, replayed } = delivery;
      const isFailure = fails(delivery);
      const startedAt = ++this.time;
      const outcome = isFailure ? ('retried' as const) : ('acknowledged' as const);
      this.deliveries.push({
        ...{ member: id, stream, versions, redelivered, replayed, startedAt, outcome },
        handled: isFailure ? 0 : versions.length,
        endedAt: ++this.time,
      });
      if (isFailure) membership.fail(delivery.id, 0, { kind: 'retry', delayMs: undefined, reason: 'poison' });
      else {
        this.counts.set(stream, Math.max(this.counts.get(stream) ?? 0, ...versions));
        membership.ack([delivery.id]);
      }
    };
    return new TestMember(gateway.groups, 'g', id, handle, 64);
  }

  get settled(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }
}

function logOf(streams: number, events: number): ReadonlyMap<string, readonly number[]> {
  const versions = Array.from({ length: events }, (_, index) => index + 1);
  return new Map(Array.from({ length: streams }, (_, index) => [`s${index.toString()}`, versions]));
}

test('one event among 100,000 fails: the others are delivered once, on two gateways, and then it is', async () => {
  await using opened = await setup(2, { attemptsMax: 0, backoffMinMs: 50, backoffMaxMs: 200, lanes: 32 });
  const { first, gateways } = opened;
  const [streams, commits, events] = [200, 10, 50];
  await Promise.all(
    Array.from({ length: streams }, async (_, index) => {
      for (let commit = 0; commit < commits; commit++) await append(first, `s${index.toString()}`, events);
    }),
  );
  const observers = new Observers();
  let isMended = false;
  const isPoison = (delivery: Delivery): boolean =>
    !isMended && delivery.stream === 's7' && versionsOf(delivery).includes('s7 101');
  const members = gateways.flatMap((gateway, index) =>
    ['a', 'b'].map((id) => observers.join(gateway, `${id}${index.toString()}`, isPoison)),
  );
  const all = streams * commits * events;
  await until(() => observers.settled === all - 400, 40_000);
  const behind = async (): Promise<number> => {
    const { lanes, head } = await first.groups.get(g, call());
    return lanes.filter(({ floor }) => floor < head).length;
  };
  // The records are some seconds old.
  await until(async () => (await behind()) === 1);
  isMended = true;
  await until(() => observers.settled === all, 20_000);
  for (const { membership } of members) membership.leave();
  expect(await Promise.all(members.map(({ done }) => done))).toEqual(members.map(() => undefined));
  const { deliveries } = observers;
  const history = {
    log: logOf(streams, commits * events),
    deliveries,
    parked: new Set<string>(),
    isComplete: true,
  };
  expect(groupFaults(history)).toEqual([]);
  expect(deliveries.filter(({ stream, redelivered }) => redelivered && stream !== 's7')).toEqual([]);
  expect(await behind()).toBe(0);
});

test('NATS is killed and started again while members come and go', async () => {
  await using opened = await setup(2);
  const { first, gateways } = opened;
  const observers = new Observers();
  const [streams, rounds] = [20, 30];
  const members: TestMember[] = [observers.join(first, 'm0')];
  for (let round = 0; round < rounds; round++) {
    if (round === 10) await nats.kill();
    if (round === 10) setTimeout(() => void nats.start(), 1_000);
    if (round % 5 === 4)
      members.push(observers.join(gateways[round % 2] as OpenedStore, `m${round.toString()}`));
    if (round % 10 === 9) void leaveOnceJoined(members.shift() as TestMember);
    await Promise.all(
      Array.from({ length: streams }, (_, index) => untilAppended(first, `s${index.toString()}`, round + 1)),
    );
  }
  await until(() => observers.settled === streams * rounds, 30_000);
  await Promise.all(members.map(leaveOnceJoined));
  await Promise.all(members.map(({ done }) => done));
  const { deliveries } = observers;
  const history = { log: logOf(streams, rounds), deliveries, parked: new Set<string>(), isComplete: true };
  expect(groupFaults(history)).toEqual([]);
});

/** While NATS is away, nobody can join. */
async function leaveOnceJoined(member: TestMember): Promise<void> {
  await member.ready().then(
    () => {
      member.membership.leave();
    },
    () => undefined,
  );
}

/** Appends one event if the stream has not got that many yet. */
async function untilAppended(store: OpenedStore, to: string, wanted: number): Promise<void> {
  for (;;) {
    try {
      const { version } = await store.getVersion(to as never, undefined, call());
      if (Number(version) >= wanted) return;
      await append(store, to);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

test('what is not a commit ends the members, unless the group skips it', async () => {
  await using opened = await setup(1);
  const { first, names } = opened;
  for (let count = 0; count < 3; count++) await append(first, `s${count.toString()}`);
  const observers = new Observers();
  const raw = await connect({ servers: nats.url });
  await raw.jetstream().publish(`${names.prefix}.s1`, 'not a commit');
  await raw.close();
  await append(first, 's3');
  const member = observers.join(first, 'm');
  expect(await member.done).toBeInstanceOf(UnreadableCommitError);
  await until(() => observers.settled === 3);
  const settings = { ...defaultSettings, skipUnreadable: true };
  await first.groups.update({ name: g, settings, revision: 0n }, call());
  const patient = observers.join(first, 'n');
  await until(() => observers.settled === 4);
  patient.membership.leave();
  expect(await patient.done).toBeUndefined();
});

test('a lane with many streams of which many wait: nothing that was acknowledged comes again', async () => {
  await using opened = await setup(1, { lanes: 1, attemptsMax: 0, backoffMinMs: 100, backoffMaxMs: 1_000 });
  const { first } = opened;
  const [streams, failing] = [3_000, 600];
  for (let round = 0; round < 2; round++)
    for (let from = 0; from < streams; from += 200)
      await Promise.all(
        Array.from({ length: 200 }, (_, index) => append(first, `s${(from + index).toString()}`)),
      );
  const acknowledged = new Set<string>();
  const again: string[] = [];
  const member = new TestMember(
    first.groups,
    'g',
    'm',
    (delivery, { membership }) => {
      const events = versionsOf(delivery);
      again.push(...events.filter((event) => acknowledged.has(event)));
      if (Number(delivery.stream.slice(1)) < failing)
        membership.fail(delivery.id, 0, { kind: 'retry', delayMs: undefined, reason: 'it waits' });
      else {
        for (const event of events) acknowledged.add(event);
        membership.ack([delivery.id]);
      }
    },
    600,
  );
  await until(() => acknowledged.size === 2 * (streams - failing), 60_000);
  member.caller.abort();
  await member.done;
  expect(again).toEqual([]);
  // A lease of 7 s outlasts all that keeps the process busy; with one of 200 ms the lane was lost, and its events came again.
  expect(member.updates.filter(({ kind }) => kind === 'revoked')).toEqual([]);
}, 90_000);
