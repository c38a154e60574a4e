import type { Delivery } from '../../src/store/consumer-groups';
import { GroupError } from '../../src/store/group-errors';
import { OverloadedError } from '../../src/store/errors';
import { position } from '../../src/store/values';
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

const g = name('g');
const beginning = { kind: 'beginning' } as const;

async function setup(settings: Partial<typeof defaultSettings> = {}, limits = {}) {
  const store = createModelStore();
  const state = new MemoryState();
  const gateway = state.gateway();
  const groups = open(store, gateway, limits, patientTimings);
  await groups.create({ name: g, settings: { ...defaultSettings, ...settings }, start: beginning }, call());
  const got: string[] = [];
  const acknowledge = (delivery: Delivery, { membership }: TestMember): void => {
    got.push(...versionsOf(delivery));
    membership.ack([delivery.id]);
  };
  return { store, state, gateway, groups, got, acknowledge };
}

function codeOf(error: unknown): unknown {
  return error instanceof GroupError || error instanceof OverloadedError ? error.code : error;
}

function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(() => 'no error', codeOf);
}

test('to create a group again changes nothing, unless it is another one', async () => {
  const { groups } = await setup();
  const again = await groups.create({ name: g, settings: defaultSettings, start: beginning }, call());
  expect(again.created).toBe(false);
  expect(again.group).toEqual(await groups.find(g, call()));
  const other = { ...defaultSettings, parkedMax: 5 };
  expect(await failure(groups.create({ name: g, settings: other, start: beginning }, call()))).toBe(
    'GROUP_EXISTS',
  );
  expect(
    await failure(groups.create({ name: g, settings: defaultSettings, start: { kind: 'end' } }, call())),
  ).toBe('GROUP_EXISTS');
  const late = { kind: 'position', after: position(1n) } as const;
  expect(
    await failure(groups.create({ name: name('late'), settings: defaultSettings, start: late }, call())),
  ).toBe('POSITION_BEYOND_END');
  expect((await groups.list('', call())).map(({ name: one }) => one)).toEqual(['g']);
  expect(await groups.list('g', call())).toEqual([]);
});

test('a group begins at its start: the end, a position, a time', async () => {
  const { store, groups } = await setup();
  for (let count = 0; count < 3; count++) await append(store, 's');
  const starts = { end: { kind: 'end' }, position: { kind: 'position', after: position(1n) } } as const;
  for (const [id, start] of Object.entries(starts)) {
    const { group } = await groups.create({ name: name(id), settings: defaultSettings, start }, call());
    expect(group.start).toBe(id === 'end' ? 3n : 1n);
  }
  const from = (await groups.find(g, call()))?.createTime as never;
  const { group } = await groups.create(
    { name: name('time'), settings: defaultSettings, start: { kind: 'time', from } },
    call(),
  );
  expect(group.start).toBe(0n);
});

test('a reset delivers everything again, with members only by force', async () => {
  const { store, groups, got, acknowledge } = await setup();
  for (let count = 0; count < 5; count++) await append(store, `s${count.toString()}`);
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 5);
  await expect(groups.reset({ name: g, to: beginning, force: false }, call())).rejects.toMatchObject({
    code: 'GROUP_HAS_MEMBERS',
    message: 'group g has a member',
  });
  const before = await groups.find(g, call());
  const after = await groups.reset(
    { name: g, to: { kind: 'position', after: position(2n) }, force: true },
    call(),
  );
  expect(after.revision).toBeGreaterThan(before?.revision ?? 0n);
  await until(() => got.length === 8);
  await append(store, 's1');
  await until(() => got.length === 9);
  expect(got.slice(5).sort()).toEqual(['s1 2', 's2 1', 's3 1', 's4 1']);
  member.caller.abort();
  await member.done;
  await groups.close();
});

test('an update gives the lanes again, and keeps what was settled', async () => {
  const { store, groups, got, acknowledge } = await setup();
  for (let count = 0; count < 5; count++) await append(store, `s${count.toString()}`);
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 5);
  const { revision } = (await groups.find(g, call())) as { revision: bigint };
  const settings = { ...defaultSettings, filter: { ...defaultSettings.filter, patterns: ['s1'] } };
  expect(await failure(groups.update({ name: g, settings, revision: revision + 1n }, call()))).toBe(
    'GROUP_CHANGED',
  );
  await groups.update({ name: g, settings, revision }, call());
  await until(() => member.membership.settings.filter.patterns[0] === 's1');
  for (let count = 0; count < 5; count++) await append(store, `s${count.toString()}`);
  await until(() => got.length === 6);
  expect(got.at(-1)).toBe('s1 2');
  member.membership.leave();
  expect(await member.done).toBeUndefined();
  await groups.close();
});

test('a group that is deleted ends its members, and leaves nothing', async () => {
  const { store, state, groups, got, acknowledge } = await setup();
  await append(store, 's');
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 1);
  expect(await failure(groups.delete({ name: g, force: false }, call()))).toBe('GROUP_HAS_MEMBERS');
  expect(await groups.delete({ name: g, force: true }, call())).toBe(true);
  expect(codeOf(await member.done)).toBe('GROUP_NOT_FOUND');
  expect(await groups.delete({ name: g, force: true }, call())).toBe(false);
  await groups.close();
  const gateway = state.gateway();
  for (const kind of ['group', 'member', 'lane', 'parked', 'replay'])
    expect(await gateway.list(`${kind}.`, call())).toEqual([]);
});

test('a second member with the same id is refused, also on another gateway, until the first has gone', async () => {
  const { state, store, groups, acknowledge } = await setup();
  const other = open(store, state.gateway(), {}, patientTimings);
  const first = new TestMember(groups, 'g', 'm', acknowledge);
  await first.ready();
  for (const gateway of [groups, other])
    expect(codeOf(await new TestMember(gateway, 'g', 'm', acknowledge).done)).toBe('MEMBER_EXISTS');
  first.caller.abort();
  await first.done;
  const second = new TestMember(other, 'g', 'm', acknowledge);
  await until(() => second.lanes().length === 8);
  second.caller.abort();
  await second.done;
  await Promise.all([groups.close(), other.close()]);
});

test('bounds: members of a group, members of the gateway, groups', async () => {
  const { groups, acknowledge } = await setup({}, { groupMembersMax: 2, membersMax: 3, groupsMax: 2 });
  await groups.create({ name: name('h'), settings: defaultSettings, start: beginning }, call());
  expect(
    await failure(groups.create({ name: name('i'), settings: defaultSettings, start: beginning }, call())),
  ).toBe('OVERLOADED');
  const members: TestMember[] = [];
  for (const id of ['g1', 'g2', 'h1']) {
    const member = new TestMember(groups, id.charAt(0), id, acknowledge);
    await member.ready();
    members.push(member);
  }
  expect(codeOf(await new TestMember(groups, 'h', 'h2', acknowledge).done)).toBe('OVERLOADED');
  members[2]?.caller.abort();
  await members[2]?.done;
  expect(codeOf(await new TestMember(groups, 'g', 'g3', acknowledge).done)).toBe('OVERLOADED');
  expect(codeOf(await new TestMember(groups, 'nobody', 'm', acknowledge).done)).toBe('GROUP_NOT_FOUND');
  for (const member of members) member.caller.abort();
  await Promise.all(members.map(({ done }) => done));
  await groups.close();
});

test('what a member does not have is refused, and a delivery that takes too long comes again', async () => {
  const { store, groups } = await setup({ ackTimeoutMs: 100 });
  await append(store, 's', 2);
  const got: Delivery[] = [];
  const member = new TestMember(groups, 'g', 'm', (delivery) => got.push(delivery));
  await until(() => got.length === 1);
  member.membership.ack([99n]);
  member.membership.fail(1n, 2, { kind: 'skip' });
  await until(() => member.updates.filter(({ kind }) => kind === 'refused').length === 2);
  const refused = member.updates.flatMap((update) => (update.kind === 'refused' ? [update] : []));
  expect(refused.map(({ delivery, error }) => [delivery, (error as Partial<GroupError>).code])).toEqual([
    [99n, 'DELIVERY_NOT_HELD'],
    [1n, 'INVALID_REQUEST'],
  ]);
  await until(() => got.length === 2);
  expect(got[1]).toMatchObject({ attempt: 2, redelivered: true });
  member.membership.ack([1n]);
  await until(() => member.updates.filter(({ kind }) => kind === 'refused').length === 3);
  member.membership.ack([2n]);
  member.membership.leave();
  expect(await member.done).toBeUndefined();
  expect(groups.facts()).toEqual([]);
  await groups.close();
});

test('a member that settles nothing is stalled, and one that extends is not', async () => {
  const { store, groups } = await setup({ ackTimeoutMs: 1_000, attemptsMax: 0 });
  await append(store, 's');
  const member = new TestMember(groups, 'g', 'm', () => undefined);
  expect(codeOf(await member.done)).toBe('MEMBER_STALLED');
  const got: Delivery[] = [];
  const patient = new TestMember(groups, 'g', 'n', (delivery) => got.push(delivery));
  await until(() => got.length === 1);
  for (let count = 0; count < 50; count++) {
    patient.membership.extend([1n]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(got).toHaveLength(1);
  patient.membership.ack([1n]);
  patient.membership.leave();
  expect(await patient.done).toBeUndefined();
  await groups.close();
});

test('a member that has nothing is not stalled, whatever took too long before', async () => {
  const { store, groups } = await setup({ ackTimeoutMs: 1_000, attemptsMax: 1 });
  await append(store, 's');
  const got: Delivery[] = [];
  const member = new TestMember(groups, 'g', 'm', (delivery) => got.push(delivery));
  await until(() => got.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await append(store, 's');
  await until(() => got.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 300));
  member.membership.ack([2n]);
  member.membership.leave();
  expect(await member.done).toBeUndefined();
  await groups.close();
});

test('a gateway that stops lets its members settle what they have', async () => {
  const { store, groups } = await setup();
  await append(store, 's');
  const reason = new OverloadedError('nats', 'the gateway stops');
  const got: Delivery[] = [];
  const member = new TestMember(groups, 'g', 'm', (delivery) => got.push(delivery));
  await until(() => got.length === 1);
  member.stop.abort(reason);
  await until(() => member.updates.some(({ kind }) => kind === 'draining'));
  member.membership.ack([1n]);
  expect(await member.done).toBe(reason);
  const { lanes, members } = await groups.get(g, call());
  expect(members).toEqual([]);
  expect(Math.max(...lanes.map(({ floor }) => Number(floor)))).toBe(1);
  await groups.close();
});

test('a store that went back ends the members, until the group is reset', async () => {
  const { store, state, groups, got, acknowledge } = await setup();
  for (let count = 0; count < 20; count++) await append(store, `s${count.toString()}`);
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 20);
  member.membership.leave();
  await member.done;
  await groups.close();
  // Once shorter, once with other events.
  for (const count of [5, 30]) {
    const restored = createModelStore();
    for (let other = 0; other < count; other++) await append(restored, `t${(other % 20).toString()}`);
    const again = open(restored, state.gateway(), {}, patientTimings);
    const refused = new TestMember(again, 'g', 'm', acknowledge);
    expect(codeOf(await refused.done)).toBe('GROUP_AHEAD_OF_STORE');
    await again.close();
  }
  const restored = createModelStore();
  await append(restored, 'new');
  const again = open(restored, state.gateway(), {}, patientTimings);
  await again.reset({ name: g, to: beginning, force: false }, call());
  const mended = new TestMember(again, 'g', 'm', acknowledge);
  await until(() => got.includes('new 1'));
  mended.caller.abort();
  await mended.done;
  await again.close();
});

const garbage = Buffer.from('{"v":1,"member":');

test.each<[string, Uint8Array | undefined]>([
  ['deleted', undefined],
  ['made unreadable', garbage],
])('records of lanes and members that are %s under a member: it goes on', async (_, value) => {
  const { store, state, groups, got, acknowledge } = await setup();
  for (let count = 0; count < 10; count++) await append(store, `s${count.toString()}`);
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 10);
  for (let lane = 0; lane < 8; lane++) state.edit(`lane.g.${lane.toString()}`, value);
  for (let count = 0; count < 10; count++) await append(store, `s${count.toString()}`);
  await until(() => got.length === 20);
  state.edit('member.g.m', value);
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (let count = 0; count < 10; count++) await append(store, `s${count.toString()}`);
  await until(() => got.length >= 30 && new Set(got).size === 30);
  member.membership.leave();
  expect(await member.done).toBeUndefined();
  const { lanes } = await groups.get(g, call());
  expect(lanes.map(({ floor }) => floor)).toEqual(Array(8).fill(30n));
  await groups.close();
});

test('records that were made unreadable while nobody used them: typed errors, until the group is reset', async () => {
  const { store, state, groups, got, acknowledge } = await setup();
  await append(store, 's');
  const [{ key } = { key: '' }] = await state.gateway().list('group.', call());
  const other = Buffer.from('{"v":2}');
  for (let lane = 0; lane < 8; lane++)
    state.edit(`lane.g.${lane.toString()}`, lane % 2 === 0 ? garbage : other);
  const refused = new TestMember(groups, 'g', 'm', acknowledge);
  expect(codeOf(await refused.done)).toBe('GROUP_STATE_UNREADABLE');
  expect(await failure(groups.get(g, call()))).toBe('GROUP_STATE_UNREADABLE');
  await groups.reset({ name: g, to: beginning, force: true }, call());
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 1);
  state.edit(key, garbage);
  expect(codeOf(await member.done)).toBe('GROUP_STATE_UNREADABLE');
  expect(await failure(groups.find(g, call()))).toBe('GROUP_STATE_UNREADABLE');
  expect(await groups.list('', call())).toEqual([]);
  expect(await groups.delete({ name: g, force: true }, call())).toBe(true);
  const created = await groups.create({ name: g, settings: defaultSettings, start: beginning }, call());
  expect(created.created).toBe(true);
  await groups.close();
});

test('the whole state is deleted under a member: its call ends with GROUP_NOT_FOUND', async () => {
  const { store, state, groups, got, acknowledge } = await setup();
  await append(store, 's');
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 1);
  for (const kind of ['group', 'member', 'lane'])
    for (const { key } of await state.gateway().list(`${kind}.`, call())) state.edit(key, undefined);
  expect(codeOf(await member.done)).toBe('GROUP_NOT_FOUND');
  await groups.close();
});

test('of two gateways that both believe to have the lanes, one moves the floor', async () => {
  const { store, state, gateway, groups } = await setup({ lanes: 1 });
  const held: Delivery[] = [];
  const first = new TestMember(groups, 'g', 'm', (delivery) => held.push(delivery));
  await append(store, 's');
  await until(() => held.length === 1);
  // It stands still: nothing of it reaches the state, and it sees nothing.
  gateway.away = true;
  const lease = Date.now();
  while (Date.now() - lease < 50);
  const other = open(store, state.gateway(), {}, patientTimings);
  const again: Delivery[] = [];
  const second = new TestMember(other, 'g', 'n', (delivery) => again.push(delivery));
  await until(() => again.length === 1);
  expect(again[0]).toMatchObject({ redelivered: true, attempt: 1 });
  first.membership.ack([1n]);
  gateway.away = false;
  await until(() => first.updates.some(({ kind }) => kind === 'refused'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const floorOf = async (): Promise<unknown> => (await other.get(g, call())).lanes[0]?.floor;
  expect(await floorOf()).toBe(0n);
  second.membership.ack([1n]);
  second.membership.leave();
  expect(await second.done).toBeUndefined();
  expect(await floorOf()).toBe(1n);
  first.caller.abort();
  await first.done;
  await Promise.all([groups.close(), other.close()]);
});
