import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus } from '../../generated/grpc/health/v1/health';
import { Consistency } from '../../generated/sluice/v1/event_store_service';
import { refusedStart, runSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { patience } from '../support/patience';
import type { RpcClient } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';

/** Only the disk of the replica is full: appends and reads of any replica work, and other reads when there is space. */

const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;

function mount(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-replica-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    process.stderr.write('SKIPPED: this user may not mount a tmpfs, so there is no small disk to fill up\n');
    return undefined;
  }
}

const disk = mount();
afterAll(() => {
  if (disk === undefined) return;
  execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true });
});
const withDisk = disk === undefined ? test.skip : test;

/** Something else fills the disk, except this many bytes. */
function takeAllBut(bytes: number): string {
  const path = join(disk as string, 'other');
  const { bavail, bsize } = statfsSync(disk as string);
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
  return path;
}

/** Appends this many commits at once. */
async function appendMany(client: RpcClient, count: number): Promise<void> {
  for (let from = 0; from < count; from += 500)
    await Promise.all(
      Array.from({ length: Math.min(500, count - from) }, (_, i) =>
        client.append({ stream: `many.${i.toString()}`, events: newEvents(1, 300) }),
      ),
    );
}

async function readsStop(client: RpcClient, stream: string): Promise<void> {
  await until(async () => (await client.health('read')) === NOT_SERVING);
  const startedMs = performance.now();
  const failure = await failureOf(client.readStream({ stream }));
  expect(failure).toMatchObject({ code: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE' });
  expect(performance.now() - startedMs).toBeLessThan(5_000 * patience);
  expect(await client.health()).toBe(SERVING);
  expect(await client.health('append')).toBe(SERVING);
}

withDisk.each([
  ['at the end of the log', 20, 0],
  ['while much comes', 3_000, 0],
  ['while much comes, with room for a part of it', 3_000, 1_500_000],
])(
  'a disk that fills up %s',
  async (_name, count, room) => {
    const folder = join(disk as string, 'one');
    await using nats = await startNats();
    await using other = await startTestGateway([nats.url]);
    await using gateway = await startGatewayProcess([nats.url], [`--replica-dir=${folder}`]);
    const { client } = gateway;
    await client.append({ stream: 'kept', events: newEvents(3) });
    await client.readStream({ stream: 'kept' });
    const taken = takeAllBut(room);
    await appendMany(other.client, count);
    await readsStop(client, 'kept');
    expect(await client.append({ stream: 'kept', events: newEvents(1) })).toMatchObject({ version: 4n });
    const consistency = Consistency.ANY_REPLICA;
    expect((await client.readStream({ stream: 'kept', consistency })).events).toHaveLength(3);
    const { stdout } = await runSluice(['doctor', '--address', gateway.address]);
    expect(stdout).toContain('the replica of the log cannot be written');
    rmSync(taken);
    await until(async () => (await client.health('read')) === SERVING, 20_000);
    expect((await client.readStream({ stream: 'kept' })).events).toHaveLength(4);
    expect((await client.readAll()).events).toEqual((await other.client.readAll()).events);
    rmSync(folder, { recursive: true });
  },
  120_000,
);

withDisk(
  'a replica that is made on a full disk',
  async () => {
    await using nats = await startNats();
    await using other = await startTestGateway([nats.url]);
    await appendMany(other.client, 2_000);
    const flag = `--replica-dir=${join(disk as string, 'new')}`;
    const full = takeAllBut(0);
    const refused = await refusedStart(['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, flag]);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toMatch(/the folder of the replica, \S+new, cannot be used: .*no space left/);
    rmSync(full);

    const taken = takeAllBut(400_000);
    await using gateway = await startGatewayProcess([nats.url], [flag]);
    const { client } = gateway;
    const { version } = await client.append({ stream: 'new', events: newEvents(1) });
    const failure = await failureOf(client.readStream({ stream: 'new' }));
    expect(failure).toMatchObject({ code: status.UNAVAILABLE, reason: 'REPLICA_FILLING' });
    const { stdout } = await runSluice(['doctor', '--address', gateway.address]);
    expect(stdout).toContain('the replica of the log cannot be written');
    rmSync(taken);
    await until(async () => (await client.health('read')) === SERVING, 20_000);
    expect((await client.readStream({ stream: 'new' })).events).toHaveLength(Number(version));
    expect((await client.readAll()).events).toEqual((await other.client.readAll()).events);
  },
  120_000,
);
