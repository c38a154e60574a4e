import { newEvents } from '../support/attempts';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { randomFrom } from '../support/random';
import { makeReplicaDir } from '../support/replica-dir';

/** A gateway is killed again and again while its replica is written: afterwards it reads the same as the log. */

const kills = Number(process.env['TEST_KILLS'] ?? '8');
const streams = 20;

test('kill -9 at any moment', async () => {
  await using nats = await startNats();
  await using writer = await startTestGateway([nats.url]);
  const random = randomFrom(Number(process.env['TEST_SEED'] ?? Date.now()));
  const args = [`--replica-dir=${makeReplicaDir()}`];
  let isOver = false as boolean;
  const ids: string[] = [];
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      const events = newEvents(1 + (i % 3), 200).map((event) => ({ ...event, correlationId: `c-${i % 50}` }));
      if (i % 10 === 0) {
        const appends = [0, 1].map((at) => ({ stream: `kill.${(i + at) % streams}`, events: newEvents(1) }));
        await writer.client.appendMulti({ appends });
        ids.push(...appends.flatMap((append) => append.events.map(({ id }) => id)));
      } else {
        await writer.client.append({ stream: `kill.${i % streams}`, events });
        ids.push(...events.map(({ id }) => id));
      }
    }
  })();
  for (let kill = 0; kill < kills; kill++) {
    await using victim = await startGatewayProcess([nats.url], args);
    await new Promise((resolve) => setTimeout(resolve, random() * 300));
    victim.process.signal('SIGKILL');
    await victim.process.ended();
  }
  isOver = true;
  await writing;
  await using reader = await startTestGateway([nats.url], args);
  const { client } = reader;
  const { events } = await client.readAll();
  expect(events.map(({ id }) => id)).toEqual(ids);
  for (let at = 0; at < streams; at++) {
    const stream = `kill.${at.toString()}`;
    const expected = events.filter((event) => event.stream === stream);
    const read = await client.readStream({ stream });
    expect(read.events).toEqual(expected);
    expect((await client.getVersion({ stream })).version).toBe(BigInt(expected.length));
  }
  for (let at = 0; at < 50; at++) {
    const correlationId = `c-${at.toString()}`;
    const expected = events.filter((event) => event.correlationId === correlationId);
    expect((await client.readByCorrelation({ correlationId })).events).toEqual(expected);
  }
}, 300_000);
