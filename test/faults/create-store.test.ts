import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import pino from 'pino';
import { loadConfig } from '../../src/config';
import { startGateway } from '../../src/gateway';
import { runSluice, startSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startNats, type TestNats } from '../support/nats-server';
import { connectRpc } from '../support/rpc-client';
import { natsServerPath } from '../support/tools';
import { startTestGateway } from '../support/gateway';

/** "Not found" is not "not there": a store is created only by somebody who says so. */

async function connected({ url }: TestNats): Promise<NatsConnection & AsyncDisposable> {
  const connection = await connect({ servers: url });
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.close() });
}

async function streamNames(connection: NatsConnection): Promise<string[]> {
  const manager = await connection.jetstreamManager();
  return (await manager.streams.names().next()).sort();
}

/** Starts and stops a gateway without --create-store. */
async function startPlainly(nats: TestNats, more: readonly string[] = []): Promise<void> {
  const config = loadConfig(['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, ...more], {});
  const gateway = await startGateway(config, pino({ level: 'silent' }));
  await gateway.close();
}

test('on an existing NATS the first start must ask for the store; later ones need not', async () => {
  await using nats = await startNats();
  await using connection = await connected(nats);
  await expect(startPlainly(nats)).rejects.toThrow(/NATS has no JetStream stream EVENTS.*--create-store/s);
  await expect(startPlainly(nats)).rejects.toThrow(/encryption key/);
  // Nothing is made beside it, either.
  expect(await streamNames(connection)).toEqual([]);
  await startPlainly(nats, ['--create-store']);
  expect(await streamNames(connection)).toEqual(['EVENTS', 'EVENTS_INDEX']);
  await startPlainly(nats);
  await expect(startPlainly(nats, ['--create-store=false', '--store-name=OTHER'])).rejects.toThrow('OTHER');
});

test('the index comes back by itself, but not where the log is gone as well', async () => {
  await using nats = await startNats();
  await using connection = await connected(nats);
  await using gateway = await startTestGateway([nats.url]);
  await gateway.client.append({ stream: 'a', events: newEvents(1) });
  const manager = await connection.jetstreamManager();
  await manager.streams.delete('EVENTS');
  await manager.streams.delete('EVENTS_INDEX');
  // The writer of the index looks once a second.
  await sleep(4_000);
  expect(await streamNames(connection)).toEqual([]);
}, 30_000);

test('the own NATS server creates its store once; when it cannot find it again, nothing is created', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-create-'));
  const flags = ['--listen=127.0.0.1:0', '--data-dir', dataDir];
  const env = { SLUICE_NATS_SERVER: natsServerPath() };
  const append = async (expectedVersion: bigint): Promise<void> => {
    await using sluice = await startSluice(flags, env);
    using client = connectRpc(await sluice.serving());
    await client.append({ stream: 'kept.1', events: newEvents(1), expectedVersion });
  };
  try {
    await append(0n);
    const log = join(dataDir, 'jetstream', '$G', 'streams', 'EVENTS');
    const blocks = (): Buffer[] =>
      readdirSync(join(log, 'msgs'))
        .filter((name) => name.endsWith('.blk'))
        .map((name) => readFileSync(join(log, 'msgs', name)));
    const before = blocks();
    // The server passes over a stream that it cannot make out, and says "not found".
    renameSync(join(log, 'meta.inf'), join(dataDir, 'meta.inf'));
    const { code, stdout, stderr } = await runSluice(flags, env);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/^sluice: NATS has no JetStream stream EVENTS/m);
    expect(blocks()).toEqual(before);
    renameSync(join(dataDir, 'meta.inf'), join(log, 'meta.inf'));
    await append(1n);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}, 60_000);
