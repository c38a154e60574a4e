import { setTimeout as sleep } from 'node:timers/promises';
import { serves } from '../acceptance/environment';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { startWriters } from '../support/writers';

/** Whatever ends or halts in the middle of appends: each is stored whole, once and where it was answered, or not at all. */

/** Appends of one message and of several: a message takes about five of these events. */
const maxPayloadBytes = 8_192;
const load = {
  streams: ['crash.a', 'crash.b', 'crash.c', 'crash.d'],
  counts: [1, 3, 12, 1, 2, 30, 5],
  payloadBytes: 1_400,
};
const blows = 3;
const betweenBlows = 60;

test('the server is killed', async () => {
  await using nats = await startNats({ maxPayloadBytes });
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const writers = startWriters([one.client, other.client], load);
  for (let blow = 0; blow < blows; blow++) {
    await writers.more(betweenBlows);
    await nats.kill();
    await nats.start();
    await serves(one.client);
    await serves(other.client);
  }
  await writers.more(betweenBlows);
  expect(await writers.faults(one.client)).toEqual([]);
  expect(writers.count('unknown') + writers.count('refused')).toBeGreaterThan(0);
  await nats.restart();
  await serves(other.client);
  expect(await writers.faults(other.client)).toEqual([]);
}, 120_000);

test('the server halts for longer than an attempt takes', async () => {
  await using nats = await startNats({ maxPayloadBytes });
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const writers = startWriters([one.client, other.client], load);
  await writers.more(betweenBlows);
  nats.pause();
  await sleep(3_000);
  nats.resume();
  await writers.more(betweenBlows);
  expect(await writers.faults(one.client)).toEqual([]);
}, 120_000);

test('a gateway is killed', async () => {
  await using nats = await startNats({ maxPayloadBytes });
  await using one = await startTestGateway([nats.url]);
  await using other = await startGatewayProcess([nats.url]);
  const writers = startWriters([one.client, other.client], load);
  await writers.more(betweenBlows);
  other.process.signal('SIGKILL');
  await writers.more(betweenBlows);
  expect(await writers.faults(one.client)).toEqual([]);
}, 120_000);
