import { connect } from 'nats';
import { refusedStart, startSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startCluster, startNats, until, type TestNats } from '../support/nats-server';
import type { RpcClient } from '../support/rpc-client';
import { failureOf, RpcFailure } from '../support/rpc-failure';
import { manifestOf, newFolder, succeed } from './commands';

/** Gateways that run while somebody deletes the store and restores an older one. */

async function removeStore({ url }: TestNats): Promise<void> {
  const connection = await connect({ servers: url });
  await (await connection.jetstreamManager()).streams.delete('EVENTS');
  await connection.close();
}

async function appendMany(client: RpcClient, stream: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await client.append({ stream, events: newEvents(1) });
}

/** Follows the whole store until that ends; resolves with what ended it. */
function follow(client: RpcClient): { readonly streams: string[]; readonly ended: Promise<unknown> } {
  const streams: string[] = [];
  const reading = async (): Promise<undefined> => {
    for await (const { events } of client.subscribe()) streams.push(...events.map(({ stream }) => stream));
    return undefined;
  };
  return { streams, ended: reading().catch((error: unknown) => error) };
}

async function serves(client: RpcClient): Promise<void> {
  await until(
    () =>
      client.readAll().then(
        () => true,
        () => false,
      ),
    60_000,
  );
}

/** Servers for a store with this number of replicas. */
async function servers(replicas: number): Promise<AsyncDisposable & { readonly nodes: readonly TestNats[] }> {
  if (replicas > 1) return startCluster(replicas);
  const nats = await startNats();
  return { nodes: [nats], [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose]() };
}

interface Restored {
  readonly clients: readonly [RpcClient, RpcClient];
  /** The position of the backup. */
  readonly position: bigint;
  /** The flags of commands. */
  readonly flags: readonly string[];
}

/** Restores a store of 5 commits of `both` and 3 of `kept`, when it has 4 more of `both` and 4 of `lost`, which are followed. */
async function restoreOlder(
  { clients, flags }: Omit<Restored, 'position'>,
  nats: TestNats,
): Promise<Restored> {
  const [one, other] = clients;
  await appendMany(one, 'both', 5);
  await appendMany(other, 'kept', 3);
  const folder = newFolder();
  await succeed('backup', folder, ...flags);
  const followers = clients.map(follow);
  await appendMany(one, 'both', 4);
  await appendMany(other, 'lost', 4);
  await until(() => followers.every(({ streams }) => streams.length === 16));
  await removeStore(nats);
  await succeed('restore', folder, ...flags);
  // At once: no gateway may append with what it knew of the log before.
  const stale = await failureOf(one.append({ stream: 'both', events: newEvents(1), expectedVersion: 9n }));
  expect(['VERSION_CONFLICT', 'REPLICA_FILLING', 'STORE_UNAVAILABLE']).toContain(stale.reason);
  for (const { ended } of followers) {
    const error = await ended;
    expect(error).toBeInstanceOf(RpcFailure);
    expect(error).toMatchObject({ code: 14, reason: expect.stringMatching(/^[A-Z_]+$/) as unknown });
  }
  return { clients, position: BigInt(manifestOf(folder).position), flags };
}

async function expectOlder({ clients, position, flags }: Restored): Promise<void> {
  for (const client of clients) {
    await serves(client);
    const { events } = await client.readAll();
    const order = ['both', 'both', 'both', 'both', 'both', 'kept', 'kept', 'kept'];
    expect(events.map(({ stream }) => stream)).toEqual(order);
    expect((await client.getVersion({ stream: 'lost' })).version).toBe(0n);
  }
  const [one, other] = clients;
  const next = await one.append({ stream: 'both', events: newEvents(1) });
  expect([next.version, next.position]).toEqual([6n, position + 1n]);
  const after = await other.append({ stream: 'both', events: newEvents(1), expectedVersion: 6n });
  expect(after.version).toBe(7n);
  expect((await other.append({ stream: 'lost', events: newEvents(1) })).version).toBe(1n);
  await succeed('verify', ...flags);
}

test.each([1, 3])(
  'an older store on %d servers under two gateways: nothing of the newer one is served, and versions continue',
  async (replicas) => {
    await using cluster = await servers(replicas);
    const urls = cluster.nodes.map(({ url }) => url);
    const storeReplicas = `--store-replicas=${replicas.toString()}`;
    await using one = await startTestGateway(urls, [storeReplicas]);
    await using other = await startTestGateway(urls, [storeReplicas]);
    const flags = [`--nats-url=${urls.join(',')}`, storeReplicas];
    const clients = [one.client, other.client] as const;
    await expectOlder(await restoreOlder({ clients, flags }, cluster.nodes[0] as TestNats));
  },
  180_000,
);

/** Starts a restore and ends it by a signal when a part of the log is there; resolves with how it ended. */
async function interruptedRestore(
  folder: string,
  nats: TestNats,
  signal: 'SIGINT' | 'SIGKILL',
): Promise<number | NodeJS.Signals> {
  const connection = await connect({ servers: nats.url });
  const manager = await connection.jetstreamManager();
  await using restore = await startSluice(['restore', folder, `--nats-url=${nats.url}`]);
  await until(
    async () => ((await manager.streams.info('EVENTS').catch(() => undefined))?.state.messages ?? 0) > 0,
    20_000,
  );
  restore.signal(signal);
  const ended = await restore.ended();
  await connection.close();
  return ended;
}

test('a restore that is killed leaves a part that no gateway serves or extends, and no other restore overwrites', async () => {
  const folder = newFolder();
  {
    await using source = await startNats();
    await using gateway = await startTestGateway([source.url]);
    for (let i = 0; i < 200; i++)
      await gateway.client.append({ stream: `s.${i.toString()}`, events: newEvents(1, 800_000) });
    await succeed('backup', folder, `--nats-url=${source.url}`);
  }
  await using nats = await startNats();
  const url = `--nats-url=${nats.url}`;
  await using running = await startTestGateway([nats.url]);
  await removeStore(nats);
  expect(await interruptedRestore(folder, nats, 'SIGINT')).toBe(130);
  await expect(removeStore(nats)).rejects.toThrow('stream not found');
  await interruptedRestore(folder, nats, 'SIGKILL');
  const { code, stderr } = await refusedStart(['--listen=127.0.0.1:0', url]);
  expect({ code, stderr }).toEqual({
    code: 3,
    stderr: expect.stringContaining('the store EVENTS is being restored from a backup') as unknown,
  });
  expect((await failureOf(running.client.readAll())).code).toBe(14);
  expect((await failureOf(running.client.append({ stream: 's.1', events: newEvents(1) }))).code).toBe(14);
  await expect(succeed('restore', folder, url)).rejects.toThrow('was interrupted and has left a part');
  await expect(succeed('backup', newFolder(), url)).rejects.toThrow('has not been restored completely');
  await removeStore(nats);
  await succeed('restore', folder, url);
  await serves(running.client);
  expect((await running.client.readAll()).events).toHaveLength(200);
}, 120_000);
