import { status } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus } from '../../generated/grpc/health/v1/health';
import { runSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';
import { startTcpRelay } from '../support/tcp-relay';

/** A gateway that has not read the whole log yet: it takes appends, and says of reads how far it is. */

const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
const commits = 3_000;
const streams = 50;

test('while a gateway reads the log', async () => {
  await using nats = await startNats();
  await using other = await startTestGateway([nats.url]);
  for (let i = 0; i < commits; i += streams)
    await Promise.all(
      Array.from({ length: streams }, (_, at) =>
        other.client.append({ stream: `old.${at.toString()}`, events: newEvents(1, 1_000) }),
      ),
    );
  await using relay = await startTcpRelay(nats.port);
  relay.slowDown(150_000);
  await using gateway = await startGatewayProcess([`nats://${relay.address}`]);
  const { client, process } = gateway;
  expect(process.stdout()).toMatch(
    /Reads are served .* It is being filled and is at position \d+ of 3000(, about \d+ s to go)?\. Until it is filled, appends work/,
  );
  expect(await client.health()).toBe(SERVING);
  expect(await client.health('append')).toBe(SERVING);
  expect(await client.health('read')).toBe(NOT_SERVING);
  const [of] = newEvents(1);
  const subscribing = async (): Promise<void> => {
    for await (const update of client.subscribe()) expect(update).toBeUndefined();
  };
  for (const failure of await Promise.all(
    [
      client.readStream({ stream: 'old.1' }),
      client.readAll(),
      client.readByCorrelation({ correlationId: of?.id ?? '' }),
      client.listStreams(),
      client.getVersion({ stream: 'old.1' }),
      subscribing(),
    ].map(failureOf),
  )) {
    expect(failure).toMatchObject({ code: status.UNAVAILABLE, reason: 'REPLICA_FILLING' });
    const facts = failure.detail('google.rpc.ErrorInfo')?.metadata;
    expect(facts?.get('end')).toBe(commits.toString());
    expect(Number(facts?.get('applied'))).toBeLessThan(commits);
    const delay = failure.detail('google.rpc.RetryInfo')?.retryDelay;
    const delayMs = Number(delay?.seconds ?? 0n) * 1_000 + (delay?.nanos ?? 0) / 1e6;
    expect(delayMs).toBeGreaterThanOrEqual(250);
    expect(delayMs).toBeLessThanOrEqual(60_000);
  }
  const perStream = BigInt(commits / streams);
  const appended = await client.append({
    stream: 'old.1',
    events: newEvents(1),
    expectedVersion: perStream,
  });
  expect(appended.version).toBe(perStream + 1n);
  const conflict = await failureOf(
    client.append({ stream: 'old.2', events: newEvents(1), expectedVersion: 1n }),
  );
  expect(conflict.reason).toBe('VERSION_CONFLICT');
  // A slow network may cost the gateway its connection for a moment.
  await until(async () => {
    const { stdout } = await runSluice(['doctor', '--address', gateway.address]);
    return stdout.includes('the replica of the log is being filled');
  }, 10_000);
  await until(() => process.stderr().includes('the replica of the log is being filled'), 10_000);
  expect(await client.health('read')).toBe(NOT_SERVING);

  relay.slowDown(undefined);
  await until(async () => (await client.health('read')) === SERVING, 30_000);
  expect((await client.readStream({ stream: 'old.1' })).events).toHaveLength(Number(perStream) + 1);
  expect((await client.readAll()).events).toEqual((await other.client.readAll()).events);
  await until(() =>
    client.serverInfo().then(
      ({ replica }) => replica?.filled === true && replica.lag === 0n,
      () => false,
    ),
  );
}, 120_000);
