import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import type {
  AppendSessionRequest,
  AppendSessionResponse,
  SessionAnswer,
} from '../../generated/sluice/v1/event_store_service';
import {
  AppendSessionRequest as SessionRequest,
  ReadAllRequest,
  type ReadAllResponse,
} from '../../generated/sluice/v1/event_store_service';
import { startGuarded, type GuardedGateway, type Principals } from '../support/access';
import { newEvents } from '../support/attempts';
import { until } from '../support/nats-server';
import { patience } from '../support/patience';
import type { RpcClient } from '../support/rpc-client';
import { failureOf, RpcFailure } from '../support/rpc-failure';

/** Sessions, subscriptions and reads that are open while grants change. */

const admin = { grants: [{ actions: ['append', 'read', 'subscribe', 'info', 'admin'], streams: ['>'] }] };
const grantOf = (...streams: string[]) => [{ actions: ['append', 'read', 'subscribe'], streams }];

let guarded: GuardedGateway | undefined;
async function start(principals: Principals): Promise<GuardedGateway> {
  guarded = await startGuarded({ admin, ...principals });
  return guarded;
}
afterEach(async () => {
  await guarded?.[Symbol.asyncDispose]();
  guarded = undefined;
});

/** A session whose answers are collected. */
interface OpenSession {
  readonly answers: SessionAnswer[];
  readonly ended: Promise<RpcFailure | undefined>;
  send(...appends: { tag: number; stream: string; expectedVersion?: number; inOrder?: boolean }[]): void;
  finish(): void;
}

function openSession(client: RpcClient): OpenSession {
  const call = client.raw.appendSession();
  const answers: SessionAnswer[] = [];
  call.on('data', (response: AppendSessionResponse) => answers.push(...response.answers));
  const ended = new Promise<RpcFailure | undefined>((resolve) => {
    call.on('error', (error: ServiceError) => {
      resolve(new RpcFailure(error));
    });
    call.on('end', () => {
      resolve(undefined);
    });
  });
  return {
    answers,
    ended,
    send(...appends) {
      const request: AppendSessionRequest = SessionRequest.fromPartial({
        appends: appends.map(({ tag, stream, expectedVersion, inOrder = false }) => ({
          tag: BigInt(tag),
          inOrder,
          append: { stream, events: newEvents(1), expectedVersion },
        })),
      });
      call.write(request);
    },
    finish() {
      call.end();
    },
  };
}

const codeOf = ({ outcome }: SessionAnswer): number => (outcome?.$case === 'error' ? outcome.value.code : 0);

const byTag = (answers: readonly SessionAnswer[]): SessionAnswer[] =>
  answers.toSorted((a, b) => Number(a.tag - b.tag));

test('a session with every tenth append denied keeps order and stores the rest', async () => {
  const gateway = await start({ writer: { grants: grantOf('order.>') } });
  const session = openSession(gateway.as('writer'));
  const count = 400;
  const streamOf = (tag: number): string => (tag % 10 === 9 ? `orders.${tag}` : `order.${tag % 3}`);
  for (let tag = 0; tag < count; tag += 40)
    session.send(...Array.from({ length: 40 }, (_, i) => ({ tag: tag + i, stream: streamOf(tag + i) })));
  session.finish();
  expect(await session.ended).toBeUndefined();
  const answers = byTag(session.answers);
  expect(answers.map(({ tag }) => Number(tag))).toEqual(Array.from({ length: count }, (_, i) => i));
  for (const answer of answers) {
    const denied = Number(answer.tag) % 10 === 9;
    expect([answer.tag, codeOf(answer)]).toEqual([answer.tag, denied ? status.PERMISSION_DENIED : 0]);
  }
  // Versions of a stream follow the tags.
  for (const stream of ['order.0', 'order.1', 'order.2']) {
    const own = answers.filter(({ tag }) => streamOf(Number(tag)) === stream);
    const versions = own.map(({ outcome }) => outcome?.$case === 'result' && Number(outcome.value.version));
    expect(versions).toEqual(own.map((_, index) => index + 1));
  }
  const { events } = await gateway.as('admin').readAll();
  expect(events).toHaveLength((count / 10) * 9);
});

test('a denied append of a session breaks the order, and fails what relies on it', async () => {
  const gateway = await start({ writer: { grants: grantOf('order.>') } });
  const session = openSession(gateway.as('writer'));
  session.send(
    { tag: 1, stream: 'order.1', inOrder: true },
    { tag: 2, stream: 'secret.1', inOrder: true, expectedVersion: 0 },
    { tag: 3, stream: 'order.2', inOrder: true },
    { tag: 4, stream: 'order.3' },
    { tag: 5, stream: 'secret.1', expectedVersion: 1 },
  );
  session.finish();
  expect(await session.ended).toBeUndefined();
  expect(byTag(session.answers).map((answer) => [Number(answer.tag), codeOf(answer)])).toEqual([
    [1, status.OK],
    [2, status.PERMISSION_DENIED],
    [3, status.CANCELLED],
    [4, status.OK],
    [5, status.PERMISSION_DENIED],
  ]);
  expect(byTag(session.answers)[2]?.failedTag).toBe(2n);
});

test('a session needs a grant of append on something', async () => {
  const gateway = await start({ reader: { grants: [{ actions: ['read'], streams: ['>'] }] } });
  const session = openSession(gateway.as('reader'));
  session.send({ tag: 1, stream: 'order.1' });
  const failure = await session.ended;
  expect([failure?.code, failure?.reason]).toEqual([status.PERMISSION_DENIED, 'ACCESS_DENIED']);
  expect([...(failure?.detail('google.rpc.ErrorInfo')?.metadata ?? [])]).toEqual([['action', 'append']]);
  expect(session.answers).toEqual([]);
});

/** A subscription whose events are counted. */
function openSubscription(
  client: RpcClient,
  request: object,
): { readonly count: () => number; readonly ended: Promise<RpcFailure> } {
  let count = 0;
  const read = async (): Promise<void> => {
    for await (const { events } of client.subscribe(request)) count += events.length;
  };
  return { count: () => count, ended: failureOf(read()) };
}

test('a grant that is removed ends what relies on it, and nothing else', async () => {
  const before = { a: { grants: grantOf('order.>', 'stock.>') }, b: { grants: grantOf('order.>') } };
  const gateway = await start(before);
  const client = gateway.as('a');
  const orders = openSubscription(client, { patterns: ['order.*'] });
  const stock = openSubscription(client, { patterns: ['stock.>'] });
  const permitted = openSubscription(client, { permittedOnly: true });
  const some = openSubscription(client, { permittedOnly: true, patterns: ['stock.*', 'other.>'] });
  const others = openSubscription(gateway.as('b'), { patterns: ['order.*'] });
  const session = openSession(client);
  session.send({ tag: 1, stream: 'order.1' }, { tag: 2, stream: 'stock.1' });
  await until(() => session.answers.length === 2 && permitted.count() === 2 && others.count() === 1);
  await until(() => orders.count() === 1 && stock.count() === 1 && some.count() === 1);

  const changedAt = performance.now();
  gateway.file.write({ admin, a: { grants: grantOf('stock.>') }, b: before.b });
  for (const ended of [await orders.ended, await permitted.ended]) {
    expect([ended.code, ended.reason]).toEqual([status.PERMISSION_DENIED, 'ACCESS_DENIED']);
  }
  expect(performance.now() - changedAt).toBeLessThan(3_000 * patience);
  const { metadata } = (await orders.ended).detail('google.rpc.ErrorInfo') ?? {};
  expect(Object.fromEntries(metadata ?? [])).toEqual({ action: 'subscribe', pattern: 'order.*' });

  // The session goes on with what is left, and so do other subscriptions.
  session.send({ tag: 3, stream: 'order.1' }, { tag: 4, stream: 'stock.1' });
  await until(() => session.answers.length === 4);
  expect(byTag(session.answers).map(codeOf)).toEqual([0, 0, status.PERMISSION_DENIED, 0]);
  await gateway.as('b').append({ stream: 'order.9', events: newEvents(1) });
  await until(() => stock.count() === 2 && some.count() === 2 && others.count() === 2);
  session.finish();
  expect(await session.ended).toBeUndefined();
});

const reader = { grants: [{ actions: ['read'], streams: ['order.>'] }] };

test.each([
  ['last grant', { a: reader }, status.PERMISSION_DENIED, 'ACCESS_DENIED'],
  ['credential', {}, status.UNAUTHENTICATED, 'UNAUTHENTICATED'],
])('a session without its %s answers what is under way, and ends', async (_what, left, code, reason) => {
  const gateway = await start({ a: { grants: grantOf('order.>') } });
  const session = openSession(gateway.as('a'));
  session.send({ tag: 0, stream: 'order.0' });
  await until(() => session.answers.length === 1);
  gateway.nats.pause();
  session.send(...Array.from({ length: 50 }, (_, i) => ({ tag: i + 1, stream: `order.${i}` })));
  await sleep(300); // they are under way
  gateway.file.write({ admin, ...left });
  await sleep(1_000); // the gateway has seen it
  expect(session.answers).toHaveLength(1);
  gateway.nats.resume();
  const failure = await session.ended;
  expect([failure?.code, failure?.reason]).toEqual([code, reason]);
  expect(session.answers.map(codeOf)).toEqual(Array.from({ length: 51 }, () => 0));
  expect((await gateway.as('admin').readAll()).events).toHaveLength(51);
});

test('open calls end within a second after their credential has expired', async () => {
  const gateway = await start({ b: { grants: grantOf('order.>') } });
  const expiresAt = Date.now() + 4_000 * patience;
  const expires = new Date(expiresAt).toISOString();
  gateway.file.write({
    admin,
    a: { grants: grantOf('order.>'), expires },
    b: { grants: grantOf('order.>') },
  });
  await gateway.gateway.reload();
  const subscription = openSubscription(gateway.as('a'), { patterns: ['order.>'] });
  const others = openSubscription(gateway.as('b'), { patterns: ['order.>'] });
  const session = openSession(gateway.as('a'));
  session.send({ tag: 1, stream: 'order.1' });
  await until(() => session.answers.length === 1 && subscription.count() === 1);
  for (const failure of [await subscription.ended, await session.ended]) {
    expect(failure?.code).toBe(status.UNAUTHENTICATED);
    expect(failure?.detail('google.rpc.ErrorInfo')?.metadata.get('cause')).toBe('expired');
    expect(Date.now() - expiresAt).toBeGreaterThanOrEqual(-50);
    expect(Date.now() - expiresAt).toBeLessThan(1_000 * patience);
  }
  expect((await failureOf(gateway.as('a').getVersion({ stream: 'order.1' }))).code).toBe(
    status.UNAUTHENTICATED,
  );
  await gateway.as('b').append({ stream: 'order.2', events: newEvents(1) });
  await until(() => others.count() === 2);
});

test('a long read ends once its grant is gone', async () => {
  const gateway = await start({ a: { grants: grantOf('order.>') } });
  const payload = { $case: 'text' as const, value: 'x'.repeat(500_000) };
  for (let i = 0; i < 30; i++)
    await gateway.as('admin').append({ stream: `order.${i}`, events: [{ type: 'A', payload }] });
  const client = gateway.as('a');
  const call = client.raw.readAll(ReadAllRequest.fromPartial({ patterns: ['order.>'] }));
  const ended = new Promise<RpcFailure>((resolve) => {
    call.on('error', (error: ServiceError) => {
      resolve(new RpcFailure(error));
    });
  });
  let events = 0;
  // It takes one message, and no more until the grant is gone.
  call.once('data', (message: ReadAllResponse) => {
    events += message.events.length;
    call.pause();
  });
  await until(() => events > 0);
  gateway.file.write({ admin, a: { grants: grantOf('stock.>') } });
  await sleep(1_000);
  call.on('data', (message: ReadAllResponse) => {
    events += message.events.length;
  });
  call.resume();
  expect((await ended).reason).toBe('ACCESS_DENIED');
  expect(events).toBeLessThan(30);
});

test('a new grant counts at once, without a restart', async () => {
  const gateway = await start({ a: { grants: grantOf('order.>') } });
  const append = (): Promise<unknown> => gateway.as('a').append({ stream: 'stock.1', events: newEvents(1) });
  expect((await failureOf(append())).reason).toBe('ACCESS_DENIED');
  gateway.file.write({ admin, a: { grants: grantOf('order.>', 'stock.>') } });
  await until(() =>
    append().then(
      () => true,
      () => false,
    ),
  );
});
