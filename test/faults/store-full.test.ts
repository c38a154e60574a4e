import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus } from '../../generated/grpc/health/v1/health';
import { runSluice, startSluice, type SluiceProcess } from '../cli/process';
import { newEvents } from '../support/attempts';
import { until } from '../support/nats-server';
import { patience } from '../support/patience';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import { failureOf, type RpcFailure } from '../support/rpc-failure';
import { natsServerPath } from '../support/tools';

/** A full store reports that, at once and everywhere, and accepts appends again when there is space. */

const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
const stream = 'full.1';
const eventBytes = 900_000;

interface Running {
  readonly sluice: SluiceProcess;
  readonly client: RpcClient;
  readonly address: string;
}

async function withGateway(
  dataDir: string,
  flags: readonly string[],
  test: (running: Running) => Promise<void>,
): Promise<void> {
  const all = ['--listen=127.0.0.1:0', '--data-dir', dataDir, ...flags];
  await using sluice = await startSluice(all, { SLUICE_NATS_SERVER: natsServerPath() });
  const address = await sluice.serving();
  using client = connectRpc(address);
  await test({ sluice, client, address });
}

/** Appends until that fails. */
async function fill(client: RpcClient): Promise<RpcFailure> {
  const appending = async (): Promise<void> => {
    for (let i = 0; i < 500; i++) await client.append({ stream, events: newEvents(1, eventBytes) });
  };
  return failureOf(appending());
}

async function isFull({ client, sluice, address }: Running): Promise<void> {
  const before = await client.getVersion({ stream });
  const startedMs = performance.now();
  const failures = await Promise.all([
    failureOf(client.append({ stream, events: newEvents(1, eventBytes) })),
    failureOf(client.append({ stream: 'full.2', events: newEvents(1, 10) })),
    failureOf(client.append({ stream: 'full.3', events: newEvents(3, 3_000_000 / 3) })),
    failureOf(client.appendMulti({ appends: [{ stream: 'full.4', events: newEvents(1) }], checks: [] })),
  ]);
  // The deadline is 10 s.
  expect(performance.now() - startedMs).toBeLessThan(8_000 * patience);
  for (const failure of failures) {
    expect(failure).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'STORE_FULL' });
    expect(failure.detail('google.rpc.RetryInfo')).toBeUndefined();
  }
  expect(await client.getVersion({ stream })).toEqual(before);
  // A worker learns of it from another one.
  await until(async () => (await client.health('append')) === NOT_SERVING, 2_000);
  expect(await client.health()).toBe(SERVING);
  const doctor = await runSluice(['doctor', '--address', address]);
  expect(doctor.code).not.toBe(0);
  expect(doctor.stdout).toMatch(/appends are refused/);
  expect(sluice.stderr()).toContain('the store is full: appends are refused');
}

/** Waits until appends are accepted again without any action. */
async function isTakenAgain({ client, sluice }: Running): Promise<void> {
  const append = (): Promise<boolean> =>
    client.append({ stream: 'again.1', events: newEvents(1, eventBytes) }).then(
      () => true,
      () => false,
    );
  await until(append, 40_000);
  await until(async () => (await client.health('append')) === SERVING, 20_000);
  expect(sluice.stderr()).toContain('the store takes appends again');
}

test('at its configured bound (--store-bytes-max)', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-full-'));
  try {
    await withGateway(dataDir, ['--store-bytes-max=20000000'], async (running) => {
      expect(await fill(running.client)).toMatchObject({ reason: 'STORE_FULL' });
      await isFull(running);
      // The free space and the size of the store are checked once a second, one after the other.
      await until(async () => Number((await running.client.serverInfo()).store?.bytesMax) < 22_000_000);
      await until(() => running.sluice.stderr().includes('the store is nearly full'));
    });
    // A higher bound applies from the next start on.
    await withGateway(dataDir, ['--store-bytes-max=40000000'], async ({ client }) => {
      await client.append({ stream, events: newEvents(1, eventBytes) });
    });
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}, 90_000);

function mount(sizeMegabytes: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  try {
    const options = `size=${sizeMegabytes.toString()}m`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    process.stderr.write('SKIPPED: this user may not mount a tmpfs, so there is no small disk to fill up\n');
    return undefined;
  }
}

const disk = mount(192);
afterAll(() => {
  if (disk === undefined) return;
  execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true, force: true });
});
const withDisk = disk === undefined ? test.skip : test;

/** Something else fills the disk, except this many bytes. */
function takeAllBut(megabytes: number): string {
  const path = join(disk as string, 'other');
  rmSync(path, { force: true });
  const { bavail, bsize } = statfsSync(disk as string);
  try {
    writeFileSync(path, Buffer.alloc(bavail * bsize - megabytes * (1 << 20)));
  } catch (error) {
    // The gateway may have used some of it meanwhile: then the disk is full as well.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  return path;
}

withDisk(
  'on a disk that others fill up, before it is completely full',
  async () => {
    await withGateway(join(disk as string, 'one'), [], async (running) => {
      const { client } = running;
      const commitId = randomUUID();
      const known = { stream, events: newEvents(1), commitId, expectedVersion: 0n };
      await client.append(known);
      const other = takeAllBut(8);
      await until(async () => (await client.health('append')) === NOT_SERVING);
      await isFull(running);
      // Even now an append learns that it is stored already, or cannot be stored.
      expect(await client.append(known)).toMatchObject({ version: 1n, replayed: true });
      const conflict = await failureOf(client.append({ ...known, commitId: randomUUID() }));
      expect(conflict.reason).toBe('VERSION_CONFLICT');
      rmSync(other);
      await isTakenAgain(running);
    });
    rmSync(join(disk as string, 'one'), { recursive: true });
  },
  120_000,
);

withDisk(
  'at its share of the disk at the start: when others free more, the store uses it',
  async () => {
    const other = takeAllBut(80);
    await withGateway(join(disk as string, 'share'), [], async (running) => {
      expect(await fill(running.client)).toMatchObject({ reason: 'STORE_FULL' });
      await isFull(running);
      // The file that a full disk leaves when the configuration of the server cannot be written completely.
      writeFileSync(join(disk as string, 'share', 'run', 'nats.conf'), '');
      rmSync(other);
      await isTakenAgain(running);
      expect(running.sluice.stderr()).not.toContain('the embedded nats-server ended');
    });
    rmSync(join(disk as string, 'share'), { recursive: true });
  },
  120_000,
);

withDisk(
  'on a disk that fills up at once, so that nats-server can no longer write: it is restarted when there is space',
  async () => {
    await withGateway(join(disk as string, 'two'), [], async (running) => {
      const { client, sluice } = running;
      await client.append({ stream, events: newEvents(1) });
      const other = takeAllBut(0);
      const outcomes = await Promise.all(
        Array.from({ length: 5 }, (_, i) =>
          failureOf(client.append({ stream: `lost.${i.toString()}`, events: newEvents(1, eventBytes) })),
        ),
      );
      for (const { reason } of outcomes) expect(['OUTCOME_UNKNOWN', 'STORE_FULL']).toContain(reason);
      await isFull(running);
      rmSync(other);
      await isTakenAgain(running);
      if (outcomes.some(({ reason }) => reason === 'OUTCOME_UNKNOWN')) {
        expect(sluice.stderr()).toContain('the embedded nats-server can no longer write; restarting it');
      }
      expect((await client.readStream({ stream })).events).toHaveLength(1);
    });
    rmSync(join(disk as string, 'two'), { recursive: true });
  },
  120_000,
);
