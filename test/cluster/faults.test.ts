import { randomUUID } from 'node:crypto';
import { connect } from 'nats';
import { serves, threeServers, type Environment } from '../acceptance/environment';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { until } from '../support/nats-server';
import { startWriters, type Writers } from '../support/writers';

/** Three copies of the store, and two gateways. */

let cluster: Environment;
let other: TestGateway;
beforeAll(async () => {
  cluster = await threeServers({ maxPayloadBytes: 8_192 });
  other = await startTestGateway(cluster.urls, cluster.flags);
});
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

function startLoad(name: string): Writers {
  return startWriters([cluster.client, other.client], {
    streams: Array.from({ length: 8 }, (_, index) => `${name}.${index}`),
    counts: [1, 3, 12, 1, 2, 30, 5],
    payloadBytes: 1_400,
  });
}

const someAppends = 150;

test('an acknowledged append is visible at once through any gateway', async () => {
  const gateways = [cluster.client, other.client] as const;
  const correlationId = 'seen-at-once';
  for (let i = 0; i < 300; i++) {
    const stream = `seen.${i % 7}`;
    const [writer, reader] = i % 2 === 0 ? gateways : [gateways[1], gateways[0]];
    const events = newEvents(1).map((event) => ({ ...event, correlationId: `${correlationId}.${i}` }));
    const { version, position } = await writer.append({ stream, events });
    for (const client of [writer, reader]) {
      expect(await client.getVersion({ stream })).toMatchObject({ version, position });
      const read = await client.readStream({ stream, fromVersion: version });
      expect(read.events.map(({ id }) => id)).toEqual([events[0]?.id]);
    }
    if (i % 10 !== 0) continue;
    const found = await reader.readByCorrelation({ correlationId: `${correlationId}.${i}` });
    expect(found.events.map(({ id }) => id)).toEqual([events[0]?.id]);
  }
}, 120_000);

test('a commit of another gateway is never reported as not stored, even while the newest commits do not arrive', async () => {
  await using late = await startTestGateway(cluster.urls, [...cluster.flags, '--append-timeout-ms=1500']);
  await serves(late.client);
  const connection = await connect({ servers: [...cluster.urls] });
  try {
    const manager = await connection.jetstreamManager();
    const consumers = await manager.consumers.list('EVENTS').next();
    for (const { name } of consumers)
      await manager.consumers.pause('EVENTS', name, new Date(Date.now() + 60_000));
    const request = { stream: 'late.1', commitId: randomUUID(), events: newEvents(1) };
    const first = await other.client.append(request);
    await expect(late.client.append(request)).rejects.toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
    await until(
      async () => (await late.client.getVersion({ stream: 'late.1' }).catch(() => undefined)) !== undefined,
      30_000,
    );
    expect(await late.client.append(request)).toMatchObject({ position: first.position, replayed: true });
  } finally {
    await connection.close();
  }
}, 120_000);

test('everything is still stored after all nodes were stopped', async () => {
  const writers = startLoad('restarted');
  await writers.more(someAppends);
  expect(await writers.faults(cluster.client)).toEqual([]);
  await cluster.restart();
  await serves(other.client);
  expect(await writers.faults(other.client)).toEqual([]);
  expect(await writers.faults(cluster.client)).toEqual([]);
}, 120_000);
