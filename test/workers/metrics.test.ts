import { setTimeout as sleep } from 'node:timers/promises';
import { defaultLimits } from '../../src/limits';
import { until } from '../support/nats-server';
import { connectRpc } from '../support/rpc-client';
import { replaceWorker, startWithWorkers, whilePaused, workersOf } from '../support/worker-processes';

async function pageOf(stdout: string): Promise<string> {
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(stdout)?.[0] ?? '';
  return (await fetch(`${url}/metrics`)).text();
}

function valueOf(page: string, sample: string): number {
  return Number(
    page
      .split('\n')
      .find((line) => line.startsWith(`${sample} `))
      ?.slice(sample.length),
  );
}

test('counts do not go back while a worker does not answer', async () => {
  await using gateway = await startWithWorkers(['--http-listen=127.0.0.1:0']);
  using other = connectRpc(gateway.address);
  const appends = 'sluice_appends_total{outcome="OK"}';
  for (const client of [gateway.client, other])
    for (let i = 0; i < 5; i++) await client.append({ stream: 'counted', events: [{ type: 'Happened' }] });
  expect(valueOf(await pageOf(gateway.process.stdout()), appends)).toBe(10);
  await whilePaused(workersOf(gateway.process.pid).slice(0, 1), async () => {
    await sleep(defaultLimits.metricsAgeMaxMs);
    expect(valueOf(await pageOf(gateway.process.stdout()), appends)).toBe(10);
  });
}, 60_000);

test('metrics are those of all processes, and counts do not go back when a worker ends', async () => {
  await using gateway = await startWithWorkers(['--http-listen=127.0.0.1:0']);
  using other = connectRpc(gateway.address);
  const appends = 'sluice_appends_total{outcome="OK"}';
  for (const client of [gateway.client, other])
    for (let i = 0; i < 5; i++) await client.append({ stream: 'counted', events: [{ type: 'Happened' }] });
  const page = await pageOf(gateway.process.stdout());
  expect(valueOf(page, appends)).toBe(10);
  expect(valueOf(page, 'sluice_bound_limit{bound="reads_max"}')).toBe(defaultLimits.readsMax);
  expect(valueOf(page, 'sluice_bound_limit{bound="connections_max"}')).toBe(defaultLimits.connectionsMax);
  expect(valueOf(page, 'sluice_bound_usage{bound="connections_max"}')).toBe(2);
  expect(valueOf(page, 'sluice_serving{service="gateway"}')).toBe(1);
  await replaceWorker(gateway.process.pid, workersOf(gateway.process.pid)[0] as number);
  await until(
    async () =>
      valueOf(await pageOf(gateway.process.stdout()), 'sluice_bound_limit{bound="reads_max"}') === 256,
    30_000,
  );
  expect(valueOf(await pageOf(gateway.process.stdout()), appends)).toBe(10);
}, 120_000);
