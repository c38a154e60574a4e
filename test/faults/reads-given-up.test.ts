import { setTimeout as sleep } from 'node:timers/promises';
import { newEvents } from '../support/attempts';
import { startGatewayProcess } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { connectWire } from '../support/wire-client';

/** NATS sends answers even if the caller has gone, and ends a connection for which too much waits. */

const stream = 'given-up.1';
const lanes = 100;
const floodMs = 6_000;

test('callers that begin reads and give them up do not cost others the connection to NATS', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url]);
  for (let i = 0; i < 40; i++) await gateway.client.append({ stream, events: newEvents(1, 900_000) });
  using greedy = connectWire(gateway.address);
  const endMs = Date.now() + floodMs;
  const flood = Array.from({ length: lanes }, async () => {
    while (Date.now() < endMs) {
      const call = greedy.open('ReadStream', { stream });
      const ended = new Promise((resolve) => call.on('error', resolve).once('end', resolve));
      call.resume();
      await sleep(5);
      call.cancel();
      await ended;
    }
  });
  let reads = 0;
  while (Date.now() < endMs) {
    const { events } = await gateway.client.readStream({ stream, fromVersion: 40n });
    expect(events).toHaveLength(1);
    reads++;
  }
  await Promise.all(flood);
  expect(reads).toBeGreaterThan(0);
  expect(await nats.monitor('/varz')).toMatchObject({ slow_consumers: 0 });
  expect(gateway.process.stderr()).not.toContain('the connection to NATS is lost');
}, 60_000);
