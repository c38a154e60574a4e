import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HealthCheckResponse_ServingStatus as Serving } from '../../generated/grpc/health/v1/health';
import { newEvents, refusals } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import type { RpcClient } from '../support/rpc-client';
import { failureOf, RpcFailure } from '../support/rpc-failure';
import { natsServerPath } from '../support/tools';
import { startWriters } from '../support/writers';

/**
 * A NATS server hangs until attempts to connect are given up: it closes them 2 s after it continues, since they have not logged
 * in. Whatever that does to the gateway, no answer may differ from what is stored.
 */

const pauses = 10;
const pauseMs = 2_500;
const loginTimeoutMs = 2_000;
/** With these a connection is given up within a second, and three attempts to connect fit into a pause. */
const impatience = { natsPingIntervalMs: 250, natsPingsMax: 2, natsDialTimeoutMs: 400 };
const storedCommits = 300;
const unavailable = 14;

interface Hanging extends AsyncDisposable {
  readonly gateway: TestGateway;
  pause(): void;
  resume(): void;
}

async function externalServer(): Promise<Hanging> {
  const nats = await startNats({ extraConfig: 'authorization { user: someone, password: hush }' });
  const gateway = await startTestGateway(
    [nats.url],
    ['--nats-user=someone', '--nats-password=hush'],
    impatience,
  );
  return {
    gateway,
    pause() {
      nats.pause();
    },
    resume() {
      nats.resume();
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    },
  };
}

async function ownServer(): Promise<Hanging> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-hung-'));
  const flags = [`--data-dir=${dataDir}`, `--nats-server=${natsServerPath()}`, '--sync=interval'];
  const gateway = await startTestGateway([], flags, impatience);
  const pid = Number(readFileSync(join(dataDir, 'run', 'nats-server.pid'), 'utf8'));
  return {
    gateway,
    pause: () => void process.kill(pid, 'SIGSTOP'),
    resume: () => void process.kill(pid, 'SIGCONT'),
    async [Symbol.asyncDispose]() {
      process.kill(pid, 'SIGCONT');
      await gateway[Symbol.asyncDispose]();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Reads what was stored before the first pause, in several ways, and records every difference. */
async function keepComparing(
  client: RpcClient,
  ids: readonly string[],
  wrong: string[],
  signal: AbortSignal,
): Promise<number> {
  let answers = 0;
  const same = (what: string, found: readonly { readonly id: string }[]): void => {
    answers++;
    const isSame = found.length === ids.length && found.every(({ id }, i) => id === ids[i]);
    if (!isSame) wrong.push(`${what} gave ${found.length.toString()} events, or others`);
  };
  const requests: (() => Promise<void>)[] = [
    async () => {
      same('ReadStream', (await client.readStream({ stream: 'kept.1' })).events);
    },
    async () => {
      same('ReadAll', (await client.readAll({ patterns: ['kept.*'] })).events);
    },
    async () => {
      same('ReadByCorrelation', (await client.readByCorrelation({ correlationId: 'kept' })).events);
    },
    async () => {
      const { version } = await client.getVersion({ stream: 'kept.1' });
      answers++;
      if (version !== BigInt(ids.length)) wrong.push(`GetVersion gave ${version.toString()}`);
    },
  ];
  for (let turn = 0; !signal.aborted; turn++) {
    await requests[turn % requests.length]?.().catch(async (error: unknown) => {
      const reason = error instanceof RpcFailure ? error.reason : undefined;
      if (reason === undefined || !refusals.includes(reason)) wrong.push(String(error));
      await sleep(20);
    });
  }
  return answers;
}

async function isAnswered(client: RpcClient): Promise<void> {
  await until(
    () =>
      client.readStream({ stream: 'kept.1', maxCount: 1n }).then(
        () => true,
        () => false,
      ),
    30_000,
  );
}

test.concurrent.each([
  ['an external server with a login', externalServer],
  ['the server of the gateway', ownServer],
])(
  'ten pauses of %s change no answer',
  async (_name, start) => {
    await using hanging = await start();
    const { client } = hanging.gateway;
    const ids = Array.from({ length: storedCommits }, (_, i) => `kept-${i.toString()}`);
    for (const id of ids)
      await client.append({ stream: 'kept.1', events: [{ id, type: 'Kept', correlationId: 'kept' }] });
    const writers = startWriters([client], { streams: ['a.1', 'a.2'], counts: [1, 3], payloadBytes: 100 });
    const wrong: string[] = [];
    const stop = new AbortController();
    const comparing = Array.from({ length: 4 }, () => keepComparing(client, ids, wrong, stop.signal));
    for (let pause = 0; pause < pauses; pause++) {
      hanging.pause();
      await sleep(pauseMs);
      hanging.resume();
      await isAnswered(client);
      await sleep(loginTimeoutMs + 500);
    }
    stop.abort();
    const answers = await Promise.all(comparing);
    expect(Math.min(...answers)).toBeGreaterThan(pauses);
    const faults = await writers.faults(client);
    expect({ wrong, faults }).toEqual({ wrong: [], faults: [] });
    expect(writers.count('stored')).toBeGreaterThan(pauses);
  },
  240_000,
);

test('a connection that accepts no more bytes is given up like any other', async () => {
  await using nats = await startNats({ maxPayloadBytes: 8 << 20 });
  await using gateway = await startTestGateway([nats.url], ['--append-timeout-ms=3000'], impatience);
  const { client } = gateway;
  const streams = Array.from({ length: 17 }, (_, i) => `large.${i.toString()}`);
  // The gateway knows their versions, so it sends the next appends at once.
  for (const stream of streams) await client.append({ stream, events: newEvents(1) });
  nats.pause();
  const appends = streams.map((stream) => client.append({ stream, events: newEvents(1, 900_000) }));
  const settled = Promise.allSettled(appends);
  // Appends that were sent are in doubt; later ones are refused, since they are not sent.
  await until(async () => (await client.health()) === Serving.NOT_SERVING);
  const isRefused = (): Promise<boolean> =>
    failureOf(client.append({ stream: 'small.1', events: [{ type: 'Small' }] })).then(
      ({ reason, message }) => reason === 'STORE_UNAVAILABLE' && message.includes('no connection to NATS'),
    );
  await until(isRefused, 8_000);
  nats.resume();
  await settled;
  await until(async () => (await client.health()) === Serving.SERVING, 30_000);
}, 120_000);

test('an append ends by its deadline, however many callers wait for answers about their streams', async () => {
  const appendTimeoutMs = 1_000;
  // So large that only a few answers may be in transit at the same time.
  await using nats = await startNats({ maxPayloadBytes: 9 << 20 });
  await using gateway = await startTestGateway([nats.url], [], { appendTimeoutMs });
  nats.pause();
  try {
    const startedAt = performance.now();
    const failures = await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        failureOf(
          gateway.client.append({ stream: `unknown.${i}`, expectedVersion: 7n, events: newEvents(1) }),
        ),
      ),
    );
    expect(performance.now() - startedAt).toBeLessThan(6 * appendTimeoutMs);
    for (const { code } of failures) expect(code).toBe(unavailable);
  } finally {
    nats.resume();
  }
}, 60_000);
