import { setTimeout as sleep } from 'node:timers/promises';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { groupFaults } from '../support/group-history';
import { acknowledge, GroupMember, LoyalMember, type Decide } from '../support/group-member';
import { until } from '../support/nats-server';
import { wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';
import { singleServer, type Environment } from './environment';
import {
  groupsOf,
  groupThroughFailures,
  groupWithPausedGateway,
  isAllDone,
  isSettled,
  logOf,
} from './group-rows';

/** Consumer groups over gRPC, on one server. Every test has a group and streams of its own. */

let server: Environment;
let address: string;
let wire: WireClient;
let close: () => PromiseLike<void>;
beforeAll(async () => {
  server = await singleServer();
  const gateway = await startTestGateway(server.urls);
  ({ address } = gateway);
  wire = groupsOf(address);
  close = () => gateway[Symbol.asyncDispose]();
});
afterAll(async () => {
  wire[Symbol.dispose]();
  await close();
  await server[Symbol.asyncDispose]();
});

async function write(prefix: string, streams: number, rounds: number, perCommit = 2): Promise<void> {
  for (let round = 0; round < rounds; round++)
    await Promise.all(
      Array.from({ length: streams }, (_, i) =>
        server.client.append({ stream: `${prefix}.${i.toString()}`, events: newEvents(perCommit) }),
      ),
    );
}

async function create(group: string, settings: WireMessage = {}): Promise<void> {
  await wire.unary('CreateGroup', { group, settings: { patterns: [`${group}.>`], ...settings } });
}

const ms = (value: number): WireMessage => ({
  seconds: Math.floor(value / 1_000),
  nanos: (value % 1_000) * 1e6,
});

async function parkedOf(group: string): Promise<WireMessage[]> {
  const messages = await wire.stream('ListParked', { group, with_events: true });
  return messages.flatMap(({ parked }) => parked as WireMessage[]);
}

test('test_group_one_member', async () => {
  await write('one', 10, 5);
  await create('one');
  using member = new GroupMember(address, { group: 'one' });
  await until(() => member.has('caught_up'));
  expect(member.delivered).toHaveLength(50);
  await write('one', 10, 5);
  await until(() => member.delivered.length === 100);
  const log = await logOf(server.client, 'one');
  await until(() => isSettled(wire, 'one'));
  expect(await member.leave()).toBeUndefined();
  expect(groupFaults({ log, deliveries: member.observed, parked: new Set(), isComplete: true })).toEqual([]);
  // What it has settled does not come again.
  using next = new GroupMember(address, { group: 'one' });
  await until(() => next.has('caught_up'));
  expect(next.delivered).toEqual([]);
});

test('test_group_with_query', async () => {
  const kinds = ['A x', 'B x', 'A', 'B y', 'C y z'].map((words) => words.split(' '));
  const events = kinds.map(([type = '', ...tags]) => ({ type, tags }));
  await create('query', { query: { items: [{ event_types: ['A'], tags: ['x'] }, { tags: ['y', 'z'] }] } });
  await server.client.append({ stream: 'query.1', events });
  using member = new GroupMember(address, { group: 'query' });
  const delivered = (): number[] => member.delivered.flatMap(({ versions }) => versions);
  await until(() => delivered().length >= 2);
  await server.client.append({ stream: 'query.1', events });
  await until(() => isSettled(wire, 'query'));
  expect(delivered()).toEqual([1, 5, 6, 10]);
});

test('test_group_through_failures', () => groupThroughFailures(server, 100), 300_000);

test('test_group_with_paused_gateway', () => groupWithPausedGateway(server), 120_000);

test('test_group_poison', async () => {
  await create('poison', {
    attempts_max: 4,
    backoff_min: ms(10),
    backoff_max: ms(100),
    park_following: true,
  });
  await write('poison', 100, 20, 1);
  const isPoison = ({ stream, versions }: { stream: string; versions: readonly number[] }): boolean =>
    stream === 'poison.7' && versions.includes(5);
  let isRepaired = false;
  const decide: Decide = (delivery) =>
    isPoison(delivery) && !isRepaired
      ? { retry: { delivery: delivery.id, reason: 'cannot be read' } }
      : acknowledge(delivery);
  using member = new GroupMember(address, { group: 'poison', max_in_flight: 500 }, decide);
  await until(async () => (await parkedOf('poison')).length === 16, 30_000);
  await until(() => member.observed.filter(({ outcome }) => outcome === 'acknowledged').length === 1_984);
  expect(member.delivered.filter(isPoison).map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  const [first, second] = await parkedOf('poison');
  expect(first).toMatchObject({
    stream: 'poison.7',
    version: '5',
    attempts: 4,
    reason: 'cannot be read',
    event: { version: '5' },
  });
  expect(second).toMatchObject({ version: '6', following: true });
  isRepaired = true;
  expect(await wire.unary('ReplayParked', { group: 'poison' })).toEqual({ count: 16 });
  await until(async () => (await parkedOf('poison')).length === 0, 30_000);
  const replayed = member.delivered
    .filter((delivery) => delivery.replayed)
    .flatMap(({ versions }) => versions);
  expect(replayed).toEqual(Array.from({ length: 16 }, (_, i) => i + 5));
}, 60_000);

test('test_group_members_come_and_go', async () => {
  await create('churn', { lanes: 8, handover_timeout: ms(500) });
  const settled = new LoyalMember([address], { group: 'churn' });
  const others: GroupMember[] = [];
  for (let second = 0; second < 12; second++) {
    const other = new GroupMember(address, { group: 'churn' });
    others.push(other);
    await write('churn', 20, 5, 1);
    await sleep(500);
    if (second % 2 === 0) void other.leave();
    else other[Symbol.dispose]();
  }
  const log = await logOf(server.client, 'churn');
  const observed = () => [...settled.observed, ...others.flatMap((other) => other.observed)];
  await until(() => isAllDone(log, observed()), 30_000);
  await settled.stop();
  expect(groupFaults({ log, deliveries: observed(), parked: new Set(), isComplete: true })).toEqual([]);
}, 90_000);

test('test_group_member_that_settles_nothing', async () => {
  await create('stall', { ack_timeout: ms(1_000), backoff_min: ms(10), backoff_max: ms(10), lanes: 4 });
  await write('stall', 20, 1);
  using stalled = new GroupMember(address, { group: 'stall' }, () => undefined);
  await until(() => stalled.delivered.length > 0);
  expect(await stalled.ended).toMatchObject({ code: 4, details: [{ reason: 'MEMBER_STALLED' }] });
  using member = new GroupMember(address, { group: 'stall' });
  await until(() => isSettled(wire, 'stall'));
  expect(member.delivered.every(({ attempt }) => attempt > 1)).toBe(true);
}, 30_000);

test('test_group_drains', async () => {
  await using gateway = await startTestGateway(server.urls, ['--connection-age-max-ms=1000']);
  await create('drain', { lanes: 4 });
  let isSlow = true;
  const decide: Decide = async (delivery) => {
    if (isSlow) await sleep(300);
    return acknowledge(delivery);
  };
  await write('drain', 4, 1);
  using aged = new GroupMember(gateway.address, { group: 'drain' }, decide);
  const failure = await aged.ended;
  expect(failure).toMatchObject({ code: 14, details: [{ reason: 'STORE_UNAVAILABLE' }, {}] });
  expect(aged.has('draining')).toBe(true);
  isSlow = false;
  // What it had settled when it drained is stored.
  using next = new GroupMember(address, { group: 'drain' });
  await until(() => next.has('caught_up'));
  expect(next.delivered).toEqual([]);
  expect(aged.observed.map(({ outcome }) => outcome)).toEqual(Array(4).fill('acknowledged'));
}, 30_000);

describe('bad input', () => {
  const reason = (name: string): object => ({
    details: expect.arrayContaining([expect.objectContaining({ reason: name })]) as unknown,
  });

  test('a group that does not exist', async () => {
    using member = new GroupMember(address, { group: 'nowhere' });
    expect(await member.ended).toMatchObject({ code: 5, ...reason('GROUP_NOT_FOUND') });
    for (const [method, request] of [
      ['GetGroup', {}],
      ['UpdateGroup', { settings: {} }],
      ['ResetGroup', { to: { end: true } }],
      ['ReplayParked', {}],
      ['DropParked', { all: true }],
    ] as const)
      expect(await wireFailureOf(wire.unary(method, { group: 'nowhere', ...request }))).toMatchObject({
        code: 5,
      });
    expect(await wire.unary('DeleteGroup', { group: 'nowhere' })).toEqual({});
  });

  test('a group that exists with other settings, and one that has changed', async () => {
    await create('twice');
    await create('twice');
    expect(await wireFailureOf(create('twice', { lanes: 3 }))).toMatchObject({
      code: 6,
      ...reason('GROUP_EXISTS'),
    });
    const update = { group: 'twice', settings: { patterns: ['twice.*'] }, revision: 1 };
    expect(await wireFailureOf(wire.unary('UpdateGroup', update))).toMatchObject({
      code: 10,
      ...reason('GROUP_CHANGED'),
    });
    const lanes = { group: 'twice', settings: { lanes: 3 } };
    expect(await wireFailureOf(wire.unary('UpdateGroup', lanes))).toMatchObject({ code: 3 });
  });

  test('a second member with the same id', async () => {
    await create('same');
    using first = new GroupMember(address, { group: 'same', member: 'm' });
    await until(() => first.has('caught_up'));
    using second = new GroupMember(address, { group: 'same', member: 'm' });
    expect(await second.ended).toMatchObject({ code: 6, ...reason('MEMBER_EXISTS') });
    expect(await first.leave()).toBeUndefined();
    using third = new GroupMember(address, { group: 'same', member: 'm' });
    await until(() => third.has('caught_up'));
  });

  test('what a member does not have', async () => {
    await create('held');
    await write('held', 1, 2, 3);
    using member = new GroupMember(address, { group: 'held' }, () => undefined);
    await until(() => member.delivered.length === 1);
    member.say({ ack: { deliveries: [99] } });
    member.say({ retry: { delivery: 1, handled: 3 } });
    member.say({ ack: { deliveries: [1] } });
    member.say({ ack: { deliveries: [1] } });
    await until(() => member.refusals().length === 3);
    const codes = member.refusals().map(({ delivery, error }) => [delivery, (error as WireMessage)['code']]);
    expect(codes).toEqual([
      ['99', 9],
      ['1', 3],
      ['1', 9],
    ]);
    await until(() => member.delivered.length === 2);
    expect(member.delivered[1]).toMatchObject({ versions: [4, 5, 6], attempt: 1 });
  });

  test('a request that is not valid ends the call', async () => {
    await create('invalid');
    using member = new GroupMember(address, { group: 'invalid' });
    await until(() => member.has('caught_up'));
    member.say({ retry: { delivery: 1, delay: { seconds: 3_601 } } });
    expect(await member.ended).toMatchObject({ code: 3, ...reason('INVALID_REQUEST') });
  });

  test.each([
    [0, undefined],
    [1, undefined],
    [1_000_000, 3],
  ])('max_in_flight %d', async (max, code) => {
    const group = `flight${max.toString()}`;
    await create(group);
    await write(group, 100, 1);
    using member = new GroupMember(address, { group, max_in_flight: max }, () => undefined);
    if (code !== undefined) expect(await member.ended).toMatchObject({ code });
    else {
      const expected = max === 0 ? 64 : max;
      await until(() => member.delivered.length === expected);
      await sleep(300);
      expect(member.delivered).toHaveLength(expected);
    }
  });

  test('a filter that matches nothing', async () => {
    await create('empty');
    using member = new GroupMember(address, { group: 'empty' });
    await until(() => member.has('caught_up'));
    await server.client.append({ stream: 'empty.1', events: newEvents(1) });
    await until(() => member.delivered.length === 1);
  });

  test('a start after the end of the store', async () => {
    const start = { after_position: 1_000_000 };
    const failure = await wireFailureOf(wire.unary('CreateGroup', { group: 'late', start }));
    expect(failure).toMatchObject({ code: 11, ...reason('POSITION_BEYOND_END') });
    await create('late');
    const reset = wire.unary('ResetGroup', { group: 'late', to: start });
    expect(await wireFailureOf(reset)).toMatchObject({
      code: 11,
      ...reason('POSITION_BEYOND_END'),
    });
  });

  test('a group with members is not deleted or reset without force', async () => {
    await create('kept');
    using member = new GroupMember(address, { group: 'kept' });
    await until(() => member.has('caught_up'));
    for (const [method, request] of [
      ['DeleteGroup', {}],
      ['ResetGroup', { to: { end: true } }],
    ] as const)
      expect(await wireFailureOf(wire.unary(method, { group: 'kept', ...request }))).toMatchObject({
        code: 9,
        ...reason('GROUP_HAS_MEMBERS'),
      });
    await write('kept', 5, 1);
    await until(() => member.delivered.length === 5);
    await wire.unary('ResetGroup', { group: 'kept', to: {}, force: true });
    await until(() => member.delivered.length === 10);
    expect(await wire.unary('DeleteGroup', { group: 'kept', force: true })).toEqual({ existed: true });
    expect(await member.ended).toMatchObject({ code: 5, ...reason('GROUP_NOT_FOUND') });
  });
});
