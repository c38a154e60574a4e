import { setTimeout as sleep } from 'node:timers/promises';
import { serves, threeServers, type Environment } from '../acceptance/environment';
import { appendTogether } from '../faults/append-together';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { leaderOf } from '../support/monitor';
import type { TestNats } from '../support/nats-server';
import { startWriters, type Writers } from '../support/writers';

/** Three copies of the store, two gateways, and nodes that end or halt while both append. */

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

async function bothServe(): Promise<void> {
  await cluster.settled();
  await serves(cluster.client);
  await serves(other.client);
}

const someAppends = 150;

test('writers of all kinds over two gateways never share a version', () => appendTogether(cluster), 120_000);

test('the leader is killed, twice', async () => {
  const writers = startLoad('killed');
  for (let round = 0; round < 2; round++) {
    await writers.more(someAppends);
    const node = await leaderOf(cluster.nodes);
    await node.kill();
    await writers.more(someAppends);
    await node.start();
    await bothServe();
  }
  await writers.more(someAppends);
  expect(await writers.faults(cluster.client)).toEqual([]);
  expect(writers.count('unknown') + writers.count('refused')).toBeGreaterThan(0);
}, 180_000);

test.each(['the leader', 'a follower'])(
  '%s halts for a while',
  async (which) => {
    const writers = startLoad(which.replaceAll(' ', '-'));
    await writers.more(someAppends);
    const leads = await leaderOf(cluster.nodes);
    const node = which === 'the leader' ? leads : (cluster.nodes.find((each) => each !== leads) as TestNats);
    node.pause();
    await sleep(6_000);
    node.resume();
    await bothServe();
    await writers.more(someAppends);
    expect(await writers.faults(other.client)).toEqual([]);
  },
  120_000,
);

test('what was answered is seen at once, through any gateway', async () => {
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

test('everything is still there when all nodes were stopped', async () => {
  const writers = startLoad('restarted');
  await writers.more(someAppends);
  expect(await writers.faults(cluster.client)).toEqual([]);
  await cluster.restart();
  await serves(other.client);
  expect(await writers.faults(other.client)).toEqual([]);
  expect(await writers.faults(cluster.client)).toEqual([]);
}, 120_000);
