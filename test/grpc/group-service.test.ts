import { once } from 'node:events';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import pino from 'pino';
import { RecordedEvent } from '../../generated/sluice/v1/event';
import { noAudit, type Audit } from '../../src/auth/audit';
import type { AuditEntry } from '../../src/auth/audit-entry';
import { createGuard } from '../../src/auth/file-guard';
import { openGuard } from '../../src/auth/guard';
import { startGrpcServer } from '../../src/grpc/server';
import { defaultLimits, type Limits } from '../../src/limits';
import type { ParkedEvent } from '../../src/store/consumer-groups';
import type { EventRun } from '../../src/store/event-store';
import { position, unixNanos, version, type StreamName } from '../../src/store/values';
import { makeAuthFile, type Principals } from '../support/access';
import { fakeDelivery, FakeGroups, type FakeMember } from '../support/fake-groups';
import { createModelStore } from '../support/model-store';
import { until } from '../support/nats-server';
import { openAccess } from '../support/open-access';
import {
  connectWire,
  failureWithin,
  wireFailureOf,
  type WireClient,
  type WireMessage,
} from '../support/wire-client';

/** ConsumerGroupService over the wire, with groups that say what the test wants: requests, responses, statuses, bounds, grants. */

interface Served extends AsyncDisposable {
  readonly groups: FakeGroups;
  readonly wire: WireClient;
  wireAs(name: string): WireClient;
  write(principals: Principals): Promise<void>;
  close(): Promise<void>;
}

async function serve(
  limits: Partial<Limits> = {},
  principals?: Principals,
  audit: Audit = noAudit,
): Promise<Served> {
  const log = pino({ level: 'silent' });
  const file = principals && makeAuthFile(principals);
  const all = { ...defaultLimits, ...limits };
  const guard =
    file === undefined
      ? openGuard
      : await createGuard({
          file: file.path,
          clientCaFile: undefined,
          log,
          lookIntervalMs: 60_000,
          keyTimes: all,
          callerShare: 1,
        });
  const groups = new FakeGroups();
  const server = await startGrpcServer({
    address: '127.0.0.1:0',
    tls: undefined,
    store: createModelStore(),
    groups,
    guard,
    recordPrincipal: false,
    audit,
    reflection: 'on',
    limits: all,
    about: { version: '0', durability: 'unknown', embedded: false, access: openAccess },
    slowCallMs: 0,
    tracing: undefined,
    log,
  });
  const wires: WireClient[] = [];
  const connect = (token?: string): WireClient => {
    const wire = connectWire(server.address, { service: 'sluice.v1.ConsumerGroupService', token });
    wires.push(wire);
    return wire;
  };
  return {
    groups,
    wire: connect(),
    wireAs: (name) => connect(file?.tokenOf(name)),
    async write(wanted) {
      file?.write(wanted);
      await guard.reload();
    },
    close: () => server.close(),
    async [Symbol.asyncDispose]() {
      for (const wire of wires) wire[Symbol.dispose]();
      await server.close();
      guard.close();
    },
  };
}

/** A member of the group `g`, and what has come for it. */
class Member {
  readonly responses: WireMessage[] = [];
  readonly ended: Promise<unknown>;
  readonly call: ClientDuplexStream<WireMessage, WireMessage>;

  constructor(wire: WireClient, join: WireMessage = { group: 'g' }) {
    this.call = wire.duplex('Consume');
    this.call.on('data', (response: WireMessage) => this.responses.push(response));
    this.ended = new Promise((resolve, reject) => {
      this.call.on('error', reject).on('end', () => {
        resolve('OK');
      });
    });
    this.ended.catch(() => undefined);
    this.say({ join });
  }

  say(request: WireMessage): void {
    this.call.write(request);
  }

  async came(count: number): Promise<readonly WireMessage[]> {
    await until(() => this.responses.length >= count);
    return this.responses;
  }

  get notices(): readonly WireMessage[] {
    return this.responses.filter(({ deliveries }) => deliveries === undefined);
  }
}

async function joined(served: Served, wire = served.wire): Promise<{ member: Member; fake: FakeMember }> {
  await served.groups
    .create({ name: 'g' as never, settings: settingsOf('order.>'), start: { kind: 'beginning' } })
    .catch(() => undefined);
  const before = served.groups.members.length;
  const member = new Member(wire);
  await member.came(1);
  return { member, fake: served.groups.members[before] as FakeMember };
}

function settingsOf(...patterns: string[]) {
  return {
    filter: { patterns, eventTypes: new Set<string>(), eventTypePrefixes: [] },
    lanes: 32,
    attemptsMax: 10,
    backoffMinMs: 1_000,
    backoffMaxMs: 60_000,
    ackTimeoutMs: 30_000,
    handoverTimeoutMs: 5_000,
    parkedMax: 1_000,
    parkFollowing: false,
    skipUnreadable: false,
  };
}

/** Events with these payload sizes, framed as the store has them. */
function runOf(...sizes: number[]): EventRun {
  const frames = sizes.map((size, index) => {
    const event = RecordedEvent.fromPartial({
      version: BigInt(index + 1),
      payload: { $case: 'text', value: 'x'.repeat(size) },
    });
    const bytes = Buffer.from(RecordedEvent.encode(event).finish());
    const header = [0x0a];
    for (let rest = bytes.length; ; rest >>>= 7) {
      header.push(rest > 127 ? (rest & 127) | 128 : rest);
      if (rest <= 127) break;
    }
    return Buffer.concat([Buffer.from(header), bytes]);
  });
  return { position: position(9n), events: Buffer.concat(frames), eventCount: sizes.length };
}

test('a member joins, gets deliveries and notices, settles and leaves', async () => {
  await using served = await serve();
  const { member, fake } = await joined(served);
  expect(member.responses[0]).toMatchObject({
    joined: { member: 'made', store_id: 'the-store', settings: { patterns: ['order.>'], lanes: 32 } },
  });
  fake.give({ kind: 'assigned', lanes: [3, 300] });
  const second = { id: 2 ** 40, lane: 200, attempt: 300, redelivered: true, replayed: true };
  fake.give({
    kind: 'deliveries',
    deliveries: [fakeDelivery(1, runOf(5, 7)), fakeDelivery(2, runOf(0), second)],
  });
  fake.give({ kind: 'revoked', lanes: [3], timeoutMs: 1_500 });
  fake.give({ kind: 'revoked', lanes: [300], timeoutMs: undefined });
  fake.give({ kind: 'caughtUp' });
  fake.give({ kind: 'heartbeat', head: position(77n) });
  await member.came(7);
  expect(member.notices.slice(1)).toMatchObject([
    { assigned: { lanes: [3, 300] } },
    { revoked: { lanes: [3], timeout: { seconds: '1', nanos: 500_000_000 } } },
    { revoked: { lanes: [300] } },
    { caught_up: {} },
    { heartbeat: { head_position: '77' } },
  ]);
  const { deliveries } = member.responses[2] as { deliveries: WireMessage[] };
  expect(deliveries).toMatchObject([
    {
      id: '1',
      lane: 3,
      attempt: 1,
      events: [{ version: '1' }, { version: '2' }],
    },
    { ...second, id: (2n ** 40n).toString(), events: [{ version: '1' }] },
  ]);
  member.say({ extend: { deliveries: [1] } });
  member.say({ retry: { delivery: 1, handled: 1, reason: 'no', delay: { seconds: 2 } } });
  member.say({ leave: {} });
  member.say({ ack: { deliveries: [(2n ** 40n).toString()] } });
  await expect(member.ended).resolves.toBe('OK');
  expect(fake.extended).toEqual([1n]);
  expect(fake.said).toEqual([[1n, 1, { kind: 'retry', delayMs: 2_000, reason: 'no' }], 2n ** 40n]);
});

test('many deliveries come in messages of bounded size, and a large one alone', async () => {
  await using served = await serve({ subscriptionBytesMax: 16 << 10, subscriptionsBytesMax: 16 << 10 });
  const { member, fake } = await joined(served);
  const sizes = [...Array.from({ length: 50 }, () => 1_000), 40_000, 10];
  fake.give({ kind: 'deliveries', deliveries: sizes.map((size, i) => fakeDelivery(i + 1, runOf(size))) });
  const of = (): string[][] =>
    member.responses
      .slice(1)
      .map(({ deliveries }) => (deliveries as WireMessage[]).map(({ id }) => id as string));
  await until(() => of().flat().length === sizes.length);
  expect(of().flat()).toEqual(sizes.map((_, i) => (i + 1).toString()));
  expect(Math.max(...of().map(({ length }) => length))).toBeLessThan(17);
  expect(of()).toContainEqual(['51']);
  expect(of().length).toBeLessThan(8);
});

test('what the member does not have is refused, each with a typed error, and the call goes on', async () => {
  await using served = await serve();
  const { member, fake } = await joined(served);
  member.say({ ack: { deliveries: [7, 8] } });
  member.say({ skip: { delivery: 9 } });
  await member.came(4);
  const refused = member.notices
    .slice(1)
    .map((notice) => notice['refused'] as { delivery: string; error: WireMessage });
  expect(refused.map(({ delivery }) => delivery)).toEqual(['7', '8', '9']);
  for (const { error } of refused) {
    expect(failureWithin(error)).toMatchObject({ code: 9, details: [{ reason: 'DELIVERY_NOT_HELD' }] });
  }
  fake.give({ kind: 'caughtUp' });
  await member.came(5);
});

test('a member that takes no refusals is not read any further', async () => {
  await using served = await serve({ subscriptionBytesMax: 4 << 10, subscriptionsBytesMax: 4 << 10 });
  const { member, fake } = await joined(served);
  member.call.pause();
  // Several times as many as fit between the two; each refusal is a message, which takes its time on a busy machine.
  const ids = Array.from({ length: 1_000 }, (_, i) => i + 1);
  for (let i = 0; i < 2; i++) member.say({ ack: { deliveries: ids } });
  await until(() => fake.refusedWaiting >= 256);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(fake.refusedWaiting).toBeLessThanOrEqual(512);
  member.call.resume();
  await until(() => member.responses.length === 2_001, 20_000);
  expect(fake.refusedWaiting).toBe(0);
}, 30_000);

const invalid = 3;
const idsUpTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
test.each<[what: string, requests: WireMessage[], field: string]>([
  ['no join', [{ leave: {} }], 'join'],
  ['nothing', [{}], 'join'],
  ['an unknown group name', [{ join: { group: 'a.b' } }], 'join.group'],
  ['too many in flight', [{ join: { group: 'g', max_in_flight: 1_000_000 } }], 'join.max_in_flight'],
  ['a second join', [{ join: { group: 'g' } }, { join: { group: 'g' } }], 'join'],
  [
    'too many deliveries',
    [{ join: { group: 'g' } }, { ack: { deliveries: idsUpTo(10_001) } }],
    'ack.deliveries',
  ],
  ['an empty request', [{ join: { group: 'g' } }, {}], 'request'],
  [
    'too long a delay',
    [{ join: { group: 'g' } }, { retry: { delivery: 1, delay: { seconds: 9_999 } } }],
    'retry.delay',
  ],
])('%s ends the call with INVALID_ARGUMENT', async (_what, requests, field) => {
  await using served = await serve();
  await served.groups.create({ name: 'g' as never, settings: settingsOf('>'), start: { kind: 'beginning' } });
  const call = served.wire.duplex('Consume');
  const ended = once(call.resume(), 'end');
  for (const request of requests) call.write(request);
  const failure = await wireFailureOf(ended);
  expect(failure).toMatchObject({ code: invalid });
  expect(JSON.stringify(failure.details)).toContain(`"field":"${field}"`);
  for (const { isOver } of served.groups.members) expect(isOver).toBe(true);
});

test('requests that end without leave end the membership with CANCELLED, after leave they do not', async () => {
  await using served = await serve();
  const { member, fake } = await joined(served);
  member.call.end();
  expect(await wireFailureOf(member.ended)).toMatchObject({ code: 1 });
  expect(fake.isOver).toBe(true);
  const other = await joined(served);
  other.member.say({ leave: {} });
  other.member.call.end();
  await expect(other.member.ended).resolves.toBe('OK');
});

test('a member that goes away, or never joins, holds nothing', async () => {
  await using served = await serve({ membersMax: 1, connectionMembersMax: 1, requestStallTimeoutMs: 500 });
  const { member, fake } = await joined(served);
  const second = new Member(served.wire);
  expect(await wireFailureOf(second.ended)).toMatchObject({
    code: 8,
    details: [{ reason: 'OVERLOADED' }, {}],
  });
  member.call.cancel();
  await until(() => fake.isOver);
  const silent = served.wire.duplex('Consume');
  const ended = once(silent.resume(), 'end');
  expect(await wireFailureOf(ended)).toMatchObject({ code: 1 });
  await joined(served);
}, 20_000);

test('a member that takes its deliveries too slowly is CANCELLED', async () => {
  await using served = await serve({
    subscriptionBytesMax: 4 << 10,
    subscriptionsBytesMax: 4 << 10,
    readStallTimeoutMs: 500,
    readBytesPerSecondMin: 1 << 20,
  });
  const { member, fake } = await joined(served);
  member.call.pause();
  const large = Array.from({ length: 40 }, (_, i) => fakeDelivery(i + 1, runOf(64 << 10)));
  for (const delivery of large) fake.give({ kind: 'deliveries', deliveries: [delivery] });
  await until(() => fake.isOver);
  member.call.resume();
  expect(await wireFailureOf(member.ended)).toMatchObject({ code: 1 });
});

test('a stop sends draining, and the call ends with UNAVAILABLE', async () => {
  await using served = await serve();
  const { member } = await joined(served);
  const closing = served.close();
  expect(await wireFailureOf(member.ended)).toMatchObject({
    code: 14,
    details: [{ reason: 'STORE_UNAVAILABLE' }, {}],
  });
  expect(member.responses.at(-1)).toMatchObject({ draining: {} });
  await closing;
});

test('groups are created, shown, listed, changed and deleted', async () => {
  await using served = await serve();
  const { wire } = served;
  const created = await wire.unary('CreateGroup', { group: 'mailer', settings: { patterns: ['order.>'] } });
  const group = { name: 'mailer', revision: '1', settings: { patterns: ['order.>'], attempts_max: 10 } };
  expect(created).toMatchObject({ created: true, group });
  await wire.unary('CreateGroup', { group: 'audit' });
  expect(await wireFailureOf(wire.unary('CreateGroup', { group: 'mailer' }))).toMatchObject({
    code: 6,
    details: [{ reason: 'GROUP_EXISTS' }],
  });
  expect(await wire.unary('GetGroup', { group: 'mailer' })).toMatchObject({
    group,
    head_position: '10',
    lanes: [
      {
        lag: '7',
        floor_position: '3',
        cursor_position: '4',
        streams_waiting: 2,
        oldest_time: { seconds: '5' },
      },
    ],
    members: [{ id: 'm', lanes: [0], max_in_flight: 7, gateway: 'here:1' }],
  });
  const names = async (request: WireMessage): Promise<unknown[]> =>
    (await wire.stream('ListGroups', request)).flatMap(({ groups }) =>
      (groups as WireMessage[]).map(({ name }) => name),
    );
  expect(await names({})).toEqual(['audit', 'mailer']);
  expect(await names({ after: 'audit' })).toEqual(['mailer']);
  expect(await names({ max_count: 1 })).toEqual(['audit']);
  expect(await wire.unary('UpdateGroup', { group: 'mailer', settings: {} })).toMatchObject({
    group: { settings: { patterns: ['>'] } },
  });
  expect(await wire.unary('DeleteGroup', { group: 'mailer' })).toEqual({ existed: true });
  expect(await wireFailureOf(wire.unary('GetGroup', { group: 'mailer' }))).toMatchObject({
    code: 5,
    details: [{ reason: 'GROUP_NOT_FOUND' }],
  });
});

test.each([
  ['patterns', 17],
  ['event_types', 65],
  ['event_type_prefixes', 65],
])('a group with too many %s is refused before it is decoded', async (list, count) => {
  await using served = await serve();
  const settings = { [list]: Array.from({ length: count }, (_, i) => `a${i.toString()}`) };
  for (const method of ['CreateGroup', 'UpdateGroup']) {
    const failure = await wireFailureOf(served.wire.unary(method, { group: 'g', settings }));
    expect(failure).toMatchObject({ code: invalid });
    expect(JSON.stringify(failure.details)).toContain(`"field":"settings.${list}"`);
  }
});

test('parked events come with their events', async () => {
  await using served = await serve({ pageBytesMax: 10_000 });
  await served.wire.unary('CreateGroup', { group: 'g' });
  const parked: ParkedEvent = {
    stream: 'order.1' as StreamName,
    version: version(4n),
    position: position(9n),
    eventId: 'e',
    type: 'T',
    reason: 'broken',
    attempts: 10,
    parkTime: unixNanos(1_000_000_000n),
    following: false,
    replaying: true,
    event: undefined,
  };
  served.groups.parked = [parked, { ...parked, event: runOf(3_000) }, { ...parked, event: runOf(9_000) }];
  const messages = await served.wire.stream('ListParked', { group: 'g', with_events: true });
  expect(messages).toHaveLength(2);
  const fields = {
    stream: 'order.1',
    version: '4',
    position: '9',
    event_id: 'e',
    type: 'T',
    reason: 'broken',
  };
  expect(messages.flatMap((message) => message['parked'] as WireMessage[])).toMatchObject([
    { ...fields, attempts: 10, replaying: true, park_time: { seconds: '1' } },
    { ...fields, event: { version: '1' } },
    { ...fields, event: { version: '1' } },
  ]);
  expect(await served.wire.unary('ReplayParked', { group: 'g' })).toEqual({ count: 3 });
  expect(await served.wire.unary('DropParked', { group: 'g', all: true })).toEqual({ count: 3 });
});

const grant = (action: string, ...streams: string[]) => ({ actions: [action], streams });
const principals: Principals = {
  owner: { grants: [grant('manage', '>'), grant('subscribe', '>')] },
  shop: { grants: [grant('manage', 'order.>')] },
  mailer: { grants: [grant('subscribe', 'order.>')], limits: { subscriptions: 1 } },
  other: { grants: [grant('manage', 'invoice.>'), grant('subscribe', 'invoice.>')] },
};

test('each call needs its grant on all that the group selects', async () => {
  await using served = await serve({}, principals);
  const as = (name: string): WireClient => served.wireAs(name);
  const denied = { code: 7, details: [{ reason: 'ACCESS_DENIED' }] };
  const settings = { patterns: ['order.>', 'order.1'] };
  expect(await wireFailureOf(as('mailer').unary('CreateGroup', { group: 'g', settings }))).toMatchObject(
    denied,
  );
  await as('shop').unary('CreateGroup', { group: 'g', settings });
  const wider = { group: 'g', settings: { patterns: ['>'] } };
  expect(await wireFailureOf(as('shop').unary('UpdateGroup', wider))).toMatchObject(denied);
  for (const method of ['GetGroup', 'ListParked'])
    expect(await wireFailureOf(as('shop').unary(method, { group: 'g' }))).toMatchObject(denied);
  await as('mailer').unary('GetGroup', { group: 'g' });
  const managing: [string, WireMessage][] = [
    ['DeleteGroup', {}],
    ['ResetGroup', { to: { end: true } }],
    ['ReplayParked', {}],
    ['DropParked', { all: true }],
    ['UpdateGroup', { settings: { patterns: ['order.>'] } }],
  ];
  for (const [method, request] of managing)
    expect(await wireFailureOf(as('mailer').unary(method, { group: 'g', ...request }))).toMatchObject(denied);
  const names = async (name: string): Promise<unknown> =>
    (await as(name).stream('ListGroups', {})).flatMap(({ groups }) =>
      (groups as WireMessage[]).map((group) => group['name']),
    );
  expect([await names('shop'), await names('mailer'), await names('other')]).toEqual([['g'], ['g'], []]);
});

test('nobody learns whether a group exists that is not theirs', async () => {
  await using served = await serve({}, principals);
  await served.wireAs('shop').unary('CreateGroup', { group: 'known', settings: { patterns: ['order.>'] } });
  const other = served.wireAs('other');
  const requests: [string, WireMessage][] = [
    ['GetGroup', {}],
    ['DeleteGroup', {}],
    ['ListParked', {}],
    ['ReplayParked', {}],
    ['ResetGroup', { to: {} }],
    ['UpdateGroup', { settings: { patterns: ['invoice.>'] } }],
  ];
  for (const [method, request] of requests) {
    const [known, unknown] = await Promise.all(
      ['known', 'none'].map((group) => wireFailureOf(other.unary(method, { group, ...request }))),
    );
    const { details } = known ?? { details: [] };
    expect(details).toMatchObject([{ reason: 'ACCESS_DENIED', metadata: { group: 'known' } }]);
    expect(JSON.stringify(unknown).replaceAll('none', 'known')).toBe(JSON.stringify(known));
  }
  const consume = new Member(other, { group: 'none' });
  expect(await wireFailureOf(consume.ended)).toMatchObject({ code: 7 });
  const owner = await wireFailureOf(served.wireAs('owner').unary('GetGroup', { group: 'none' }));
  expect(owner).toMatchObject({ code: 5, details: [{ reason: 'GROUP_NOT_FOUND' }] });
});

test('a member loses its call with its grant, or when the group comes to select more', async () => {
  await using served = await serve({}, principals);
  const mailer = served.wireAs('mailer');
  const first = await joined(served, mailer);
  const { mailer: mailing, ...others } = principals;
  await served.write(others);
  await served.write({ ...others, mailer: { ...mailing, grants: [grant('subscribe', 'invoice.>')] } });
  await expect(first.member.ended).rejects.toMatchObject({ code: expect.any(Number) as number });
  await served.write(principals);
  const second = await joined(served, mailer);
  second.fake.settings = settingsOf('order.>', 'order.*');
  second.fake.give({ kind: 'caughtUp' });
  await second.member.came(2);
  second.fake.settings = settingsOf('>');
  second.fake.give({ kind: 'deliveries', deliveries: [fakeDelivery(1, runOf(1))] });
  expect(await wireFailureOf(second.member.ended)).toMatchObject({ code: 7 });
  expect(second.member.responses).toHaveLength(2);
});

test('a member counts as a subscription of its principal', async () => {
  await using served = await serve({}, principals);
  await joined(served, served.wireAs('mailer'));
  const second = new Member(served.wireAs('mailer'));
  expect(await wireFailureOf(second.ended)).toMatchObject({
    code: 8,
    details: [{ reason: 'QUOTA_EXCEEDED', metadata: { limit: 'subscriptions' } }, {}, {}],
  });
});

test('changes of groups are in the audit log with their outcomes, and nothing changes when it takes no more', async () => {
  const lines: AuditEntry[] = [];
  let room: number | undefined = 0;
  const note = (entry: AuditEntry): unknown => lines.push(entry);
  const audit: Audit = {
    hasWrites: true,
    hasReads: true,
    denied: note,
    record: note,
    reserve: () => room,
    appended: note,
  };
  await using served = await serve({}, principals, audit);
  const owner = served.wireAs('owner');
  const settings = { patterns: ['order.>'] };
  await owner.unary('CreateGroup', { group: 'g', settings });
  await wireFailureOf(owner.unary('CreateGroup', { group: 'g', settings }));
  await wireFailureOf(served.wireAs('other').unary('DeleteGroup', { group: 'g' }));
  const { member } = await joined(served, owner);
  member.say({ leave: {} });
  await member.ended;
  room = undefined;
  const refused = await wireFailureOf(owner.unary('DeleteGroup', { group: 'g' }));
  expect(refused).toMatchObject({ code: 8, details: [{ reason: 'OVERLOADED' }, {}] });
  expect(served.groups.groups.has('g')).toBe(true);
  const about = { group: 'g', streams: ['order.>'] };
  expect(lines).toMatchObject([
    { principal: 'token:owner', call: 'CreateGroup', action: 'manage', outcome: 'OK', ...about },
    { call: 'CreateGroup', outcome: 'GROUP_EXISTS', ...about },
    { principal: 'token:other', call: 'DeleteGroup', outcome: 'ACCESS_DENIED', group: 'g', streams: [] },
    { call: 'Consume', action: 'subscribe', phase: 'begun', outcome: 'OK', ...about },
    { call: 'Consume', action: 'subscribe', phase: 'ended', outcome: 'OK', ...about },
  ]);
});
