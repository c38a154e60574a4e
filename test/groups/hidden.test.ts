import type { StreamControl } from '../../src/store/stream-rules';
import { version } from '../../src/store/values';
import { MemoryState } from '../support/memory-state';
import { createModelStore } from '../support/model-store';
import { until } from '../support/nats-server';
import { append, call, defaultSettings, name, open, stream, TestMember, versionsOf } from './groups-setup';

/** What a group makes of events that a control hides after it has met them. */

async function setup(settings: Partial<typeof defaultSettings> = {}) {
  const store = createModelStore();
  const groups = open(store, new MemoryState().gateway());
  const group = { name: name('g'), settings: { ...defaultSettings, lanes: 1, ...settings } };
  await groups.create({ ...group, start: { kind: 'beginning' } }, call());
  const control = (to: string, asked: StreamControl) =>
    store.control({ stream: stream(to), control: asked, expected: undefined, commitId: undefined }, call());
  const floor = async () => (await groups.get(name('g'), call())).lanes[0]?.floor;
  return { store, groups, control, floor };
}

const truncateBefore = (before: bigint): StreamControl => ({ kind: 'truncate', before: version(before) });
const all = { group: name('g'), stream: undefined, version: undefined };

async function parkedIn(groups: ReturnType<typeof open>, withEvents = false) {
  const parked = [];
  for await (const page of groups.listParked({ ...all, maxCount: undefined, withEvents }, call()))
    parked.push(...page);
  return parked;
}

test('a stream that is held up goes on with what is not hidden', async () => {
  const { store, groups, control, floor } = await setup({ attemptsMax: 0, backoffMinMs: 200 });
  await append(store, 'a', 3);
  for (let round = 0; round < 3; round++) await append(store, 'a');
  await append(store, 'b', 2);
  const got: string[] = [];
  const member = new TestMember(groups, 'g', 'm1', (delivery, { membership }) => {
    const events = versionsOf(delivery);
    got.push(...events);
    if (events[0] === 'a 1' || events[0] === 'b 1')
      membership.fail(delivery.id, 0, { kind: 'retry', delayMs: 100, reason: 'not now' });
    else membership.ack([delivery.id]);
  });
  await until(() => got.includes('a 1') && got.includes('b 1'));
  // In the middle of the commit that fails, and all of another stream.
  await control('a', truncateBefore(3n));
  await control('b', { kind: 'delete' });
  await until(() => got.includes('a 6'));
  const afterwards = got.slice(got.lastIndexOf('a 1') + 3).filter((event) => event.startsWith('a'));
  expect(afterwards).toEqual(['a 3', 'a 4', 'a 5', 'a 6']);
  await append(store, 'b');
  await until(() => got.includes('b 3'));
  const { position: end } = await store.getVersion(stream('b'), undefined, call());
  await until(async () => (await floor()) === end);
  member.caller.abort();
  await member.done;
  await groups.close();
});

test('a group whose start was truncated begins with what is left', async () => {
  const { store, groups, control, floor } = await setup();
  await append(store, 'a', 3);
  for (let round = 0; round < 3; round++) await append(store, 'a');
  await append(store, 'b', 2);
  const { position: end } = await store.getVersion(stream('b'), undefined, call());
  // In the middle of the first commit after the start.
  await control('a', truncateBefore(3n));
  await control('b', { kind: 'delete' });
  const got: string[] = [];
  const member = new TestMember(groups, 'g', 'm1', (delivery, { membership }) => {
    got.push(...versionsOf(delivery));
    membership.ack([delivery.id]);
  });
  await until(async () => ((await floor()) ?? 0n) >= end);
  expect(got).toEqual(['a 3', 'a 4', 'a 5', 'a 6']);
  member.caller.abort();
  await member.done;
  await groups.close();
});

test('a parked event that is hidden counts as settled when it is replayed', async () => {
  const { store, groups, control } = await setup({ attemptsMax: 1 });
  for (let round = 0; round < 3; round++) await append(store, 'a');
  await append(store, 'b');
  const got: string[] = [];
  let isMended = false;
  const member = new TestMember(groups, 'g', 'm1', (delivery, { membership }) => {
    got.push(...versionsOf(delivery));
    if (isMended) membership.ack([delivery.id]);
    else membership.fail(delivery.id, 0, { kind: 'retry', delayMs: undefined, reason: '' });
  });
  await until(async () => (await parkedIn(groups)).length === 4);
  await control('a', truncateBefore(3n));
  await control('b', { kind: 'tombstone' });
  const parked = await parkedIn(groups, true);
  expect(parked.map((one) => [one.stream, one.version, one.event !== undefined])).toEqual([
    ['a', 1n, false],
    ['a', 2n, false],
    ['a', 3n, true],
    ['b', 1n, false],
  ]);
  [isMended, got.length] = [true, 0];
  expect(await groups.replayParked(all, call())).toBe(4);
  await until(async () => (await parkedIn(groups)).length === 0);
  expect(got).toEqual(['a 3']);
  member.caller.abort();
  await member.done;
  await groups.close();
});

test.each<StreamControl>([truncateBefore(4n), { kind: 'delete' }, { kind: 'tombstone' }])(
  'a group whose last settled event is hidden goes on: %j',
  async (asked) => {
    const { store, groups, control } = await setup();
    for (let round = 0; round < 3; round++) await append(store, 'a');
    const got: string[] = [];
    const join = (id: string) =>
      new TestMember(groups, 'g', id, (delivery, { membership }) => {
        got.push(...versionsOf(delivery));
        membership.ack([delivery.id]);
      });
    const first = join('m1');
    await until(() => got.length === 3);
    first.membership.leave();
    expect(await first.done).toBeUndefined();
    await control('a', asked);
    await append(store, 'b');
    const second = join('m2');
    await until(() => got.includes('b 1'));
    expect(got).toEqual(['a 1', 'a 2', 'a 3', 'b 1']);
    second.membership.leave();
    expect(await second.done).toBeUndefined();
    await groups.close();
  },
);
