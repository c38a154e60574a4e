import type { Delivery, GroupName } from '../../src/store/consumer-groups';
import type { EventStore } from '../../src/store/event-store';
import { StoreUnavailableError, UnreadableCommitError } from '../../src/store/errors';
import { position } from '../../src/store/values';
import type { StateStore } from '../../src/store/state-store';
import { MemoryState } from '../support/memory-state';
import { createModelStore } from '../support/model-store';
import { until } from '../support/nats-server';
import {
  append,
  call,
  defaultSettings,
  name,
  open,
  patientTimings,
  TestMember,
  versionsOf,
} from './groups-setup';

const g: GroupName = name('g');
const beginning = { kind: 'beginning' } as const;

/** What the gateway of a test sees of the store and of the state. */
interface Wrapping {
  readonly store?: (store: EventStore) => EventStore;
  readonly state?: (state: StateStore) => StateStore;
}

async function setup(settings: Partial<typeof defaultSettings> = {}, wrap: Wrapping = {}) {
  const store = createModelStore();
  const state = new MemoryState();
  const gateway = state.gateway();
  const groups = open(wrap.store?.(store) ?? store, wrap.state?.(gateway) ?? gateway, {}, patientTimings);
  await groups.create({ name: g, settings: { ...defaultSettings, ...settings }, start: beginning }, call());
  return { store, state, groups };
}

async function finish(groups: Awaited<ReturnType<typeof setup>>['groups'], ...members: TestMember[]) {
  for (const member of members) member.caller.abort();
  await Promise.all(members.map(({ done }) => done));
  await groups.close();
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('what a group does not select any more is neither delivered nor listed', async () => {
  const { store, groups } = await setup();
  await append(store, 'secret.a', 2);
  await append(store, 'secret.b', 2);
  await append(store, 'public.a', 2);
  const first = new TestMember(groups, 'g', 'm', ({ id, stream: from }, { membership }) => {
    if (from === 'secret.a') membership.fail(id, 0, { kind: 'park', reason: '' });
    else if (from === 'secret.b') membership.fail(id, 0, { kind: 'retry', delayMs: 10, reason: '' });
    else membership.ack([id]);
  });
  await until(
    async () =>
      (await groups.get(g, call())).parkedCount >= 1 &&
      (await groups.get(g, call())).lanes.some(({ streamsWaiting }) => streamsWaiting > 0),
  );
  first.caller.abort();
  await first.done;
  const settings = { ...defaultSettings, filter: { ...defaultSettings.filter, patterns: ['public.>'] } };
  await groups.update({ name: g, settings, revision: 0n }, call());
  const got: string[] = [];
  const second = new TestMember(groups, 'g', 'n', (delivery, { membership }) => {
    got.push(...versionsOf(delivery));
    membership.ack([delivery.id]);
  });
  await append(store, 'public.a');
  await groups.replayParked({ group: g, stream: undefined, version: undefined }, call());
  await until(() => got.includes('public.a 3'));
  await pause(200);
  const listed: string[] = [];
  for await (const page of groups.listParked(
    { group: g, stream: undefined, version: undefined, maxCount: undefined, withEvents: true },
    call(),
  ))
    listed.push(...page.map((one) => one.stream));
  expect(got.filter((one) => one.startsWith('secret'))).toEqual([]);
  expect(listed).toEqual([]);
  expect(
    await groups.dropParked({ group: g, stream: undefined, version: undefined }, call()),
  ).toBeGreaterThan(0);
  await finish(groups, second);
});

test('few parked events are in memory before a member takes them', async () => {
  let reads = 0;
  let most = 0;
  const { store, groups } = await setup(
    {},
    {
      store: (inner) => ({
        ...inner,
        readStream: async (...args) => {
          most = Math.max(most, ++reads);
          await pause(5);
          try {
            return await inner.readStream(...args);
          } finally {
            reads--;
          }
        },
      }),
    },
  );
  for (let s = 0; s < 300; s++) await append(store, `s${s.toString()}`);
  const first = new TestMember(groups, 'g', 'm', ({ id, replayed }, { membership }) => {
    if (!replayed) membership.fail(id, 0, { kind: 'park', reason: '' });
  });
  await until(async () => (await groups.get(g, call())).parkedCount === 300);
  await groups.replayParked({ group: g, stream: undefined, version: undefined }, call());
  await pause(500);
  expect(most).toBeLessThan(32);
  await finish(groups, first);
});

test('after a reset, events before a parked one are delivered', async () => {
  const { store, groups } = await setup({ parkFollowing: true });
  for (let count = 0; count < 4; count++) await append(store, 's');
  const got: string[] = [];
  let mayPark = true;
  const member = new TestMember(groups, 'g', 'm', (delivery, { membership }) => {
    const [event = ''] = versionsOf(delivery);
    got.push(event);
    if (event === 's 3' && mayPark) membership.fail(delivery.id, 0, { kind: 'park', reason: '' });
    else membership.ack([delivery.id]);
  });
  await until(async () => (await groups.get(g, call())).parkedCount === 2);
  mayPark = false;
  expect(got).toEqual(['s 1', 's 2', 's 3']);
  await groups.reset({ name: g, to: beginning, force: true }, call());
  await pause(300);
  expect((await groups.get(g, call())).parkedCount).toBe(2);
  expect(got).toEqual(['s 1', 's 2', 's 3', 's 1', 's 2']);
  await finish(groups, member);
});

test('an event after one that is not selected keeps its attempts', async () => {
  const filter = { patterns: ['>'], eventTypes: new Set(['A']), eventTypePrefixes: [] };
  const { store, groups } = await setup({ filter });
  const mixed = ['A', 'B', 'A'];
  await appendTypes(store, 's', mixed);
  const got: Delivery[] = [];
  const member = new TestMember(groups, 'g', 'm', (delivery, { membership }) => {
    got.push(delivery);
    const { length } = versionsOf(delivery);
    if (got.length < 4) membership.fail(delivery.id, length - 1, { kind: 'retry', delayMs: 1, reason: '' });
    else membership.ack([delivery.id]);
  });
  await until(() => got.length === 4);
  expect(got.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  await finish(groups, member);
});

async function appendTypes(store: EventStore, to: string, types: readonly string[]): Promise<void> {
  const inner: EventStore = {
    ...store,
    append: (command, context) => {
      const [event] = command.events;
      const events = types.map((type) => ({ ...event, type, id: crypto.randomUUID() }) as never);
      return store.append({ ...command, events }, context);
    },
  };
  await append(inner, to);
}

test('a replay that fails while the state takes nothing: nothing after it is replayed', async () => {
  let puts = 0;
  let isArmed = false;
  const { store, groups } = await setup(
    { parkFollowing: true, lanes: 1 },
    {
      state: (inner) => ({
        ...inner,
        put: (key, value, revision, context) => {
          const isPutBack = isArmed && key.startsWith('parked.');
          // The first write of the first one passes.
          if (isPutBack && ++puts > 1) return Promise.reject(new StoreUnavailableError('no server'));
          return inner.put(key, value, revision, context);
        },
      }),
    },
  );
  for (let count = 0; count < 3; count++) await append(store, 's');
  const got: string[] = [];
  const member = new TestMember(groups, 'g', 'm', (delivery, { membership }) => {
    got.push(...versionsOf(delivery));
    isArmed = delivery.replayed;
    membership.fail(delivery.id, 0, { kind: 'park', reason: '' });
  });
  await until(async () => (await groups.get(g, call())).parkedCount === 3);
  await groups.replayParked({ group: g, stream: undefined, version: undefined }, call());
  await pause(300);
  expect(got.filter((one) => one !== 's 1')).toEqual([]);
  await finish(groups, member);
});

test('a member that goes while it joins does not end the call of another one', async () => {
  const { groups } = await setup(
    {},
    {
      store: (inner) => ({
        ...inner,
        readAll: async (query, context) => {
          await pause(50);
          context.signal.throwIfAborted();
          return inner.readAll(query, context);
        },
      }),
    },
  );
  const first = new TestMember(groups, 'g', 'm', () => undefined);
  await pause(10);
  const second = new TestMember(groups, 'g', 'n', () => undefined);
  await pause(10);
  first.caller.abort();
  await second.ready();
  await finish(groups, second, first);
});

test('a replay that cannot be read is not tried all the time', async () => {
  let reads = 0;
  const { store, groups } = await setup(
    {},
    {
      store: (inner) => ({
        ...inner,
        readStream: () => {
          reads++;
          return Promise.reject(new StoreUnavailableError('no server'));
        },
      }),
    },
  );
  await append(store, 's');
  const member = new TestMember(groups, 'g', 'm', ({ id }, { membership }) => {
    membership.fail(id, 0, { kind: 'park', reason: '' });
  });
  await until(async () => (await groups.get(g, call())).parkedCount === 1);
  await groups.replayParked({ group: g, stream: undefined, version: undefined }, call());
  await until(() => reads > 0);
  await pause(300);
  expect(reads).toBeLessThan(3);
  await finish(groups, member);
});

test('a stream held up behind an unreadable message is read on from where it is', async () => {
  const from: bigint[] = [];
  const { store, groups } = await setup(
    { skipUnreadable: true },
    {
      store: (inner) => ({
        ...inner,
        readStream: ({ stream: read }) =>
          Promise.reject(new UnreadableCommitError(read, position(1n), 'somebody has edited it')),
        readAll: (query, context) => {
          if (query.filter.patterns.includes('s')) from.push(query.afterPosition ?? 0n);
          return inner.readAll(query, context);
        },
      }),
    },
  );
  for (let count = 0; count < 150; count++) await append(store, 's', 10);
  let failures = 0;
  const got: string[] = [];
  const member = new TestMember(groups, 'g', 'm', (delivery, { membership }) => {
    if (got.length === 0 && failures++ < 3) {
      membership.fail(delivery.id, 0, { kind: 'retry', delayMs: 10, reason: '' });
      return;
    }
    got.push(...versionsOf(delivery));
    membership.ack([delivery.id]);
  });
  await until(() => got.length === 1_500);
  expect(got).toEqual(Array.from({ length: 1_500 }, (_, index) => `s ${(index + 1).toString()}`));
  // Each position is that of an event; those that failed are at the beginning.
  expect(from.length).toBeGreaterThan(3);
  expect(from.at(-1)).toBeGreaterThan(60n);
  await finish(groups, member);
});

test('a member for which there is no lane has caught up, and gets one when another one leaves', async () => {
  const { store, groups } = await setup({ lanes: 1 });
  const first = new TestMember(groups, 'g', 'm', ({ id }, { membership }) => {
    membership.ack([id]);
  });
  await until(() => first.lanes().length === 1);
  const others = ['n', 'o'].map((id) => new TestMember(groups, 'g', id, () => undefined));
  const members = [first, ...others];
  const caughtUp = ({ updates }: TestMember): number =>
    updates.filter(({ kind }) => kind === 'caughtUp').length;
  await until(() => members.every((member) => caughtUp(member) > 0));
  const idle = members.filter((member) => member.lanes().length === 0);
  expect(idle).toHaveLength(2);
  const [owner] = members.filter((member) => member.lanes().length === 1);
  owner?.membership.leave();
  await owner?.done;
  await until(() => idle.some((member) => member.lanes().length === 1 && caughtUp(member) === 2));
  await append(store, 's');
  await finish(groups, ...members);
});
