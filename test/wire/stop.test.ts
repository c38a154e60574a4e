import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { ServerReflectionClient } from '../../generated/grpc/reflection/v1/reflection';
import { startGatewayProcess, startTestGateway, type GatewayProcess } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { patience } from '../support/patience';
import { connectWire, wireFailureOf, type WireMessage } from '../support/wire-client';
import { startWriters } from '../support/writers';

/** A gateway that is asked to stop: calls under way end well, others get an error, and the process ends in time. */
const unavailable = 14;
const event = { type: 'Happened' };
const large = Array.from({ length: 60 }, () => ({ type: 'Large', text: 'x'.repeat(50_000) }));

let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

/** SIGTERM; comes back when the gateway takes no more connections. */
async function askToStop({ process, address }: GatewayProcess): Promise<void> {
  process.signal('SIGTERM');
  const [host = '', port = ''] = address.split(':');
  await until(async () => {
    const socket = connect(Number(port), host);
    const [refused] = await Promise.race([
      once(socket, 'connect').then(() => [false]),
      new Promise<[boolean]>((resolve) =>
        socket.on('error', () => {
          resolve([true]);
        }),
      ),
    ]);
    socket.destroy();
    return refused;
  });
}

/** Waits until one more append than may wait for its stream is refused: the gateway has all others. */
async function oneRefused(appends: readonly Promise<unknown>[]): Promise<void> {
  await Promise.any(appends.map(wireFailureOf));
}

function endOf(call: NodeJS.EventEmitter): Promise<Pick<ServiceError, 'code' | 'details'>> {
  return new Promise((resolve) => {
    call.on('error', ({ code, details }: ServiceError) => {
      resolve({ code, details });
    });
  });
}

test('appends and reads under way finish, new calls are UNAVAILABLE, and the exit code is 0', async () => {
  await using gateway = await startGatewayProcess([nats.url], ['--stream-queue-max=3']);
  using wire = connectWire(gateway.address);
  await wire.unary('Append', { stream: 'stop.read', events: large });
  await wire.unary('Append', { stream: 'stop.append', events: [event] });

  const read = wire.open('ReadStream', { stream: 'stop.read', page: { events_max: 1 } });
  const [first] = (await once(read, 'data')) as [WireMessage];
  read.pause();
  nats.pause();
  const appends = [1, 2, 3, 4].map(() => wire.unary('Append', { stream: 'stop.append', events: [event] }));
  await oneRefused(appends);
  await askToStop(gateway);

  using late = connectWire(gateway.address);
  for (const client of [wire, late]) {
    expect(await wireFailureOf(client.unary('GetVersion', { stream: 'stop.append' }))).toMatchObject({
      code: unavailable,
    });
  }
  nats.resume();
  const outcomes = await Promise.allSettled(appends);
  const stored = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  expect(stored.map(({ version }) => version).sort()).toEqual(['2', '3', '4']);
  const rest = (await read.toArray()) as WireMessage[];
  const events = [first, ...rest].flatMap((message) => message['events'] as WireMessage[]);
  expect(events.map(({ version }) => version)).toEqual(large.map((_, i) => (i + 1).toString()));
  expect(rest.at(-1)?.['end']).toEqual({ reason: 'READ_END_REASON_COMPLETE', event_count: '60' });
  expect(await gateway.process.ended()).toBe(0);
  expect(gateway.process.stderr()).not.toContain('cutting them off');
});

test('with --drain-wait-ms health is NOT_SERVING at once, and calls go on until the wait is over', async () => {
  await using own = await startNats();
  await using gateway = await startGatewayProcess([own.url], ['--drain-wait-ms=5000']);
  using wire = connectWire(gateway.address);
  using health = connectWire(gateway.address, { service: 'grpc.health.v1.Health' });
  const isServing = async (service = ''): Promise<boolean> =>
    (await health.unary('Check', { service }))['status'] === 'SERVING';
  await wire.unary('Append', { stream: 'stop.wait', events: [event] });
  const subscription = wire.open('Subscribe', { stream: 'stop.wait' });
  const messages: WireMessage[] = [];
  subscription.on('data', (message: WireMessage) => messages.push(message));
  const ended = wireFailureOf(once(subscription, 'end'));

  const signalledMs = performance.now();
  gateway.process.signal('SIGTERM');
  await until(async () => !(await isServing()));
  expect(performance.now() - signalledMs).toBeLessThan(2_000 * patience);
  // Not even when NATS comes back.
  await own.restart();
  using late = connectWire(gateway.address);
  const append = { stream: 'stop.wait', events: [event], commit_id: randomUUID() };
  await until(() =>
    late.unary('Append', append).then(
      () => true,
      () => false,
    ),
  );
  for (const service of ['', 'append', 'read']) expect(await isServing(service)).toBe(false);
  await until(() =>
    messages.some(({ events }) => (events as WireMessage[] | undefined)?.[0]?.['version'] === '2'),
  );
  expect(messages.some(({ draining }) => draining !== undefined)).toBe(false);

  expect(await ended).toMatchObject({ code: unavailable });
  expect(performance.now() - signalledMs).toBeGreaterThan(4_900);
  expect(messages.at(-1)).toHaveProperty('draining');
  expect(await gateway.process.ended()).toBe(0);
});

test('calls that have no end are ended with UNAVAILABLE', async () => {
  await using gateway = await startGatewayProcess([nats.url]);
  using health = connectWire(gateway.address, { service: 'grpc.health.v1.Health' });
  const reflection = new ServerReflectionClient(gateway.address, credentials.createInsecure());
  try {
    const watch = health.open('Watch', {});
    const seen: unknown[] = [];
    watch.on('data', ({ status }: WireMessage) => seen.push(status));
    const files = reflection.serverReflectionInfo();
    const response = once(files, 'data');
    files.write({ host: '', messageRequest: { $case: 'listServices', value: '' } });
    await response;
    await until(() => seen.length === 1);
    const ends = Promise.all([endOf(watch), endOf(files)]);
    gateway.process.signal('SIGTERM');
    const stopping = { code: unavailable, details: 'the gateway is stopping' };
    expect(await ends).toEqual([stopping, stopping]);
    expect(seen).toEqual(['SERVING', 'NOT_SERVING']);
    expect(await gateway.process.ended()).toBe(0);
  } finally {
    reflection.close();
  }
});

test('a caller that takes nothing is cut off after the shutdown timeout', async () => {
  await using gateway = await startGatewayProcess([nats.url], ['--shutdown-timeout-ms=500']);
  using wire = connectWire(gateway.address);
  await wire.unary('Append', { stream: 'stop.stuck', events: large });
  const read = wire.open('ReadStream', { stream: 'stop.stuck', page: { events_max: 1 } });
  await once(read, 'data');
  read.pause();
  read.on('error', () => undefined);
  await askToStop(gateway);
  expect(await gateway.process.ended()).toBe(0);
  expect(gateway.process.stderr()).toContain('cutting them off');
  read.cancel();
});

test('a read that the stop cuts off ends with STORE_UNAVAILABLE, not as if its caller had cancelled it', async () => {
  await using gateway = await startGatewayProcess([nats.url], ['--shutdown-timeout-ms=500']);
  using wire = connectWire(gateway.address);
  using stuckWire = connectWire(gateway.address);
  await wire.unary('Append', { stream: 'stop.slow', events: large });
  const request = { stream: 'stop.slow', page: { events_max: 1 } };
  const read = wire.open('ReadStream', request);
  const stuck = stuckWire.open('ReadStream', request);
  await Promise.all([once(read, 'data'), once(stuck, 'data')]);
  read.pause();
  stuck.pause();
  const failure = (call: NodeJS.EventEmitter): Promise<never> =>
    new Promise((_resolve, reject) => call.on('error', reject));
  const [readEnds, stuckEnds] = [wireFailureOf(failure(read)), wireFailureOf(failure(stuck))];
  gateway.process.signal('SIGTERM');
  await until(() => gateway.process.stderr().includes('cutting them off'));
  read.resume();
  expect(await readEnds).toEqual({
    code: unavailable,
    message: 'the gateway is stopping',
    details: [
      { '@type': 'google.rpc.ErrorInfo', reason: 'STORE_UNAVAILABLE', domain: 'sluice.v1' },
      { '@type': 'google.rpc.RetryInfo', retry_delay: { seconds: '1' } },
    ],
  });
  // One that takes nothing even now.
  expect(await gateway.process.ended()).toBe(0);
  expect((await stuckEnds).code).toBe(unavailable);
});

test('what was acknowledged under load is stored, and what was refused is not', async () => {
  await using survivor = await startTestGateway([nats.url]);
  await using gateway = await startGatewayProcess([nats.url]);
  const streams = ['load.1', 'load.2'];
  const writers = startWriters([gateway.client, survivor.client], {
    streams,
    counts: [1, 3],
    payloadBytes: 100,
  });
  await writers.more(100);
  gateway.process.signal('SIGTERM');
  expect(await gateway.process.ended()).toBe(0);
  await writers.more(50);
  expect(await writers.faults(survivor.client)).toEqual([]);
});

test('while NATS does not answer, appends under way are given up in time', async () => {
  await using own = await startNats();
  await using gateway = await startGatewayProcess(
    [own.url],
    ['--append-timeout-ms=1000', '--stream-queue-max=1'],
  );
  using wire = connectWire(gateway.address);
  await wire.unary('Append', { stream: 'stop.unknown', events: [event] });
  own.pause();
  const request = { stream: 'stop.unknown', events: [event], expected_version: '1' };
  const appends = [1, 2].map(() => wire.unary('Append', request));
  await oneRefused(appends);
  gateway.process.signal('SIGTERM');
  const failures = await Promise.all(appends.map(wireFailureOf));
  expect(failures.map(({ details }) => details[0]?.['reason']).sort()).toEqual([
    'OUTCOME_UNKNOWN',
    'OVERLOADED',
  ]);
  expect(await gateway.process.ended()).toBe(0);
});
