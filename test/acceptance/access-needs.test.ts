import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import type { DeepPartial } from '../../generated/sluice/v1/event';
import type {
  AppendMultiRequest,
  ReadByCorrelationHeader,
} from '../../generated/sluice/v1/event_store_service';
import { startGuarded, type GuardedGateway } from '../support/access';
import { newEvents } from '../support/attempts';
import { sumOver } from '../support/monitor';
import { until } from '../support/nats-server';
import type { RpcClient } from '../support/rpc-client';
import { failureOf, type RpcFailure } from '../support/rpc-failure';
import { wireFailureOf } from '../support/wire-client';

/** What each call needs to be granted, on a real auth file and a real nats-server. */

const all = ['append', 'read', 'subscribe'];
const principals = {
  admin: { grants: [{ actions: [...all, 'info', 'admin'], streams: ['>'] }] },
  orders: { grants: [{ actions: all, streams: ['order.>'] }] },
  writer: { grants: [{ actions: ['append'], streams: ['order.>', 'secret.>'] }] },
  mixed: {
    grants: [
      { actions: ['append'], streams: ['order.*', 'stock.1'] },
      { actions: ['read'], streams: ['order.*', 'limit.*'] },
    ],
  },
  acme: { grants: [{ actions: all, streams: ['tenant.acme.>'] }] },
  info: { grants: [{ actions: ['info'] }] },
  many: {
    // A grant has at most 100 streams.
    grants: [0, 100, 200, 300].map((first) => ({
      actions: ['read', 'subscribe'],
      streams: Array.from({ length: 100 }, (_, i) => `many.${first + i}.>`),
    })),
  },
};

let guarded: GuardedGateway;
let admin: RpcClient;
beforeAll(async () => {
  guarded = await startGuarded(principals);
  admin = guarded.as('admin');
}, 60_000);
afterAll(() => guarded[Symbol.asyncDispose]());

function denialOf(failure: RpcFailure): Record<string, string> {
  expect([failure.code, failure.reason]).toEqual([status.PERMISSION_DENIED, 'ACCESS_DENIED']);
  return Object.fromEntries(failure.detail('google.rpc.ErrorInfo')?.metadata ?? []);
}

async function deniedOf(call: Promise<unknown>): Promise<Record<string, string>> {
  return denialOf(await failureOf(call));
}

/** The names of streams in order. */
const namesOf = (events: readonly { readonly stream: string }[]): string[] =>
  events.map(({ stream }) => stream);

test('a call without a credential is unauthenticated, and one with a wrong one too', async () => {
  const missing = await failureOf(guarded.as(undefined).append({ stream: 'order.1', events: newEvents(1) }));
  expect([missing.code, missing.reason]).toEqual([status.UNAUTHENTICATED, 'UNAUTHENTICATED']);
  expect(missing.detail('google.rpc.ErrorInfo')?.metadata.get('cause')).toBe('missing');
  const invalid = await failureOf(guarded.as('nobody-has-it').getVersion({ stream: 'order.1' }));
  expect(invalid.detail('google.rpc.ErrorInfo')?.metadata.get('cause')).toBe('invalid');
  expect(invalid.message).not.toContain(guarded.file.tokenOf('nobody-has-it'));
});

test('a grant of order.> is for whole tokens below order', async () => {
  const orders = guarded.as('orders');
  for (const stream of ['order.1', 'order.eu.1']) {
    expect((await orders.append({ stream, events: newEvents(1) })).version).toBe(1n);
    expect((await orders.readStream({ stream })).events).toHaveLength(1);
    expect((await orders.getVersion({ stream })).version).toBe(1n);
  }
  for (const stream of ['orders.1', 'order', 'Order.1', 'orde.r1', 'x.order.1']) {
    expect(await deniedOf(orders.append({ stream, events: newEvents(1) }))).toEqual({
      action: 'append',
      stream,
    });
    expect(await deniedOf(orders.readStream({ stream }))).toEqual({ action: 'read', stream });
    expect(await deniedOf(orders.getVersion({ stream }))).toEqual({ action: 'read', stream });
  }
  const writer = guarded.as('writer');
  expect(await deniedOf(writer.readStream({ stream: 'order.1' }))).toEqual({
    action: 'read',
    stream: 'order.1',
  });
});

test('an append without events tells where a stream is, and needs read instead of append', async () => {
  await admin.append({ stream: 'secret.head', events: newEvents(2) });
  const writer = guarded.as('writer');
  expect(await deniedOf(writer.append({ stream: 'secret.head' }))).toEqual({
    action: 'read',
    stream: 'secret.head',
  });
  expect(await deniedOf(writer.append({ stream: 'secret.none', mustExist: true }))).toMatchObject({
    action: 'read',
  });
  expect((await guarded.as('mixed').append({ stream: 'limit.1' })).version).toBe(0n);
  const session = guarded.wireAs('writer').duplex('AppendSession');
  session.end({ appends: [{ tag: '1', append: { stream: 'secret.head' } }] });
  const denied = { answers: [{ tag: '1', error: { code: status.PERMISSION_DENIED } }] };
  expect(await session.toArray()).toMatchObject([denied]);
});

test('a transaction needs append on what it writes and read on what it checks, or stores nothing', async () => {
  const mixed = guarded.as('mixed');
  const write = (stream: string) => ({ stream, events: newEvents(1) });
  const check = (stream: string) => ({ stream, expectedVersion: 0n });
  await mixed.appendMulti({ appends: [write('order.m'), write('stock.1')], checks: [check('limit.1')] });
  const before = (await admin.readAll()).events.length;
  const denied: [DeepPartial<AppendMultiRequest>, Record<string, string>][] = [
    [{ appends: [write('order.m'), write('stock.2')] }, { action: 'append', stream: 'stock.2' }],
    [
      { appends: [write('order.m')], checks: [check('stock.1')] },
      { action: 'read', stream: 'stock.1' },
    ],
    [{ appends: [write('limit.1'), write('order.m')] }, { action: 'append', stream: 'limit.1' }],
    [
      { appends: [write('order.m')], checks: [check('x'), check('y')] },
      { action: 'read', stream: 'x' },
    ],
  ];
  for (const [request, expected] of denied)
    expect(await deniedOf(mixed.appendMulti(request))).toEqual(expected);
  expect((await admin.readAll()).events).toHaveLength(before);
});

test('a condition needs read on all streams, or on the stream that it is within, or stores nothing', async () => {
  const stream = 'order.condition';
  const query = { items: [{ tags: ['condition'] }] };
  const events = [{ type: 'Happened', tags: ['condition'] }];
  await admin.append({ stream: 'secret.condition', events });
  const [orders, mixed, writer] = ['orders', 'mixed', 'writer'].map((name) => guarded.as(name)) as [
    RpcClient,
    RpcClient,
    RpcClient,
  ];
  const everything = { action: 'read', pattern: '>' };
  const within = { query, withinStream: stream };
  // An event that it may not read would refuse it, and one that nobody has stored would not: both are the same denial.
  for (const tag of ['condition', 'nobody has it']) {
    const condition = { query: { items: [{ tags: [tag] }] } };
    for (const client of [orders, mixed, writer])
      expect(await deniedOf(client.append({ stream, events, condition }))).toEqual(everything);
    const multi = { appends: [{ stream, events }], condition };
    expect(await deniedOf(orders.appendMulti(multi))).toEqual(everything);
  }
  const session = guarded.wireAs('orders').duplex('AppendSession');
  session.end({ appends: [{ tag: '1', append: { stream, events, condition: { query } } }] });
  const denied = { answers: [{ tag: '1', error: { code: status.PERMISSION_DENIED } }] };
  expect(await session.toArray()).toMatchObject([denied]);
  expect(await deniedOf(writer.append({ stream, events, condition: within }))).toEqual({
    action: 'read',
    stream,
  });
  const transaction = {
    appends: [{ stream: 'order.other', events }],
    checks: [{ stream: 'stock.1', expectedVersion: 0n }],
    condition: { query, withinStream: 'stock.1' },
  };
  expect(await deniedOf(mixed.appendMulti(transaction))).toEqual({ action: 'read', stream: 'stock.1' });
  expect((await admin.getVersion({ stream })).version).toBe(0n);
  expect((await orders.append({ stream, events, condition: within })).version).toBe(1n);
  const refused = await failureOf(admin.append({ stream, events, condition: { query } }));
  expect(refused.reason).toBe('APPEND_CONDITION_FAILED');
});

test('denied calls on existing and missing streams are byte-equal and ask NATS nothing', async () => {
  await admin.append({ stream: 'secret.one', events: newEvents(1) });
  const wire = guarded.wireAs('orders');
  const sent = (): Promise<number> => sumOver([guarded.nats], 'append', 'in_msgs');
  const read = (): Promise<number> => sumOver([guarded.nats], 'read', 'in_msgs');
  // What is sent for other reasons, such as a periodic check, is not asked for by a call.
  let quiet = 0;
  await until(async () => {
    const [before, beforeRead] = [await sent(), await read()];
    const outcomes = await Promise.all(
      ['secret.one', 'secret.two'].map(async (stream) =>
        Promise.all([
          wireFailureOf(wire.unary('Append', { stream, events: [{ type: 'A' }] })),
          wireFailureOf(wire.unary('Append', { stream, events: [{ type: 'A' }], expected_version: '5' })),
          wireFailureOf(wire.unary('AppendMulti', { appends: [{ stream, events: [{ type: 'A' }] }] })),
          wireFailureOf(wire.stream('ReadStream', { stream })),
          wireFailureOf(wire.unary('GetVersion', { stream })),
          wireFailureOf(wire.stream('ReadAll', { patterns: [stream] })),
          wireFailureOf(wire.stream('Subscribe', { stream })),
          wireFailureOf(wire.stream('ListStreams', { pattern: stream })),
        ]),
      ),
    );
    const [one, two] = outcomes.map((some, index) =>
      JSON.stringify(some).replaceAll(['secret.one', 'secret.two'][index] as string, 'secret.any'),
    );
    expect(one).toBe(two);
    expect(one).toContain('ACCESS_DENIED');
    expect(one).not.toContain('secret.one');
    if ((await sent()) === before && (await read()) === beforeRead) quiet++;
    return quiet >= 3;
  }, 30_000);
});

test('reads of all, subscriptions and listings need one grant for each pattern', async () => {
  const acme = guarded.as('acme');
  await admin.append({ stream: 'tenant.acme.order.1', events: newEvents(1) });
  await admin.append({ stream: 'tenant.other.order.1', events: newEvents(1) });
  const first = (request: object): Promise<unknown> => acme.subscribe(request).next();
  for (const pattern of ['tenant.acme.>', 'tenant.acme.order.*', 'tenant.acme.order.1']) {
    expect(namesOf((await acme.readAll({ patterns: [pattern] })).events)).toEqual(['tenant.acme.order.1']);
    expect(namesOf(await acme.listStreams({ pattern }))).toEqual(['tenant.acme.order.1']);
    expect(await first({ patterns: [pattern] })).toMatchObject({ done: false });
  }
  expect(await first({ stream: 'tenant.acme.order.1' })).toMatchObject({ done: false });
  for (const [patterns, named] of [
    [[], '>'],
    [['>'], '>'],
    [['tenant.acme.>', 'tenant.*.order.1'], 'tenant.*.order.1'],
    [['tenant.>'], 'tenant.>'],
  ] as const) {
    const denied = { pattern: named };
    expect(await deniedOf(acme.readAll({ patterns: [...patterns] }))).toEqual({ action: 'read', ...denied });
    expect(await deniedOf(first({ patterns: [...patterns] }))).toEqual({ action: 'subscribe', ...denied });
    const [pattern = ''] = patterns.slice(-1);
    expect(await deniedOf(acme.listStreams({ pattern }))).toEqual({ action: 'read', ...denied });
  }
  const stream = 'tenant.other.order.1';
  expect(await deniedOf(first({ stream }))).toEqual({ action: 'subscribe', stream });
});

test('permitted_only selects what is granted of what was asked for', async () => {
  const acme = guarded.as('acme');
  const permittedOnly = true;
  const mine = ['tenant.acme.order.1'];
  for (const patterns of [[], ['>'], ['tenant.*.order.1'], ['tenant.>', 'order.>'], ['tenant.acme.*.*']]) {
    const { events, end } = await acme.readAll({ patterns, permittedOnly });
    expect([patterns, namesOf(events)]).toEqual([patterns, mine]);
    expect(end.eventCount).toBe(1n);
    const pattern = patterns[0] ?? '';
    expect(namesOf(await acme.listStreams({ pattern, permittedOnly }))).toEqual(mine);
    const seen: string[] = [];
    for await (const { events: some, notice } of acme.subscribe({ patterns, permittedOnly })) {
      seen.push(...namesOf(some));
      if (notice?.$case === 'caughtUp') break;
    }
    expect(seen).toEqual(mine);
  }
});

test('permitted_only with nothing left is an empty read, and a refused subscription', async () => {
  const acme = guarded.as('acme');
  const permittedOnly = true;
  const head = (await admin.readAll()).header.position;
  for (const [client, patterns] of [
    [acme, ['order.>', 'tenant.other.*']],
    [guarded.as('info'), []],
  ] as const) {
    const read = await client.readAll({ patterns: [...patterns], permittedOnly });
    expect([read.events, read.position]).toEqual([[], head]);
    expect(await client.listStreams({ pattern: patterns[0] ?? '', permittedOnly })).toEqual([]);
    const denied = await deniedOf(client.subscribe({ patterns: [...patterns], permittedOnly }).next());
    expect(denied).toEqual({ action: 'subscribe', pattern: patterns[0] ?? '>' });
  }
});

test('permitted_only with hundreds of grants is right in every order', async () => {
  const many = guarded.as('many');
  const names = ['many.0.a', 'many.399.z', 'many.17.a.b', 'many.200.x'];
  for (const stream of [...names, 'many.400.a', 'many.0', 'many.x.1'])
    await admin.append({ stream, events: newEvents(1) });
  expect(namesOf((await many.readAll({ permittedOnly: true })).events)).toEqual(names);
  expect(namesOf(await many.listStreams({ permittedOnly: true }))).toEqual([...names].sort());
  expect(namesOf(await many.listStreams({ permittedOnly: true, after: 'many.17.a.b' }))).toEqual(
    names.filter((name) => name > 'many.17.a.b').sort(),
  );
  expect(namesOf(await many.listStreams({ pattern: 'many.*.a', permittedOnly: true }))).toEqual(['many.0.a']);
  expect(namesOf(await many.listStreams({ permittedOnly: true, maxCount: 2n }))).toEqual(
    [...names].sort().slice(0, 2),
  );
});

describe('a read by correlation', () => {
  const correlationId = 'over-three-tenants';
  const tenants = ['tenant.acme.c', 'tenant.other.c', 'order.c'];
  const event = { type: 'A', correlationId };
  beforeAll(async () => {
    for (const stream of [...tenants, ...tenants])
      await admin.append({ stream, events: [event, { type: 'B', correlationId }] });
  });
  const limited = (header: ReadByCorrelationHeader): boolean => header.limitedToGrants;

  test('has the events that its caller may read, and says that it may be limited', async () => {
    const whole = await admin.readByCorrelation({ correlationId });
    expect([whole.events.length, limited(whole.header)]).toEqual([12, false]);
    for (const [name, stream] of [
      ['acme', 'tenant.acme.c'],
      ['orders', 'order.c'],
    ] as const) {
      const read = await guarded.as(name).readByCorrelation({ correlationId });
      expect(namesOf(read.events)).toEqual([stream, stream, stream, stream]);
      expect([read.end.eventCount, limited(read.header)]).toEqual([4n, true]);
      const some = await guarded.as(name).readByCorrelation({ correlationId, maxCount: 3n });
      expect(namesOf(some.events)).toEqual([stream, stream, stream]);
    }
  });

  test('a commit is found on the streams that its caller may read', async () => {
    const appends = tenants.map((stream) => ({ stream, events: newEvents(1) }));
    const { commitId } = await admin.appendMulti({ appends });
    const of = async (name: string): Promise<string[]> =>
      (await guarded.as(name).getCommit({ commitId })).streams.map(({ stream }) => stream);
    expect(await of('acme')).toEqual(['tenant.acme.c']);
    expect(await of('orders')).toEqual(['order.c']);
    const other = await admin.append({ stream: 'tenant.acme.y', events: newEvents(1) });
    const unreadable = await guarded.as('mixed').getCommit({ commitId: other.commitId });
    const unknown = await guarded.as('mixed').getCommit({ commitId: randomUUID() });
    expect(unreadable).toEqual({ position: 0n, commitTime: undefined, streams: [] });
    expect(unknown).toEqual(unreadable);
    expect(await deniedOf(guarded.as('writer').getCommit({ commitId }))).toMatchObject({ action: 'read' });
  });

  test('says so for an id that nobody used, and looks like it for streams of others', async () => {
    const mixed = guarded.wireAs('mixed');
    const known = await mixed.bytes('ReadByCorrelation', Buffer.from('\n\x05nobo1'));
    await admin.append({ stream: 'tenant.acme.x', events: [{ type: 'A', correlationId: 'nobo2' }] });
    const unknown = await mixed.bytes('ReadByCorrelation', Buffer.from('\n\x05nobo1'));
    const hidden = await mixed.bytes('ReadByCorrelation', Buffer.from('\n\x05nobo2'));
    expect(hidden).toEqual(unknown);
    expect(known).toHaveLength(1);
    const read = await guarded.as('mixed').readByCorrelation({ correlationId: 'nobo1' });
    expect([read.events, limited(read.header)]).toEqual([[], true]);
  });

  test('needs read on something', async () => {
    expect(await deniedOf(guarded.as('writer').readByCorrelation({ correlationId }))).toEqual({
      action: 'read',
    });
  });
});

test('a commit id of a stream that the caller may not read is refused without its place', async () => {
  const commitId = '01a21106-c38b-74b8-aa9c-0f93f136a2aa';
  await admin.append({ stream: 'secret.commit', events: newEvents(1), commitId });
  const reuse = (client: RpcClient, stream: string): Promise<RpcFailure> =>
    failureOf(client.append({ stream, events: newEvents(1), commitId }));
  for (const failure of [
    await reuse(guarded.as('orders'), 'order.commit'),
    // It may append to this very stream.
    await reuse(guarded.as('writer'), 'secret.commit'),
    await failureOf(
      guarded.as('orders').appendMulti({ appends: [{ stream: 'order.c', events: newEvents(1) }], commitId }),
    ),
  ]) {
    expect(failure.reason).toBe('COMMIT_ID_REUSE');
    expect(failure.message).not.toMatch(/secret|position/);
    expect([...(failure.detail('google.rpc.ErrorInfo')?.metadata ?? [])]).toEqual([['commit_id', commitId]]);
    expect(failure.detail('sluice.v1.CommitIdReuse')).toEqual({ commitId, stream: '', position: 0n });
  }
  const shown = await reuse(admin, 'order.commit');
  expect(shown.detail('sluice.v1.CommitIdReuse')).toMatchObject({ stream: 'secret.commit' });
});

test('the conflicts of a transaction are about its own streams', async () => {
  await admin.append({ stream: 'order.conflict', events: newEvents(2) });
  const failure = await failureOf(
    guarded.as('mixed').appendMulti({
      appends: [{ stream: 'order.conflict', events: newEvents(1), expectedVersion: 1n }],
      checks: [{ stream: 'limit.9', mustExist: true }],
    }),
  );
  const named = failure.detail('sluice.v1.VersionConflicts')?.conflicts.map(({ stream }) => stream);
  expect(named).toEqual(['order.conflict', 'limit.9']);
});

test('server information needs info, and what is inside needs admin', async () => {
  expect(await deniedOf(guarded.as('orders').serverInfo())).toEqual({ action: 'info' });
  const whole = await admin.serverInfo();
  const { store, replica, access, ...open } = await guarded.as('info').serverInfo();
  const { version, limits, features, grpcAddress } = whole;
  expect(open).toEqual({ version, limits, features, grpcAddress });
  expect(replica).toBeUndefined();
  expect(store).toMatchObject({ name: 'EVENTS', storeId: whole.store?.storeId, embedded: false });
  expect(store).toMatchObject({ replicas: 0, bytes: 0n, messageCount: 0n, natsVersion: '', prefix: '' });
  expect(store?.replicaInfos).toEqual([]);
  expect(store?.log).toBeUndefined();
  expect(access).toEqual({ ...whole.access, principal: 'token:info', authFile: undefined });
  expect(whole.access).toMatchObject({ controlled: true, local: true, tls: false, principal: 'token:admin' });
  expect(whole.access?.authFile).toMatchObject({ generation: 1n, problems: [] });
  expect(whole.store).toMatchObject({ replicas: 1, prefix: 'es' });
  expect(whole.store?.messageCount).toBeGreaterThan(0n);
});

test('health needs no identity', async () => {
  await expect(guarded.as(undefined).health()).resolves.toBe(1);
  await expect(guarded.as('nobody-has-it').health()).resolves.toBe(1);
});
