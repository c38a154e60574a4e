import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type SluiceClient } from '../../src/client/client';
import { startGatewayProcess } from '../support/gateway';
import { until } from '../support/nats-server';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import {
  isAlive,
  replaceWorker,
  startWithWorkers,
  whilePaused,
  workersOf,
} from '../support/worker-processes';
import { startWriters } from '../support/writers';

const streams = 4;
const clients = 4;
const restMs = 10;

/** Follows all events of some streams, through every loss of a connection. */
class Follower {
  readonly events: { readonly id: string; readonly position: bigint }[] = [];
  failure: unknown;
  private readonly stop = new AbortController();

  constructor(
    private readonly client: SluiceClient,
    pattern: string,
  ) {
    this.follow(pattern).catch((error: unknown) => {
      if (!this.stop.signal.aborted) this.failure = error;
    });
  }

  end(): void {
    this.stop.abort();
    this.client[Symbol.dispose]();
  }

  private async follow(pattern: string): Promise<void> {
    const { signal } = this.stop;
    for await (const { id, position } of this.client.subscribe({ patterns: [pattern], signal }))
      this.events.push({ id, position });
  }
}

async function expectAll(follower: Follower, client: RpcClient, pattern: string): Promise<void> {
  const { events } = await client.readAll({ patterns: [pattern] });
  await until(() => follower.events.length >= events.length || follower.failure !== undefined, 30_000);
  expect(follower.failure).toBeUndefined();
  expect(follower.events).toEqual(events.map(({ id, position }) => ({ id, position })));
}

test('test_worker_killed: under 16 writers and 4 subscribers nothing is lost or doubled, and it is replaced', async () => {
  await using gateway = await startWithWorkers();
  const { pid } = gateway.process;
  const id = randomUUID();
  const rpc = Array.from({ length: clients }, () => connectRpc(gateway.address));
  const following = Array.from({ length: 4 }, () => new Follower(connect(gateway.address), `w.${id}.*`));
  const names = Array.from({ length: streams }, (_, index) => `w.${id}.${index}`);
  const writers = startWriters(rpc, { streams: names, counts: [1, 3, 1, 12], payloadBytes: 300, restMs });
  try {
    await writers.more(100);
    for (let round = 0; round < 4; round++) {
      const worker = workersOf(pid)[round % 2] as number;
      await replaceWorker(pid, worker);
      await writers.more(100);
    }
    expect(await writers.faults(gateway.client)).toEqual([]);
    for (const follower of following) await expectAll(follower, gateway.client, `w.${id}.*`);
  } finally {
    for (const follower of following) follower.end();
    for (const client of rpc) client[Symbol.dispose]();
  }
}, 180_000);

test('the connections of other workers do not notice that a worker is killed', async () => {
  await using gateway = await startWithWorkers();
  const { pid } = gateway.process;
  using other = connectRpc(gateway.address);
  // Each has a worker of its own, since one with fewer connections gets the next one.
  for (const client of [gateway.client, other]) await client.append(event('spared.0'));
  const [killed] = workersOf(pid);
  const calls = { gateway: 0, other: 0 };
  const failures: string[] = [];
  const ends = new AbortController();
  const call = async (name: keyof typeof calls, client: RpcClient): Promise<void> => {
    while (!ends.signal.aborted) {
      await client.append(event(`spared.${name}`)).then(
        () => calls[name]++,
        () => failures.push(name),
      );
      await sleep(5);
    }
  };
  const calling = [call('gateway', gateway.client), call('other', other)];
  await until(() => calls.gateway > 10 && calls.other > 10);
  await replaceWorker(pid, killed as number);
  const { gateway: before, other: otherBefore } = calls;
  await until(() => calls.gateway > before + 20 && calls.other > otherBefore + 20, 30_000);
  ends.abort();
  await Promise.all(calling);
  // None if the client of the killed worker was between two calls.
  expect(new Set(failures).size).toBeLessThanOrEqual(1);
}, 120_000);

test('a worker that answers nothing any more is replaced', async () => {
  await using gateway = await startWithWorkers();
  const [stuck] = workersOf(gateway.process.pid);
  await whilePaused([stuck as number], () => until(() => !isAlive(stuck as number), 60_000));
  await until(() => workersOf(gateway.process.pid).length === 2, 30_000);
  using other = connectRpc(gateway.address);
  for (const client of [gateway.client, other]) await client.append(event('unstuck'));
}, 120_000);

test('a gateway is ready only while a worker takes connections', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-workers-'));
  const flags = ['--workers=2', `--data-dir=${dataDir}`, '--http-listen=127.0.0.1:0'];
  await using gateway = await startGatewayProcess([], flags);
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(gateway.process.stdout())?.[0] ?? '';
  const ready = (): Promise<Response> => fetch(`${url}/readyz`);
  expect((await ready()).status).toBe(200);
  for (const worker of workersOf(gateway.process.pid)) process.kill(worker, 'SIGKILL');
  await until(async () => (await ready()).status === 503, 5_000);
  await until(async () => (await ready()).status === 200, 30_000);
}, 60_000);

test('connections that a worker has not taken yet end with it', async () => {
  await using gateway = await startWithWorkers();
  const workers = workersOf(gateway.process.pid);
  const { hostname, port } = new URL(`http://${gateway.address}`);
  const sockets: Socket[] = [];
  await whilePaused(workers, async () => {
    for (let index = 0; index < 6; index++)
      sockets.push(createConnection(Number(port), hostname).on('error', () => undefined));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await sleep(200);
    for (const worker of workers) process.kill(worker, 'SIGKILL');
  });
  await until(() => sockets.every(({ closed }) => closed), 5_000);
}, 60_000);

test.each(['index', 'segments'])(
  'a worker that finds no %s of the replica has it built again',
  async (part) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-workers-'));
    await using gateway = await startGatewayProcess([], ['--workers=2', `--data-dir=${dataDir}`]);
    const { pid } = gateway.process;
    for (let i = 0; i < 20; i++) await gateway.client.append(event('deleted'));
    await rm(join(dataDir, 'replica', part), { recursive: true });
    for (const worker of workersOf(pid)) process.kill(worker, 'SIGKILL');
    const count = async (): Promise<number> => {
      using client = connectRpc(gateway.address);
      const { events } = await client.readAll({ patterns: ['deleted'] });
      return events.length;
    };
    await until(async () => (await count().catch(() => 0)) === 20, 30_000);
  },
  60_000,
);

test('when the primary is killed, its workers end, and the next gateway has everything', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-workers-'));
  const flags = ['--workers=2', `--data-dir=${dataDir}`];
  let workers: number[];
  {
    await using gateway = await startGatewayProcess([], flags);
    workers = workersOf(gateway.process.pid);
    expect(workers).toHaveLength(2);
    for (let i = 0; i < 20; i++) await gateway.client.append(event('kept'));
    gateway.process.signal('SIGKILL');
    await until(() => !workers.some(isAlive), 5_000);
  }
  await using gateway = await startGatewayProcess([], flags);
  const { events } = await gateway.client.readStream({ stream: 'kept' });
  expect(events).toHaveLength(20);
}, 60_000);

test('SIGTERM ends all processes with exit code 0', async () => {
  await using gateway = await startWithWorkers();
  const workers = workersOf(gateway.process.pid);
  // A service manager sends it to all processes.
  for (const worker of workers) process.kill(worker, 'SIGTERM');
  await gateway.client.append(event('still.there'));
  gateway.process.signal('SIGTERM');
  expect(await gateway.process.ended()).toBe(0);
  await until(() => !workers.some(isAlive), 5_000);
}, 60_000);

function event(stream: string): { stream: string; events: { type: string }[] } {
  return { stream, events: [{ type: 'Happened' }] };
}
