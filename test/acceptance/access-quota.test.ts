import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import { SubscribeRequest } from '../../generated/sluice/v1/event_store_service';
import { connect, QuotaExceededError } from '../../src/client/client';
import type { Limits } from '../../src/limits';
import { startGuarded, type GuardedGateway, type Principals } from '../support/access';
import { newEvents } from '../support/attempts';
import { until } from '../support/nats-server';
import { divided, inOneProcess, wholeOf } from '../support/one-process';
import { messageHeader, openCall, openSession, statusOf } from '../support/raw-http2';
import type { RpcClient } from '../support/rpc-client';
import { failureOf, RpcFailure } from '../support/rpc-failure';

/** How much a principal may use, over all of its connections, on a real auth file and a real nats-server. */

const grants = [{ actions: ['append', 'read', 'subscribe', 'info'], streams: ['>'] }];

let guarded: GuardedGateway;
afterEach(() => guarded[Symbol.asyncDispose]());

async function start(principals: Principals, limits: Partial<Limits> = {}): Promise<GuardedGateway> {
  const all = Object.entries(principals).map(([name, entry]) => [name, { grants, ...entry }] as const);
  return (guarded = await startGuarded({ ...Object.fromEntries(all), other: { grants } }, limits));
}

/** The limit that a call exceeds, which must say when to try again. */
function limitOf(failure: RpcFailure): string | undefined {
  expect([failure.code, failure.reason]).toEqual([status.RESOURCE_EXHAUSTED, 'QUOTA_EXCEEDED']);
  const { seconds = 0n, nanos = 0 } = failure.detail('google.rpc.RetryInfo')?.retryDelay ?? {};
  expect(Number(seconds) * 1e9 + nanos).toBeGreaterThan(0);
  const limit = failure.detail('google.rpc.ErrorInfo')?.metadata.get('limit');
  expect(failure.detail('google.rpc.QuotaFailure')?.violations[0]?.subject).toBe(limit);
  return limit;
}

async function limitOfCall(call: Promise<unknown>): Promise<string | undefined> {
  return limitOf(await failureOf(call));
}

/** Appends one event each, all at once; returns what the refused ones exceed. */
async function appendAll(client: RpcClient, streams: readonly string[]): Promise<(string | undefined)[]> {
  const appends = streams.map((stream) => client.append({ stream, events: newEvents(1) }));
  const outcomes = await Promise.allSettled(appends);
  return outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [limitOf(outcome.reason as RpcFailure)] : [],
  );
}

const streams = (count: number, prefix = 'order'): string[] =>
  Array.from({ length: count }, (_, number) => `${prefix}.${number}`);

/** Opens a subscription; returns what ends it. */
function subscribe(client: RpcClient): Promise<() => void> {
  const call = client.raw.subscribe(SubscribeRequest.fromPartial({}));
  return new Promise((resolve, reject) => {
    call.once('data', () => {
      resolve(() => {
        call.cancel();
      });
    });
    call.on('error', (error: ServiceError) => {
      reject(new RpcFailure(error));
    });
  });
}

test('ten connections of a principal at its limit do not slow another one', async () => {
  await start({ greedy: { limits: { appends: 8 } } });
  const other = guarded.as('other');
  const appends = 60;
  let isOver = false;
  const refused: (string | undefined)[] = [];
  let stored = 0;
  const greedy = Array.from({ length: 10 }, async (_, connection) => {
    const client = guarded.as('greedy');
    while (!isOver) {
      const names = streams(20, `greedy.${connection}`);
      const limits = await appendAll(client, names);
      refused.push(...limits);
      stored += names.length - limits.length;
      await sleep(limits.length > 0 ? 250 : 0); // as the error says
    }
  });
  for (let number = 0; number < appends; number++) {
    await other.append({ stream: `calm.${number}`, events: newEvents(1) });
  }
  const storedBeside = stored;
  isOver = true;
  await Promise.all(greedy);
  expect(stored).toBeGreaterThanOrEqual(8);
  expect(refused.length).toBeGreaterThan(100);
  expect(new Set(refused)).toEqual(new Set(['appends']));
  // Each append of the other one waits for about as many as the greedy one may have, not for the 200 that it sends.
  expect(storedBeside).toBeLessThan(8 * 8 * appends);
}, 60_000);

inOneProcess(divided)(
  'no principal gets the last places of all, however many connections it has',
  async () => {
    await start(
      { greedy: {} },
      { subscriptionsMax: 8, connectionSubscriptionsMax: 4, sessionsMax: 8, callsMax: 100 },
    );
    const [first, second] = [guarded.as('greedy'), guarded.as('greedy')];
    for (let count = 0; count < 3; count++) {
      await subscribe(first);
      await subscribe(second);
    }
    expect(await limitOfCall(subscribe(first))).toBe('subscriptions');
    expect(await limitOfCall(subscribe(guarded.as('greedy')))).toBe('subscriptions');
    await subscribe(guarded.as('other'));
    await subscribe(guarded.as('other'));
  },
);

inOneProcess(divided)('no principal gets the last calls of all, of whatever kind', async () => {
  await start({ greedy: {} }, { callsMax: 12 });
  const client = guarded.as('greedy');
  for (let count = 0; count < 9; count++) await subscribe(client);
  expect(await limitOfCall(client.getVersion({ stream: 'a' }))).toBe('calls');
  expect(await limitOfCall(guarded.as('greedy').append({ stream: 'a', events: newEvents(1) }))).toBe('calls');
  using sluice = connect(guarded.gateway.address, { token: guarded.file.tokenOf('greedy') });
  const session = sluice.appendSession();
  const refused = session.append('a', [{ type: 'T' }]).catch((error: unknown) => error);
  expect(await refused).toMatchObject({ limit: 'calls' });
  expect(await refused).toBeInstanceOf(QuotaExceededError);
  await session.close().catch(() => undefined);
  await guarded.as('other').append({ stream: 'a', events: newEvents(1) });
});

test('calls without a credential leave places for those with one', async () => {
  await start({}, { callsMax: 12 });
  const sessions = [1, 2].map(() => openSession(guarded.gateway.address));
  const health = (): Promise<unknown> => guarded.as(undefined).health();
  try {
    for (const session of sessions) {
      for (let count = 0; count < 10; count++)
        openCall(session, '', { ':path': '/grpc.health.v1.Health/Watch' }).resume().end(messageHeader(0));
    }
    await until(() =>
      health().then(
        () => false,
        () => true,
      ),
    );
    expect(await limitOfCall(health())).toBe('calls');
    await guarded.as('other').append({ stream: 'a', events: newEvents(1) });
  } finally {
    for (const session of sessions) session.destroy();
  }
  await until(() =>
    health().then(
      () => true,
      () => false,
    ),
  );
});

test('refused calls that their caller does not end take no places', async () => {
  await start({}, { callsMax: 12 });
  const session = openSession(guarded.gateway.address);
  try {
    for (let count = 0; count < 40; count++)
      expect(await statusOf(openCall(session, 'Append'))).toBe(status.UNAUTHENTICATED);
    await guarded.as('other').append({ stream: 'a', events: newEvents(1) });
  } finally {
    session.destroy();
  }
});

inOneProcess(divided)('limits of calls: subscriptions, sessions and reads', async () => {
  await start({ small: { limits: { subscriptions: 2, sessions: 1 } } });
  const [first, second] = [guarded.as('small'), guarded.as('small')];
  await subscribe(first);
  const end = await subscribe(second);
  expect(await limitOfCall(subscribe(first))).toBe('subscriptions');
  await first.readAll();

  using sluice = connect(guarded.gateway.address, { token: guarded.file.tokenOf('small') });
  const open = sluice.appendSession();
  await open.append('a', [{ type: 'T' }]);
  const more = sluice.appendSession();
  await expect(more.append('a', [{ type: 'T' }])).rejects.toMatchObject({ limit: 'sessions' });
  await more.close().catch(() => undefined);
  await open.close();
  // The slots come back.
  end();
  await until(() =>
    subscribe(first).then(
      () => true,
      () => false,
    ),
  );
});

test('a session holds its appends back instead of exceeding the limit of its principal', async () => {
  await start({ small: { limits: { appends: 4, append_bytes: 4_000 } } });
  using sluice = connect(guarded.gateway.address, { token: guarded.file.tokenOf('small') });
  const session = sluice.appendSession();
  const data = 'x'.repeat(500);
  const appends = streams(300).map((stream) => session.append(stream, [{ type: 'T', data }]));
  expect((await Promise.all(appends)).map(({ version }) => version)).toEqual(appends.map(() => 1n));
  await session.close();
});

inOneProcess(divided)(
  'appends and bytes in a second; a transaction counts once, with all its bytes',
  async () => {
    await start({
      fast: { limits: { appends_per_s: 20 } },
      wide: { limits: { bytes_per_s: 10_000 } },
    });
    const fast = guarded.as('fast');
    const refused = [
      ...(await appendAll(fast, streams(20))),
      ...(await appendAll(guarded.as('fast'), streams(20))),
    ];
    expect(refused.length).toBeGreaterThanOrEqual(15);
    expect(new Set(refused)).toEqual(new Set(['appends_per_s']));
    await sleep(1_000);
    for (let count = 0; count < 18; count++) {
      await fast.appendMulti({
        appends: streams(10, `multi.${count}`).map((stream) => ({ stream, events: newEvents(1) })),
      });
    }

    const wide = guarded.as('wide');
    const transaction = {
      appends: streams(4, 'wide').map((stream) => ({ stream, events: newEvents(1, 1_500) })),
    };
    await wide.appendMulti(transaction);
    await until(async () => (await limitOfCall(wide.appendMulti(transaction))) === 'bytes_per_s');
    await sleep(1_000);
    await wide.append({ stream: 'wide.large', events: newEvents(1, 100_000) }); // more than the bucket holds
    expect(await limitOfCall(wide.append({ stream: 'wide.1', events: newEvents(1) }))).toBe('bytes_per_s');
  },
);

inOneProcess(divided)('new streams in a second: existing streams go on', async () => {
  await start({ maker: { limits: { new_streams_per_s: 1 } } });
  const maker = guarded.as('maker');
  await maker.append({ stream: 'kept', events: newEvents(1) });
  await sleep(1_100);
  const commitId = '01890a5d-ac96-774b-bcce-b302099a8057';
  const creating = { stream: 'made', events: newEvents(1), commitId };
  await maker.append(creating);
  await guarded.as('other').append({ stream: 'foreign', events: newEvents(1) });
  await sleep(1_100);
  // From now on it owes 29 streams, which takes longer than what follows.
  await maker.appendMulti({
    appends: streams(30, 'many').map((stream) => ({ stream, events: newEvents(1) })),
  });
  const limit = 'new_streams_per_s';
  expect(await limitOfCall(maker.append({ stream: 'new.1', events: newEvents(1) }))).toBe(limit);
  expect(
    await limitOfCall(maker.append({ stream: 'new.1', events: newEvents(1), expectedVersion: 0n })),
  ).toBe(limit);
  const both = { appends: ['kept', 'new.2'].map((stream) => ({ stream, events: newEvents(1) })) };
  expect(await limitOfCall(maker.appendMulti(both))).toBe(limit);
  expect(await maker.append(creating)).toMatchObject({ replayed: true, version: 1n });
  expect((await maker.append({ stream: 'foreign', events: newEvents(1) })).version).toBe(2n);
  expect((await maker.append({ stream: 'kept', events: newEvents(1), expectedVersion: 1n })).version).toBe(
    2n,
  );

  // In a session, appends that may not create a stream keep their places.
  using sluice = connect(guarded.gateway.address, { token: guarded.file.tokenOf('maker') });
  const session = sluice.appendSession();
  const outcomes = await Promise.allSettled([
    session.append('kept', [{ type: 'T' }]),
    session.append('new.3', [{ type: 'T' }]),
    session.append('kept', [{ type: 'T' }], { expectedVersion: 3n }),
  ]);
  expect(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.version : 'refused')),
  ).toEqual([3n, 'refused', 4n]);
  await session.close();
  const names = await guarded.as('other').listStreams({ pattern: 'new.>' });
  expect(names).toEqual([]);
});

test('other limits of the auth file count at once, for what is open as well', async () => {
  await start({ small: { limits: { appends_per_s: 1, subscriptions: 1 } } });
  const client = guarded.as('small');
  await subscribe(client);
  expect(await limitOfCall(subscribe(client))).toBe('subscriptions');
  guarded.file.write({
    small: { grants, limits: { appends_per_s: 1_000, subscriptions: wholeOf(2) } },
    other: { grants },
  });
  await until(() =>
    subscribe(client).then(
      () => true,
      () => false,
    ),
  );
  expect(await appendAll(client, streams(100))).toEqual([]);
  guarded.file.write({ small: { grants, limits: { appends: 1, subscriptions: 1 } }, other: { grants } });
  await until(async () => (await appendAll(client, streams(20))).length > 0);
  expect(await limitOfCall(subscribe(client))).toBe('subscriptions');
});

test('anonymous callers have the limits of anonymous for each connection', async () => {
  await start({ anonymous: { limits: { subscriptions: 1 } } });
  const [first, second] = [guarded.as(undefined), guarded.as(undefined)];
  await subscribe(first);
  expect(await limitOfCall(subscribe(first))).toBe('subscriptions');
  await subscribe(second);
});
