import { randomUUID } from 'node:crypto';
import { singleServer, threeServers, type Environment } from '../acceptance/environment';
import { startCluster, startNats } from '../support/nats-server';
import { newEvents } from '../support/attempts';
import { buildOnce } from '../support/build';
import { startTestGateway } from '../support/gateway';
import type { RpcClient } from '../support/rpc-client';
import { startWriters, type Writers } from '../support/writers';
import { manifestOf, newFolder, succeed } from './commands';

/** Back up under load, lose everything, restore elsewhere, verify, and go on. */

const streams = ['order.1', 'order.2', 'invoice.1', 'customer.7'];

/** Appends transactions over several streams, and commits that take several messages, until the signal aborts. */
async function keepCommitting(client: RpcClient, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const accounts = Array.from({ length: 20 }, (_, i) => `account.${i.toString()}`);
    const appends = accounts.map((stream) => ({ stream, events: newEvents(1) }));
    // Refusals by a gateway that has much to do are no concern of this test.
    await client.appendMulti({ appends, commitId: randomUUID() }).catch(() => undefined);
    await client.append({ stream: 'large', events: newEvents(4, 300_000) }).catch(() => undefined);
  }
}

/** Under load of 16 writers; resolves with the writers, which have stopped. */
async function backUpUnderLoad({ client, urls }: Environment, folder: string): Promise<Writers> {
  const writers = startWriters([client], { streams, counts: [1, 3], payloadBytes: 100, restMs: 2 });
  const stop = new AbortController();
  const committing = keepCommitting(client, stop.signal);
  try {
    await writers.more(200);
    const before = highestPosition(writers);
    await succeed('backup', folder, `--nats-url=${urls.join(',')}`);
    expect(BigInt(manifestOf(folder).position)).toBeGreaterThanOrEqual(before);
    await writers.more(100);
  } finally {
    stop.abort();
    await committing;
    expect(await writers.faults(client)).toEqual([]);
  }
  return writers;
}

function highestPosition({ histories }: Writers): bigint {
  let highest = 0n;
  for (const { attempts } of histories.values())
    for (const { outcome } of attempts)
      if (outcome.kind === 'stored' && outcome.position > highest) highest = outcome.position;
  return highest;
}

/** Every append that was acknowledged at a position of the backup has its events there, in their versions. */
async function expectAcknowledged(client: RpcClient, { histories }: Writers, head: bigint): Promise<void> {
  for (const [stream, { attempts }] of histories) {
    const { events } = await client.readStream({ stream });
    let found = 0;
    for (const { eventIds, outcome } of attempts) {
      if (outcome.kind !== 'stored' || outcome.position > head) continue;
      const first = Number(outcome.firstVersion) - 1;
      expect(events.slice(first, first + eventIds.length).map(({ id }) => id)).toEqual(eventIds);
      found++;
    }
    expect(found).toBeGreaterThan(0);
    expect(events.every(({ position }) => position <= head)).toBe(true);
  }
}

async function expectVersionsContinue(client: RpcClient): Promise<void> {
  for (const stream of [...streams, 'large', 'account.3']) {
    const { version } = await client.getVersion({ stream });
    const next = await client.append({ stream, events: newEvents(2), expectedVersion: version });
    expect([next.firstVersion, next.version]).toEqual([version + 1n, version + 2n]);
  }
}

async function drill(start: () => Promise<Environment>, replicas: number): Promise<void> {
  const folder = newFolder();
  let writers: Writers;
  {
    await using source = await start();
    writers = await backUpUnderLoad(source, folder);
  } // with its files
  const { position, store } = manifestOf(folder);
  await using target = replicas === 1 ? await startNats() : await startCluster(replicas);
  const urls = 'urls' in target ? target.urls : [target.url];
  const nats = [`--nats-url=${urls.join(',')}`, `--store-replicas=${replicas.toString()}`];
  await succeed('restore', folder, ...nats);
  expect(await succeed('verify', ...nats)).toMatch(`up to position ${position.toString()}: `);
  await using gateway = await startTestGateway(urls, [
    `--store-replicas=${replicas.toString()}`,
    '--create-store=false',
  ]);
  const { client } = gateway;
  await expectAcknowledged(client, writers, BigInt(position));
  expect((await client.serverInfo()).store?.storeId).toBe(store.id);
  await expectVersionsContinue(client);
  await succeed('verify', ...nats);
}

beforeAll(async () => {
  await buildOnce(); // not under load
}, 120_000);

test('one server: everything acknowledged before the backup is restored, and versions continue', async () => {
  await drill(singleServer, 1);
}, 120_000);

test('three servers: everything acknowledged before the backup is restored, and versions continue', async () => {
  await drill(threeServers, 3);
}, 180_000);
