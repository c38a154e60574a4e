import { deadlineMs, startRollingCluster } from '../support/rolling';

test('test_rolling_restart: three gateways and three NATS servers, under 16 writers and 4 subscribers', async () => {
  await using cluster = await startRollingCluster();
  const { faults, ...figures } = await cluster.round();
  process.stdout.write(`rolling restart: ${JSON.stringify(figures)}\n`);
  expect(faults).toEqual([]);
  expect(figures.appendMsMax).toBeLessThan(deadlineMs);
  expect(figures.appends).toBeGreaterThan(100);
  expect(figures.reconnects).toBeGreaterThan(0);
}, 300_000);
