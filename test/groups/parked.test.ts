import fc from 'fast-check';
import { ParkedSet } from '../../src/groups/parked-set';
import { laneOf } from '../../src/groups/hash';
import { decodeParked } from '../../src/groups/parked-record';
import type { ParkedEvent } from '../../src/store/consumer-groups';
import { StoreUnavailableError } from '../../src/store/errors';
import type { StateStore } from '../../src/store/state-store';
import type { StreamName } from '../../src/store/values';
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
  stream,
  TestMember,
  versionsOf,
} from './groups-setup';

const g = name('g');
const all = { group: g, stream: undefined, version: undefined };

async function setup(
  settings: Partial<typeof defaultSettings> = {},
  wrap: (state: StateStore) => StateStore = (state) => state,
) {
  const store = createModelStore();
  const memory = new MemoryState();
  const groups = open(store, wrap(memory.gateway()), {}, patientTimings);
  const start = { kind: 'beginning' } as const;
  await groups.create({ name: g, settings: { ...defaultSettings, ...settings }, start }, call());
  const listed = async (maxCount?: number): Promise<ParkedEvent[]> => {
    const found: ParkedEvent[] = [];
    for await (const page of groups.listParked({ ...all, maxCount, withEvents: false }, call()))
      found.push(...page);
    return found;
  };
  const parked = async (): Promise<number> => (await groups.get(g, call())).parkedCount;
  return { store, memory, groups, listed, parked };
}

type Opened = Awaited<ReturnType<typeof setup>>;

function parkAll({ groups }: Opened): TestMember {
  return new TestMember(groups, 'g', 'm', ({ id, replayed }, { membership }) => {
    if (!replayed) membership.fail(id, 0, { kind: 'park', reason: '' });
  });
}

async function finish({ groups }: Opened, ...members: TestMember[]): Promise<void> {
  for (const member of members) member.caller.abort();
  await Promise.all(members.map(({ done }) => done));
  await groups.close();
}

test('a list is in the order of positions, and reads no more than it needs', async () => {
  let [gets, most, underWay, lists] = [0, 0, 0, 0];
  const opened = await setup({}, (inner) => ({
    ...inner,
    list: (prefix, context) => {
      if (prefix.startsWith('parked.')) lists++;
      return inner.list(prefix, context);
    },
    get: async (key, context) => {
      if (key.startsWith('parked.')) gets++;
      most = Math.max(most, ++underWay);
      return inner.get(key, context).finally(() => underWay--);
    },
  }));
  const { store, listed, parked } = opened;
  for (let count = 0; count < 300; count++) await append(store, `s${(count % 40).toString()}`);
  const member = parkAll(opened);
  await until(async () => (await parked()) === 300);
  gets = 0;
  const found = await listed(10);
  expect(found.map(({ position }) => Number(position))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(gets).toBeLessThanOrEqual(64);
  most = 0;
  expect((await listed()).map(({ position }) => Number(position))).toEqual(
    Array.from({ length: 300 }, (_, index) => index + 1),
  );
  expect(await parked()).toBe(300);
  expect(most).toBeLessThan(100);
  expect(lists).toBe(0);
  await finish(opened, member);
});

test('many parked events are counted, and known to the next member, without a read of each', async () => {
  let gets = 0;
  const opened = await setup({ parkedMax: 2_000 }, (inner) => ({
    ...inner,
    get: (key, context) => {
      if (key.startsWith('parked.')) gets++;
      return inner.get(key, context);
    },
  }));
  const { store, groups, parked } = opened;
  for (let count = 0; count < 600; count++) await append(store, `s${(count % 100).toString()}`);
  const member = parkAll(opened);
  await until(async () => (await parked()) === 600, 30_000);
  member.caller.abort();
  await member.done;
  gets = 0;
  expect(await parked()).toBe(600);
  const next = new TestMember(groups, 'g', 'n', ({ id }, { membership }) => {
    membership.ack([id]);
  });
  await until(() => next.updates.some(({ kind }) => kind === 'caughtUp'));
  expect(gets).toBe(0);
  await finish(opened, next);
});

test('parked events of one stream, or one of them, are listed and dropped alone', async () => {
  const opened = await setup();
  const { store, groups, listed, parked } = opened;
  for (let count = 0; count < 9; count++) await append(store, `s${(count % 3).toString()}`);
  const member = parkAll(opened);
  await until(async () => (await parked()) === 9);
  const found: string[] = [];
  for await (const page of groups.listParked(
    { ...all, stream: stream('s1'), maxCount: undefined, withEvents: false },
    call(),
  ))
    found.push(...page.map((one) => `${one.stream} ${one.version.toString()}`));
  expect(found).toEqual(['s1 1', 's1 2', 's1 3']);
  const one = { ...all, stream: stream('s1'), version: 2n as never };
  expect(await groups.dropParked(one, call())).toBe(1);
  expect(await groups.dropParked(one, call())).toBe(0);
  expect(
    (await listed()).map(({ version }) => Number(version)).filter((version) => version === 2),
  ).toHaveLength(2);
  await finish(opened, member);
});

test('a replay marks streams side by side, and each of them in order', async () => {
  let [underWay, most] = [0, 0];
  const order = new Map<StreamName, number[]>();
  const opened = await setup({}, (inner) => ({
    ...inner,
    put: async (key, value, revision, context) => {
      const marked = key.startsWith('parked.') ? decodeParked(value) : undefined;
      if (marked?.isReplaying !== true) return inner.put(key, value, revision, context);
      order.set(marked.stream, [...(order.get(marked.stream) ?? []), marked.version]);
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 2));
      return inner.put(key, value, revision, context).finally(() => underWay--);
    },
  }));
  const { store, groups, parked } = opened;
  for (let count = 0; count < 200; count++) await append(store, `s${(count % 20).toString()}`);
  const member = parkAll(opened);
  await until(async () => (await parked()) === 200);
  expect(await groups.replayParked(all, call())).toBe(200);
  expect(most).toBeGreaterThan(10);
  for (const versions of order.values()) expect(versions).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  await finish(opened, member);
});

test('what was marked before a replay was cut short is replayed', async () => {
  let left = Infinity;
  const opened = await setup({}, (inner) => ({
    ...inner,
    put: (key, value, revision, context) => {
      const isMark = key.startsWith('parked.') && decodeParked(value).isReplaying;
      if (isMark && left-- <= 0) return Promise.reject(new StoreUnavailableError('no server'));
      return inner.put(key, value, revision, context);
    },
  }));
  const { store, groups, parked } = opened;
  for (let count = 0; count < 5; count++) await append(store, 's');
  const got: string[] = [];
  const member = new TestMember(groups, 'g', 'm', (delivery, { membership }) => {
    if (!delivery.replayed) membership.fail(delivery.id, 0, { kind: 'park', reason: '' });
    else {
      got.push(...versionsOf(delivery));
      membership.ack([delivery.id]);
    }
  });
  await until(async () => (await parked()) === 5);
  left = 2;
  await expect(groups.replayParked(all, call())).rejects.toThrow(StoreUnavailableError);
  await until(() => got.length === 2);
  expect(got).toEqual(['s 1', 's 2']);
  await finish(opened, member);
});

test('what is being parked counts: one gateway never parks more than may be parked', async () => {
  const opened = await setup({ parkedMax: 5 }, (inner) => ({
    ...inner,
    put: async (key, value, revision, context) => {
      if (key.startsWith('parked.')) await new Promise((resolve) => setTimeout(resolve, 50));
      return inner.put(key, value, revision, context);
    },
  }));
  const { store, parked } = opened;
  for (let count = 0; count < 40; count++) await append(store, `s${count.toString()}`);
  let failed = 0;
  const member = new TestMember(
    opened.groups,
    'g',
    'm',
    ({ id }, { membership }) => {
      failed++;
      membership.fail(id, 0, { kind: 'park', reason: '' });
    },
    40,
  );
  await until(() => failed >= 40);
  await until(async () => (await parked()) === 5);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await parked()).toBe(5);
  await finish(opened, member);
});

test('to create a group reads no other group, and one that was deleted makes room', async () => {
  const lists: string[] = [];
  const memory = new MemoryState();
  const inner = memory.gateway();
  const state: StateStore = {
    ...inner,
    list: (prefix, context) => {
      lists.push(prefix);
      return inner.list(prefix, context);
    },
    // As the store does, it still has the keys of groups that are gone.
    keys: async (pattern, context) => [...(await inner.keys(pattern, context)), 'group.gone'],
  };
  const groups = open(createModelStore(), state, { groupsMax: 4 }, patientTimings);
  const create = (one: string) =>
    groups.create({ name: name(one), settings: defaultSettings, start: { kind: 'end' } }, call());
  for (const one of ['a', 'b', 'c']) await create(one);
  expect(lists).toEqual([]);
  await create('d');
  await expect(create('e')).rejects.toMatchObject({ code: 'OVERLOADED' });
  await groups.delete({ name: name('a'), force: false }, call());
  await create('e');
  await groups.close();
});

test('the first version to replay is found in a stream of 130,000, and without walking through them', () => {
  const set = new ParkedSet(4);
  const one = stream('s');
  for (let version = 130_000; version > 0; version--)
    set.set(one, version, { position: version, isReplaying: true });
  expect(set.of(one)?.replayingCount).toBe(130_000);
  const wrong: number[] = [];
  for (let version = 1; version <= 130_000; version++) {
    if (set.firstReplaying(one) !== version) wrong.push(version);
    set.delete(one, version);
  }
  expect(wrong).toEqual([]);
  expect([set.count, set.of(one), set.firstReplaying(one)]).toEqual([0, undefined, undefined]);
});

test('parked events agree with the simplest account of them', () => {
  const streams = ['a', 'b', 'c', 'd', 'e'].map(stream);
  const change = fc.record({
    to: fc.constantFrom(...streams),
    version: fc.integer({ min: 1, max: 6 }),
    kind: fc.constantFrom('park', 'replay', 'delete', 'moveBack'),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const set = new ParkedSet(3);
      const model = new Map<StreamName, Map<number, boolean>>(streams.map((one) => [one, new Map()]));
      for (const { to, version, kind } of changes) {
        const entries = model.get(to) ?? new Map<number, boolean>();
        if (kind === 'moveBack') set.moveBack(to);
        else if (kind === 'delete') {
          set.delete(to, version);
          entries.delete(version);
        } else {
          set.set(to, version, { position: version, isReplaying: kind === 'replay' });
          entries.set(version, kind === 'replay');
        }
        const replaying = (one: StreamName): number[] =>
          [...(model.get(one) ?? [])].flatMap(([at, isReplaying]) => (isReplaying ? [at] : []));
        for (const one of streams) {
          const versions = replaying(one);
          expect(set.of(one)?.entries.size ?? 0).toBe(model.get(one)?.size);
          expect(set.firstReplaying(one)).toBe(versions.length === 0 ? undefined : Math.min(...versions));
        }
        for (const lane of [0, 1, 2])
          expect([...set.replayingIn(lane)].sort()).toEqual(
            streams.filter((one) => laneOf(one, 3) === lane && replaying(one).length > 0),
          );
        expect(set.count).toBe([...model.values()].reduce((sum, { size }) => sum + size, 0));
      }
    }),
    { numRuns: 100 },
  );
});

test('an event that is parked late, when the next member has acknowledged it, holds nothing up and can be replayed', async () => {
  let [isAsked, open] = [false, (): void => undefined];
  const opened = new Promise<void>((resolve) => (open = resolve));
  const setting = await setup({}, (inner) => ({
    ...inner,
    put: async (key, ...others) => {
      if (key.startsWith('parked.') && !isAsked) {
        isAsked = true;
        await opened;
      }
      return inner.put(key, ...others);
    },
  }));
  const { store, groups, listed, parked } = setting;
  await append(store, 's');
  const first = parkAll(setting);
  await until(() => isAsked);
  first.caller.abort();
  await first.done;
  const got: string[] = [];
  const second = new TestMember(groups, 'g', 'm2', (delivery, { membership }) => {
    got.push(`${versionsOf(delivery).join()}${delivery.replayed ? ' replayed' : ''}`);
    membership.ack([delivery.id]);
  });
  await until(() => got.length === 1);
  open();
  await until(async () => (await parked()) === 1);
  await append(store, 's');
  await until(() => got.length === 2);
  expect((await listed()).map(({ version }) => version)).toEqual([1n]);
  await until(async () => {
    const { lanes, head } = await groups.get(g, call());
    return lanes.every(({ floor }) => floor === head);
  });
  expect(await groups.replayParked(all, call())).toBe(1);
  await until(async () => (await parked()) === 0);
  expect(got).toEqual(['s 1', 's 2', 's 1 replayed']);
  await finish(setting, second);
});
