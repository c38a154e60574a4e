import { performance } from 'node:perf_hooks';
import { status } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus as Serving } from '../../generated/grpc/health/v1/health';
import { runSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { freePorts } from '../support/free-ports';
import { startNats, until } from '../support/nats-server';
import { patience } from '../support/patience';
import { failureOf } from '../support/rpc-failure';
import { serves, singleServer } from './environment';
import { connectToCluster, versions } from './replicated-rows';

test('test_connect_to_cluster', async () => {
  await using server = await singleServer();
  // Servers that are not there do no harm.
  const dead = (await freePorts(2)).map((port) => `nats://127.0.0.1:${port.toString()}`);
  await using gateway = await startTestGateway([...dead, ...server.urls]);
  await connectToCluster({ ...server, client: gateway.client });
});

test('test_invalid_connection', async () => {
  await refusedAtTheStart();
  await unavailableAtRunTime();
}, 120_000);

async function refusedAtTheStart(): Promise<void> {
  const [port] = await freePorts(1);
  const url = `nats://127.0.0.1:${String(port)}`;
  const startedAt = performance.now();
  const { code, stdout, stderr } = await runSluice([
    '--listen=127.0.0.1:0',
    `--nats-url=${url}`,
    '--connect-timeout-ms=1500',
  ]);
  expect(performance.now() - startedAt).toBeLessThan(60_000);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(stderr).toContain(`cannot connect to NATS at ${url}: `);
}

async function unavailableAtRunTime(): Promise<void> {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  const stream = 'cut-off';
  await client.append({ stream, events: newEvents(2) });
  const [event] = (await client.readStream({ stream })).events;
  const calls = {
    append: () => client.append({ stream, events: newEvents(1) }),
    appendNothing: () => client.append({ stream, events: [] }),
    readStream: () => client.readStream({ stream }),
    getVersion: () => client.getVersion({ stream }),
    readByCorrelation: () => client.readByCorrelation({ correlationId: event?.correlationId ?? '' }),
    listStreams: () => client.listStreams(),
    serverInfo: () => client.serverInfo(),
  };

  await nats.stop();
  await until(async () => (await client.health()) === Serving.NOT_SERVING);
  expect(await client.health('sluice.v1.EventStoreService')).toBe(Serving.NOT_SERVING);
  for (const [name, call] of Object.entries(calls)) {
    const startedAt = performance.now();
    const failure = await failureOf(call());
    expect({ name, code: failure.code, reason: failure.reason }).toEqual({
      name,
      code: status.UNAVAILABLE,
      reason: 'STORE_UNAVAILABLE',
    });
    expect(failure.detail('google.rpc.RetryInfo')?.retryDelay?.seconds).toBe(1n);
    // At once rather than after a time-out, the least of which is 2 s.
    expect(performance.now() - startedAt).toBeLessThan(1_500 * patience);
  }

  await nats.start();
  await serves(client);
  expect(await client.health('sluice.v1.EventStoreService')).toBe(Serving.SERVING);
  expect((await client.append({ stream, events: newEvents(1) })).version).toBe(3n);
  const { events } = await client.readStream({ stream });
  expect(events.map(({ version }) => version)).toEqual(versions(1n, 3n));
  for (const call of Object.values(calls)) await call();
}
