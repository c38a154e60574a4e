import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import pino from 'pino';
import { loadConfig } from '../../src/config/config';
import { startGateway } from '../../src/gateway';
import { refusedStart, startSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startNats, until, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { connectRpc } from '../support/rpc-client';
import { natsServerPath } from '../support/tools';
import { startTestGateway } from '../support/gateway';

/** "Not found" does not mean that the store does not exist: it is only created on request. */

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
  const config = loadConfig(
    ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, `--replica-dir=${makeReplicaDir()}`, ...more],
    { SLUICE_HTTP_LISTEN: 'off' },
  );
  const gateway = await startGateway(config, pino({ level: 'silent' }));
  await gateway.close();
}

test('with your own NATS, only the first start must request the store', async () => {
  await using nats = await startNats();
  await using connection = await connected(nats);
  await expect(startPlainly(nats)).rejects.toThrow(/NATS has no JetStream stream EVENTS.*--create-store/s);
  await expect(startPlainly(nats)).rejects.toThrow(/encryption key/);
  // Nothing else is created either.
  expect(await streamNames(connection)).toEqual([]);
  await startPlainly(nats, ['--create-store']);
  expect(await streamNames(connection)).toEqual(['EVENTS']);
  await startPlainly(nats);
  await expect(startPlainly(nats, ['--create-store=false', '--store-name=OTHER'])).rejects.toThrow('OTHER');
});

test('gateways that start at once create one store, and all serve it', async () => {
  await using nats = await startNats();
  await Promise.all([1, 2, 3, 4].map(() => startPlainly(nats, ['--create-store'])));
});

test('a NATS that was started once without its encryption key keeps the store', async () => {
  const encryption = 'cipher: chacha, key: "of-this-test"';
  await using nats = await startNats({ jetStreamConfig: encryption });
  {
    await using gateway = await startTestGateway([nats.url]);
    await gateway.client.append({ stream: 'kept.1', events: newEvents(3) });
  }
  const config = join(nats.dataDir, 'nats.conf');
  const withKey = readFileSync(config, 'utf8');
  writeFileSync(config, withKey.replace(encryption, ''));
  await nats.stop();
  // It serves, and reports that it is not healthy.
  void nats.start().catch(() => undefined);
  await until(() => nats.monitor('/varz').then(Boolean, () => false));
  await expect(startPlainly(nats)).rejects.toThrow(/NATS has no JetStream stream EVENTS.*encryption key/s);
  writeFileSync(config, withKey);
  await nats.restart();
  await using gateway = await startTestGateway([nats.url], ['--create-store=false']);
  expect((await gateway.client.readStream({ stream: 'kept.1' })).events).toHaveLength(3);
}, 60_000);

test('a log that disappears under a running gateway is not created again', async () => {
  await using nats = await startNats();
  await using connection = await connected(nats);
  await using gateway = await startTestGateway([nats.url]);
  await gateway.client.append({ stream: 'a', events: newEvents(1) });
  const manager = await connection.jetstreamManager();
  await manager.streams.delete('EVENTS');
  // It checks once a second.
  await sleep(4_000);
  expect(await streamNames(connection)).toEqual([]);
}, 30_000);

test('the embedded nats-server creates its store once; when it cannot find it again, nothing is created', async () => {
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
    // The server skips a stream that it cannot read, and reports "not found".
    renameSync(join(log, 'meta.inf'), join(dataDir, 'meta.inf'));
    const { code, stdout, stderr } = await refusedStart(flags, env);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/^sluice: NATS has no JetStream stream EVENTS/m);
    expect(blocks()).toEqual(before);
    renameSync(join(dataDir, 'meta.inf'), join(log, 'meta.inf'));
    await append(1n);
    // Without any stream it is not a new folder either.
    const streams = join(dataDir, 'jetstream');
    renameSync(streams, join(dataDir, 'elsewhere'));
    const refused = await refusedStart(flags, env);
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr).toContain('--create-store');
    rmSync(streams, { recursive: true, force: true });
    renameSync(join(dataDir, 'elsewhere'), streams);
    await append(2n);
    rmSync(streams, { recursive: true });
    flags.push('--create-store');
    await append(0n);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}, 60_000);
