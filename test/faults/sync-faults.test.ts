import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus } from '../../generated/grpc/health/v1/health';
import { startSluice, type SluiceProcess } from '../cli/process';
import { newEvents } from '../support/attempts';
import { until } from '../support/nats-server';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';
import { natsServerPath } from '../support/tools';
import { connectWire, type WireMessage } from '../support/wire-client';

/** Syncing the log of the embedded nats-server: a fault that passes is waited for, another one ends the process. */

function startEmbedded(dataDir: string): Promise<SluiceProcess> {
  return startSluice(['--listen=127.0.0.1:0', '--data-dir', dataDir], {
    SLUICE_NATS_SERVER: natsServerPath(),
  });
}

async function withEmbeddedServer(
  test: (sluice: SluiceProcess, client: RpcClient, dataDir: string) => Promise<void>,
): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-sync-faults-'));
  try {
    await using sluice = await startEmbedded(dataDir);
    using client = connectRpc(await sluice.serving());
    await test(sluice, client, dataDir);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function descriptorsMax({ pid }: SluiceProcess, count: number): void {
  execFileSync('prlimit', ['--pid', pid.toString(), `--nofile=${count.toString()}:`]);
}

function hasPrlimit(): boolean {
  try {
    execFileSync('prlimit', ['--version']);
    return true;
  } catch {
    return false;
  }
}

const canLimit = hasPrlimit();
if (!canLimit) {
  if (process.env['CI'] === 'true') throw new Error('CI needs prlimit (util-linux)');
  process.stderr.write('SKIPPED: there is no prlimit to take descriptors away with\n');
}

(canLimit ? test : test.skip)(
  'without descriptors for a while: appends wait, and then everything works',
  () =>
    withEmbeddedServer(async (sluice, client) => {
      const stream = 'waits.1';
      await client.append({ stream, events: newEvents(1) });
      descriptorsMax(sluice, 3);
      let acknowledged = 0;
      const appends = Array.from({ length: 5 }, (_, i) =>
        client
          .append({ stream: `waits.${(i + 2).toString()}`, events: newEvents(1) })
          .then(() => acknowledged++),
      );
      const logged = until(() =>
        sluice.stderr().includes('the files of the log cannot be opened to sync them; trying again'),
      );
      // Appends that do not wait fail here.
      await Promise.race([logged, Promise.all(appends)]);
      expect(acknowledged).toBe(0);
      descriptorsMax(sluice, 1_024);
      await Promise.all(appends);
      expect((await client.append({ stream, events: newEvents(1) })).version).toBe(2n);
      expect(await client.health()).toBe(HealthCheckResponse_ServingStatus.SERVING);
      expect(sluice.stderr()).toContain('the log is synced to disk again');
    }),
  60_000,
);

test(
  'a sync that fails ends the process, with its own exit code, and a start on a disk that works goes on',
  () =>
    withEmbeddedServer(async (sluice, client, dataDir) => {
      const stream = 'broken.1';
      await client.append({ stream, events: newEvents(1) });
      using health = connectWire(client.address, { service: 'grpc.health.v1.Health' });
      const statuses: unknown[] = [];
      const watch = health.open('Watch', {});
      watch.on('error', () => undefined).on('data', ({ status }: WireMessage) => statuses.push(status));
      await until(() => statuses.length === 1);

      // The system opens the next file of the log, but refuses to sync it.
      const next = join(dataDir, 'jetstream', '$G', 'streams', 'EVENTS', 'msgs', '2.blk');
      symlinkSync('/dev/null', next);
      const appends = Array.from({ length: 5 }, () =>
        failureOf(client.append({ stream, events: newEvents(1) })),
      );
      for (const { code, reason } of await Promise.all(appends)) {
        if (reason === 'STORE_UNAVAILABLE') expect(code).toBe(status.UNAVAILABLE);
        else expect({ code, reason }).toEqual({ code: status.UNKNOWN, reason: 'OUTCOME_UNKNOWN' });
      }
      expect(await sluice.ended()).toBe(5);
      expect(statuses).toEqual(['SERVING', 'NOT_SERVING']);
      expect(sluice.stderr()).toContain(
        'the log cannot be synced to disk: no append is acknowledged any more',
      );

      rmSync(next);
      await using again = await startEmbedded(dataDir);
      using clientAgain = connectRpc(await again.serving());
      const before = (await clientAgain.readStream({ stream })).events.length;
      expect(before).toBeGreaterThanOrEqual(1);
      const { version } = await clientAgain.append({ stream, events: newEvents(1) });
      expect(version).toBe(BigInt(before + 1));
      const { events } = await clientAgain.readStream({ stream });
      expect(events.map((event) => event.version)).toEqual(events.map((_, index) => BigInt(index + 1)));
    }),
  60_000,
);
