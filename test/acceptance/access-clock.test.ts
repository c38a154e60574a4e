import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { startSluice, type SluiceProcess } from '../cli/process';
import { makeAuthFile, type TestAuthFile } from '../support/access';
import { newEvents } from '../support/attempts';
import { startNats, until, type TestNats } from '../support/nats-server';
import { audience, issuerName, makeKey, OidcIssuer, seconds, type SigningKey } from '../support/oidc-issuer';
import { testWorkers } from '../support/one-process';
import { makeReplicaDir } from '../support/replica-dir';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';
import { workersOf } from '../support/worker-processes';

/** A gateway whose clock somebody sets ahead and back by a day while it serves. */

const dayMs = 86_400_000;
const actions = ['append', 'read', 'subscribe'];
const orders = [{ actions, streams: ['order.>'] }];
const perSecond = 2;
const principals = {
  lasting: { grants: orders },
  brief: { grants: orders, expires: new Date(Date.now() + dayMs / 2).toISOString() },
  slow: { grants: orders, limits: { appends_per_s: perSecond } },
};

let nats: TestNats;
let key: SigningKey;
let file: TestAuthFile;
let gateway: SluiceProcess;
let address: string;
/** Whatever was started, in this order. */
const started: (AsyncDisposable | Disposable)[] = [];

function keep<T extends AsyncDisposable | Disposable>(one: T): T {
  started.push(one);
  return one;
}

beforeEach(async () => {
  key = await makeKey();
  nats = keep(await startNats());
  const { url } = keep(await OidcIssuer.start(key));
  const entry = { name: 'corp', issuer: issuerName, audience, algorithms: ['ES256'] };
  file = makeAuthFile(principals, {
    roles: { orders: { grants: orders } },
    issuers: [{ ...entry, keys: { url }, roles: ['orders'] }],
    audit: { file: 'audit.jsonl', when_full: 'refuse' },
  });
  const args = [
    '--listen=127.0.0.1:0',
    `--nats-url=${nats.url}`,
    '--create-store',
    `--auth-file=${file.path}`,
  ];
  gateway = keep(
    await startSluice(args, {
      NODE_OPTIONS: `--require=${join(__dirname, '..', 'support', 'set-clock.cjs')}`,
      CLOCK_FILE: clockFile(),
    }),
  );
  address = await gateway.serving();
});

afterEach(async () => {
  for (const one of started.splice(0).reverse()) {
    if (Symbol.asyncDispose in one) await one[Symbol.asyncDispose]();
    else one[Symbol.dispose]();
  }
});

let folder: string | undefined;
function clockFile(): string {
  return join((folder ??= makeReplicaDir()), 'clock');
}

async function setClock(aheadMs: number): Promise<void> {
  for (const pid of [gateway.pid, ...(testWorkers === undefined ? [] : workersOf(gateway.pid))]) {
    writeFileSync(clockFile(), aheadMs.toString());
    process.kill(pid, 'SIGUSR2');
    await until(() => !existsSync(clockFile()));
  }
}

function as(token: string): RpcClient {
  return keep(connectRpc(address, token));
}

const append = (client: RpcClient, options?: { deadline: number }): ReturnType<RpcClient['append']> =>
  client.append({ stream: 'order.1', events: newEvents(1) }, options);

/** The cause that the response names, or OK. */
async function outcomeOf(client: RpcClient): Promise<string> {
  return append(client).then(
    () => 'OK',
    (error: unknown) => (error as Error).message.replace(/^\d+ \w+: /, ''),
  );
}

/** How many of many appends at a time are stored. */
async function burst(client: RpcClient): Promise<number> {
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => append(client)));
  return all.filter((one) => one.status === 'fulfilled').length;
}

test('a clock that was ahead by a day: expired is only what expires by the clock, and only as long as it does', async () => {
  const [lasting, brief] = [as(file.tokenOf('lasting')), as(file.tokenOf('brief'))];
  const token = await key.sign();
  const corp = as(token);
  expect(await Promise.all([lasting, brief, corp].map(outcomeOf))).toEqual(['OK', 'OK', 'OK']);
  const open = await Promise.all([lasting, corp].map(openSubscription));

  await setClock(dayMs);
  const expired = 'the token has expired';
  expect(await Promise.all([lasting, brief, corp, as(token)].map(outcomeOf))).toEqual([
    'OK',
    expired,
    expired,
    expired,
  ]);
  const [going, ended] = open as [Subscribed, Subscribed];
  await until(() => ended.failure !== undefined);
  expect(ended.failure).toMatch(/expired/);
  expect(await outcomeOf(as(await key.sign({ exp: seconds() + dayMs / 1_000 + 60 })))).toBe('OK');

  await setClock(0);
  expect(await Promise.all([lasting, brief, corp, as(token)].map(outcomeOf))).toEqual([
    'OK',
    'OK',
    'OK',
    'OK',
  ]);
  await until(() => going.events === 9);
  expect(going.failure).toBeUndefined();
  await expectAudited(9);
}, 60_000);

test.each([
  ['ahead', dayMs],
  ['back', -dayMs],
])(
  'a clock that is set %s by a day opens no rate, and exhausts none',
  async (_, aheadMs) => {
    const slow = as(file.tokenOf('slow'));
    const begunMs = performance.now();
    let stored = await burst(slow);
    await setClock(aheadMs);
    stored += await burst(slow);
    await setClock(0);
    stored += await burst(slow);
    expect(stored).toBeLessThanOrEqual(perSecond * (1 + (performance.now() - begunMs) / 1_000));
    await sleep(1_000);
    expect(await outcomeOf(slow)).toBe('OK');
  },
  60_000,
);

test('an append that waits for NATS while the clock is set ahead is stored once NATS goes on', async () => {
  const lasting = as(file.tokenOf('lasting'));
  await append(lasting);
  nats.pause();
  const waiting = append(lasting);
  await sleep(500);
  await setClock(dayMs);
  await sleep(500);
  nats.resume();
  await waiting;
  await expectAudited(2);
}, 60_000);

test('an append without a deadline ends in time although the clock is set back, with NATS away', async () => {
  const lasting = as(file.tokenOf('lasting'));
  await append(lasting);
  nats.pause();
  const begunMs = performance.now();
  const waiting = failureOf(append(lasting, { deadline: Date.now() + 60_000 }));
  await sleep(500);
  await setClock(-dayMs);
  const { code, reason } = await waiting;
  nats.resume();
  expect([code, reason]).toEqual([status.UNKNOWN, 'OUTCOME_UNKNOWN']);
  expect(performance.now() - begunMs).toBeLessThan(30_000);
}, 90_000);

test('heartbeats go on although the clock is set back', async () => {
  const lasting = as(file.tokenOf('lasting'));
  await append(lasting);
  const subscription = await openSubscription(lasting);
  await setClock(-dayMs);
  const before = subscription.heartbeats;
  await until(() => subscription.heartbeats >= before + 3, 15_000);
}, 60_000);

interface Subscribed {
  events: number;
  heartbeats: number;
  failure: string | undefined;
}

/** Resolves with the first message; from then on the subscription counts what comes. */
async function openSubscription(client: RpcClient): Promise<Subscribed> {
  const subscribed: Subscribed = { events: 0, heartbeats: 0, failure: undefined };
  const request = { patterns: ['order.>'], heartbeatInterval: { seconds: 1n, nanos: 0 } };
  let hasBegun = false;
  void (async () => {
    try {
      for await (const { events, notice } of client.subscribe(request)) {
        hasBegun = true;
        subscribed.events += events.length;
        if (notice?.$case === 'heartbeat') subscribed.heartbeats++;
      }
    } catch (error) {
      subscribed.failure = (error as Error).message;
    }
  })();
  await until(() => hasBegun);
  return subscribed;
}

/** Each stored append has its line, in the order in which they ended. */
async function expectAudited(count: number): Promise<void> {
  const path = join(dirname(file.path), 'audit.jsonl');
  const stored = (): (string | undefined)[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { outcome: string; position?: string })
      .filter(({ outcome }) => outcome === 'OK')
      .map(({ position }) => position);
  await until(() => stored().length >= count);
  const { events } = await as(file.tokenOf('lasting')).readStream({ stream: 'order.1' });
  expect(stored().sort()).toEqual(events.map(({ position }) => position.toString()).sort());
}
