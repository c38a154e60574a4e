import { laneOf } from '../../src/groups/hash';
import type { Delivery } from '../../src/store/consumer-groups';
import { MemoryState } from '../support/memory-state';
import { createModelStore } from '../support/model-store';
import { until } from '../support/nats-server';
import { append, call, defaultSettings, name, open, TestMember, versionsOf } from './groups-setup';

const beginning = { kind: 'beginning' } as const;

async function setup(settings: Partial<typeof defaultSettings> = {}) {
  const store = createModelStore();
  const state = new MemoryState();
  const groups = open(store, state.gateway());
  await groups.create(
    { name: name('g'), settings: { ...defaultSettings, ...settings }, start: beginning },
    call(),
  );
  return { store, state, groups };
}

test('one member gets everything, in order for each stream', async () => {
  const { store, groups } = await setup();
  for (let round = 0; round < 20; round++) for (const to of ['a', 'b', 'c.d']) await append(store, to, 2);
  const got: string[] = [];
  const member = new TestMember(groups, 'g', 'm1', (delivery, { membership }) => {
    got.push(...versionsOf(delivery));
    membership.ack([delivery.id]);
  });
  await until(() => got.length === 120);
  for (const to of ['a', 'b', 'c.d'])
    expect(got.filter((event) => event.startsWith(`${to} `))).toEqual(
      Array.from({ length: 40 }, (_, index) => `${to} ${(index + 1).toString()}`),
    );
  await append(store, 'a');
  await until(() => got.length === 121);
  await until(() => member.updates.some(({ kind }) => kind === 'caughtUp'));
  member.membership.leave();
  expect(await member.done).toBeUndefined();
  const state = await groups.get(name('g'), call());
  expect(state.members).toEqual([]);
  expect(state.lanes.map(({ floor }) => floor)).toEqual(Array(8).fill(61n));
  await groups.close();
});

test('two members on two gateways share the lanes, and nothing is delivered twice', async () => {
  const { store, state, groups } = await setup();
  const other = open(store, state.gateway());
  const got: string[] = [];
  const handle = (delivery: Delivery, { membership }: TestMember) => {
    got.push(...versionsOf(delivery));
    setTimeout(() => {
      membership.ack([delivery.id]);
    }, 1);
  };
  const first = new TestMember(groups, 'g', 'm1', handle);
  await until(() => first.lanes().length === 8);
  const second = new TestMember(other, 'g', 'm2', handle);
  for (let round = 0; round < 50; round++)
    for (let to = 0; to < 10; to++) await append(store, `s${to.toString()}`);
  await until(() => second.lanes().length === 4 && first.lanes().length === 4);
  await until(() => got.length >= 500);
  expect(new Set(got).size).toBe(500);
  expect(got).toHaveLength(500);
  second.caller.abort();
  await until(() => first.lanes().length === 8);
  await append(store, 's1');
  // What the second member had not settled came again before.
  await until(() => got.includes('s1 51'));
  await groups.close();
  await other.close();
});

test('a retry comes again with its attempt, and at the last attempt the event is parked', async () => {
  const { store, groups } = await setup({ attemptsMax: 3 });
  await append(store, 'bad');
  await append(store, 'bad');
  await append(store, 'good');
  const got: string[] = [];
  const member = new TestMember(groups, 'g', 'm1', (delivery, { membership }) => {
    const [event = ''] = versionsOf(delivery);
    got.push(`${event} ${delivery.attempt.toString()} ${delivery.redelivered ? 'again' : ''}`);
    if (event === 'bad 1')
      membership.fail(delivery.id, 0, { kind: 'retry', delayMs: undefined, reason: 'bad' });
    else membership.ack([delivery.id]);
  });
  await until(() => got.some((event) => event.startsWith('bad 2')));
  expect(got.filter((event) => event.startsWith('bad'))).toEqual([
    'bad 1 1 ',
    'bad 1 2 again',
    'bad 1 3 again',
    'bad 2 1 ',
  ]);
  const parked = [];
  for await (const page of groups.listParked(
    { group: name('g'), stream: undefined, version: undefined, maxCount: undefined, withEvents: true },
    call(),
  ))
    parked.push(...page);
  expect(parked).toMatchObject([{ stream: 'bad', version: 1n, attempts: 3, reason: 'bad' }]);
  member.membership.leave();
  await member.done;
  await groups.close();
});

const parkedOf = async (groups: ReturnType<typeof open>) => {
  const parked = [];
  for await (const page of groups.listParked(
    { group: name('g'), stream: undefined, version: undefined, maxCount: undefined, withEvents: false },
    call(),
  ))
    parked.push(...page);
  return parked;
};

const everything = { group: name('g'), stream: undefined, version: undefined };

test.each([true, false])(
  'parked events are replayed in order; what follows is parked: %s',
  async (parkFollowing) => {
    const { store, groups } = await setup({ parkFollowing });
    for (let round = 0; round < 3; round++) await append(store, 'bad', 2);
    await append(store, 'good');
    const got: string[] = [];
    let isMended = false;
    const member = new TestMember(groups, 'g', 'm1', (delivery, { membership }) => {
      const events = versionsOf(delivery);
      got.push(...events.map((event) => `${event}${delivery.replayed ? ' replayed' : ''}`));
      if (events.includes('bad 2') && !isMended)
        membership.fail(delivery.id, events.indexOf('bad 2'), { kind: 'park', reason: 'why' });
      else membership.ack([delivery.id]);
    });
    const expected = parkFollowing ? 5 : 1;
    let parked = await parkedOf(groups);
    for (; parked.length < expected || !got.includes('good 1'); parked = await parkedOf(groups))
      await new Promise((resolve) => setTimeout(resolve, 10));
    if (!parkFollowing) await until(() => got.includes('bad 6'));
    expect(parked.map(({ version, following }) => [version, following])).toEqual(
      Array.from({ length: expected }, (_, index) => [BigInt(index + 2), index > 0]),
    );
    expect((await groups.get(name('g'), call())).parkedCount).toBe(expected);
    // It fails again, and stays parked with all that follows.
    expect(await groups.replayParked(everything, call())).toBe(expected);
    await until(() => got.includes('bad 2 replayed'));
    await until(
      async () => (await parkedOf(groups)).filter(({ replaying }) => !replaying).length === expected,
    );
    isMended = true;
    got.length = 0;
    expect(await groups.replayParked(everything, call())).toBe(expected);
    await until(() => got.length >= expected);
    await append(store, 'bad');
    await until(() => got.includes('bad 7'));
    expect(got).toEqual([
      ...Array.from({ length: expected }, (_, index) => `bad ${(index + 2).toString()} replayed`),
      'bad 7',
    ]);
    expect(await parkedOf(groups)).toEqual([]);
    member.membership.leave();
    expect(await member.done).toBeUndefined();
    await groups.close();
  },
);

test('parked events can be dropped', async () => {
  const { store, groups } = await setup({ attemptsMax: 1 });
  for (let round = 0; round < 3; round++) await append(store, 'bad');
  const member = new TestMember(groups, 'g', 'm1', (delivery, { membership }) => {
    membership.fail(delivery.id, 0, { kind: 'retry', delayMs: undefined, reason: '' });
  });
  while ((await parkedOf(groups)).length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(
    await groups.dropParked({ ...everything, version: 2n as never, stream: 'bad' as never }, call()),
  ).toBe(1);
  expect((await parkedOf(groups)).map(({ version }) => version)).toEqual([1n, 3n]);
  expect(await groups.dropParked(everything, call())).toBe(2);
  expect(await groups.replayParked(everything, call())).toBe(0);
  await until(() => groups.facts()[0]?.parked === 0);
  member.caller.abort();
  await member.done;
  await groups.close();
});

test('what another gateway has replayed makes room for what is to be parked', async () => {
  const { store, state, groups } = await setup({ parkedMax: 2, lanes: 2, backoffMaxMs: 50 });
  const other = open(store, state.gateway());
  const handle = (delivery: Delivery, { membership }: TestMember): void => {
    if (delivery.replayed) membership.ack([delivery.id]);
    else membership.fail(delivery.id, 0, { kind: 'park', reason: '' });
  };
  const first = new TestMember(groups, 'g', 'm1', handle);
  const second = new TestMember(other, 'g', 'm2', handle);
  await until(() => [first, second].every((member) => member.lanes().length === 1));
  const streamsOf = (member: TestMember): string[] =>
    Array.from({ length: 20 }, (_, index) => `s${index.toString()}`).filter(
      (stream) => laneOf(stream, 2) === member.lanes()[0],
    );
  const [mine = '', others = ''] = [first, second].map((member) => streamsOf(member)[0]);
  await append(store, others, 1);
  await append(store, others, 1);
  await until(async () => (await parkedOf(groups)).length === 2);
  await groups.replayParked(everything, call());
  await until(async () => (await parkedOf(groups)).length === 0);
  // The first gateway has not learned that nothing is parked any more.
  await append(store, mine);
  await until(async () => (await parkedOf(groups)).length === 1);
  for (const { caller } of [first, second]) caller.abort();
  await Promise.all([groups.close(), other.close()]);
});
