import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startCluster, startNats } from '../support/nats-server';

/** A read through one gateway has what another gateway acknowledged before the read began, with every kind of read. */

const tries = Number(process.env['TEST_TRIES'] ?? '400');

async function expectSeen(writer: TestGateway, reader: TestGateway): Promise<void> {
  let missed = 0;
  for (let i = 0; i < tries; i++) {
    const stream = `there.${(i % 7).toString()}`;
    const correlationId = `there-${i.toString()}`;
    const events = newEvents(1).map((event) => ({ ...event, correlationId }));
    const { version, position } = await writer.client.append({ stream, events });
    const { client } = reader;
    const [head, read, all, correlated, listed, checked] = await Promise.all([
      client.getVersion({ stream }),
      client.readStream({ stream, fromVersion: version }),
      client.readAll({ afterPosition: position - 1n }),
      client.readByCorrelation({ correlationId }),
      client.listStreams({ pattern: stream }),
      client.append({ stream, events: [], expectedVersion: version }),
    ]);
    const seen = [
      head.version === version,
      read.events.length === 1,
      all.events.length === 1,
      correlated.events.length === 1,
      listed[0]?.version === version,
      checked.version === version,
    ];
    missed += seen.filter((isSeen) => !isSeen).length;
  }
  expect(missed).toBe(0);
}

test('on one server', async () => {
  await using nats = await startNats();
  await using writer = await startTestGateway([nats.url]);
  await using reader = await startTestGateway([nats.url]);
  await expectSeen(writer, reader);
}, 300_000);

test('on three servers', async () => {
  await using cluster = await startCluster();
  const [first, second] = cluster.urls as [string, string];
  await using writer = await startTestGateway([first], ['--store-replicas=3']);
  await using reader = await startTestGateway([second], ['--store-replicas=3']);
  await expectSeen(writer, reader);
}, 300_000);
