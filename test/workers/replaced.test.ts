import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HealthCheckResponse_ServingStatus as Serving } from '../../generated/grpc/health/v1/health';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway';
import { until } from '../support/nats-server';
import { connectRpc } from '../support/rpc-client';
import { replaceWorker, startWithWorkers, workersOf } from '../support/worker-processes';

/** A worker that is replaced takes part in what has changed since the start. */

async function replaceAll({ process: { pid } }: GatewayProcess): Promise<void> {
  for (const worker of workersOf(pid)) await replaceWorker(pid, worker);
}

test('it logs at the level of now, and reports NOT_SERVING in a stop', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-workers-'));
  const levelFile = join(folder, 'level');
  await writeFile(levelFile, 'info');
  const flags = ['--workers=2', `--data-dir=${join(folder, 'data')}`, `--log-level-file=${levelFile}`];
  await using gateway = await startGatewayProcess([], [...flags, '--drain-wait-ms=30000']);
  const { process } = gateway;
  await writeFile(levelFile, 'debug');
  process.signal('SIGHUP');
  await until(() => process.stderr().includes('the log has another level'));
  await replaceAll(gateway);
  await until(() => process.stderr().split('the worker is replaced').length === 3, 30_000);
  using debugged = connectRpc(gateway.address);
  await debugged.append({ stream: 'logged', events: [{ type: 'Happened' }] });
  await until(() => process.stderr().includes('call ended'));

  process.signal('SIGTERM');
  await until(async () => (await debugged.health()) === Serving.NOT_SERVING);
  await replaceAll(gateway);
  await until(() => process.stderr().split('the worker is replaced').length === 5, 30_000);
  using late = connectRpc(gateway.address);
  await until(async () => (await late.health()) === Serving.NOT_SERVING, 5_000);
  process.signal('SIGKILL');
}, 120_000);

test('SIGHUP reaches one that is just starting', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-workers-'));
  const levelFile = join(folder, 'level');
  await writeFile(levelFile, 'info');
  const flags = ['--workers=2', `--data-dir=${join(folder, 'data')}`, `--log-level-file=${levelFile}`];
  await using gateway = await startGatewayProcess([], flags);
  const { process } = gateway;
  const started = await replaceWorker(process.pid, workersOf(process.pid)[0] as number);
  await writeFile(levelFile, 'debug');
  process.signal('SIGHUP');
  await until(() => process.stderr().includes('the worker is replaced'), 30_000);
  const clients = Array.from({ length: 2 }, () => connectRpc(gateway.address));
  try {
    await until(async () => {
      for (const client of clients) await client.append({ stream: 'a', events: [{ type: 'Happened' }] });
      const calls = process
        .stderr()
        .split('\n')
        .filter((line) => line.includes('call ended'));
      return calls.some((line) => line.includes(`"pid":${started},`));
    });
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
}, 60_000);

test('one that ends soon after each start is started after longer and longer pauses', async () => {
  await using gateway = await startWithWorkers();
  const { pid } = gateway.process;
  let [worker] = workersOf(pid);
  let beganMs = 0;
  for (let time = 1; time <= 4; time++) {
    beganMs = performance.now();
    worker = await replaceWorker(pid, worker as number);
    if (time < 4)
      await until(() => gateway.process.stderr().split('the worker is replaced').length === time + 1, 30_000);
  }
  // 0.1 s, 0.2 s, 0.4 s, 0.8 s.
  expect(performance.now() - beganMs).toBeGreaterThan(800);
}, 120_000);
