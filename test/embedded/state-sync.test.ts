import fs, { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { openJetStream, type JetStream } from '../../src/jetstream/jetstream-store';
import { defaultLimits } from '../../src/limits';
import { startEmbeddedNats, type EmbeddedServer } from '../../src/nats-server/embedded';
import { embeddedPaths } from '../../src/nats-server/embedded-config';
import { streamSync } from '../../src/reach-nats';
import { leftToNats } from '../../src/store/durability';
import type { EmbeddedNats } from '../../src/config/config';
import { natsOptions } from '../support/nats-options';
import { natsServerPath } from '../support/tools';

/** With the embedded nats-server, the gateway syncs a consumer group itself before it acknowledges it. */

const log = pino({ level: 'silent' });
const call = { signal: new AbortController().signal, deadlineMs: Infinity };
const { fdatasync } = fs;
/** The synced bytes of each file, by path. */
const synced = new Map<string, number>();
let failure: Error | undefined;
let dataDir: string;
let server: EmbeddedServer;
let jetstream: JetStream;

beforeAll(async () => {
  jest.spyOn(fs, 'fdatasync').mockImplementation((file, done) => {
    if (failure !== undefined) {
      done(failure);
      return;
    }
    synced.set(readlinkSync(`/proc/self/fd/${file}`), fs.fstatSync(file).size);
    fdatasync(file, done);
  });
  dataDir = mkdtempSync(join(tmpdir(), 'sluice-state-sync-'));
  const store = { name: 'EVENTS', prefix: 'es', replicas: 1 };
  const binary = { path: natsServerPath(), version: '' };
  const options = { dataDir, binary, store, replicaDir: join(dataDir, 'replica'), log };
  server = await startEmbeddedNats(options);
  const nats: Pick<EmbeddedNats, 'kind' | 'dataDir' | 'sync'> = { kind: 'embedded', dataDir, sync: 'always' };
  jetstream = await openJetStream({
    nats: natsOptions(server.url, server),
    store,
    mayCreate: true,
    limits: defaultLimits,
    log,
    durability: leftToNats,
    syncStream: streamSync({ nats: nats as EmbeddedNats }),
  });
});

afterEach(() => {
  failure = undefined;
});

afterAll(async () => {
  jest.restoreAllMocks();
  await jetstream.idle();
  await jetstream.close();
  await server.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function isSynced(text: string): boolean {
  const folder = join(embeddedPaths(dataDir).streams, 'EVENTS_STATE', 'msgs');
  return [...synced].some(
    ([path, bytes]) => path.startsWith(folder) && readFileSync(path).subarray(0, bytes).includes(text),
  );
}

test('a group is on disk when its change resolves, others need not be', async () => {
  const { state } = jetstream;
  let revision = await state.put('group.a', Buffer.from('made'), 0n, call);
  expect(isSynced('made')).toBe(true);
  for (let i = 0; i < 20; i++) {
    await state.put(`lane.a.${i}`, Buffer.from(`lane ${i} ${'x'.repeat(1_000)}`), 0n, call);
    revision = await state.put('group.a', Buffer.from(`changed ${i}`), revision, call);
    expect(isSynced(`changed ${i}`)).toBe(true);
  }
  await state.put('lane.a.x', Buffer.from('not yet'), 0n, call);
  expect(isSynced('not yet')).toBe(false);
});

test('a group that cannot be synced is not acknowledged', async () => {
  failure = new Error('the disk is broken');
  await expect(jetstream.state.put('group.b', Buffer.from('b'), 0n, call)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: 'the change is stored, and cannot be synced to disk',
  });
});

test('what NATS syncs by itself, or what is not to be synced, is left to NATS', () => {
  expect(
    streamSync({ nats: { kind: 'embedded', dataDir, sync: 'interval' } as EmbeddedNats }),
  ).toBeUndefined();
});
