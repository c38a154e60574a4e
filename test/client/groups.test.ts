import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  GroupError,
  InvalidRequestError,
  ParkEvent,
  type ConsumeOptions,
  type EventHandler,
  type SluiceClient,
} from '../../src/client/client';
import { startGatewayProcess, startTestGateway, type TestGateway } from '../support/gateway';
import { freePorts } from '../support/free-ports';
import { startNats, until, type TestNats } from '../support/nats-server';
import { all, failureOf } from './outcomes';

let nats: TestNats;
let gateway: TestGateway;
let client: SluiceClient;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  client = connect(gateway.address);
});
afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** Appends this many commits to each of the streams. */
async function append(to: SluiceClient, streams: readonly string[], count: number): Promise<void> {
  for (let commit = 0; commit < count; commit++)
    await Promise.all(streams.map((stream) => to.append(stream, [{ type: 'Counted' }])));
}

interface Consumption {
  readonly stop: () => Promise<void>;
}

function consume(
  from: SluiceClient,
  group: string,
  handler: EventHandler,
  options: ConsumeOptions = {},
): Consumption {
  const stop = new AbortController();
  const done = from.consume(group, handler, { ...options, stop: stop.signal });
  done.catch(() => undefined);
  return {
    stop: () => {
      stop.abort();
      return done;
    },
  };
}

/** Handles what is stored, and stops. */
async function consumeStored(group: string, handler: EventHandler): Promise<void> {
  const stop = new AbortController();
  await client.consume(group, handler, {
    stop: stop.signal,
    onCaughtUp() {
      stop.abort();
    },
  });
}

test('a group is created, changed, shown, listed and deleted', async () => {
  const settings = { patterns: ['admin.*'], lanes: 2, backoffMinMs: 10, attemptsMax: 0, parkFollowing: true };
  const { group, created } = await client.groups.create('admin', { settings, start: 'end' });
  expect(created).toBe(true);
  expect(group).toMatchObject({
    name: 'admin',
    settings: { ...settings, ackTimeoutMs: 30_000, parkedMax: 1_000 },
  });
  expect(Math.abs(group.createTime.getTime() - Date.now())).toBeLessThan(60_000);
  const again = await client.groups.create('admin', { settings, start: 'end' });
  expect(again).toEqual({ group, created: false });
  expect(await failureOf(client.groups.create('admin', { settings }))).toMatchObject({
    code: 'GROUP_EXISTS',
  });
  const updated = await client.groups.update('admin', { ...settings, ackTimeoutMs: 1_500 });
  expect(updated).toMatchObject({ settings: { ackTimeoutMs: 1_500 } });
  expect(updated.revision).toBeGreaterThan(group.revision);
  const otherLanes = { ...settings, lanes: 3 };
  expect(await failureOf(client.groups.update('admin', otherLanes))).toBeInstanceOf(InvalidRequestError);
  const stale = await failureOf(client.groups.update('admin', settings, { revision: group.revision }));
  expect(stale).toBeInstanceOf(GroupError);
  expect(stale).toMatchObject({ code: 'GROUP_CHANGED' });
  expect(await all(client.groups.list({ after: 'admim', maxCount: 1 }))).toEqual([updated]);
  const state = await client.groups.get('admin');
  expect(state).toMatchObject({ group: updated, members: [], parkedCount: 0, oldestTime: undefined });
  expect(state.lanes.map(({ number, member }) => [number, member])).toEqual([
    [0, ''],
    [1, ''],
  ]);
  expect([await client.groups.delete('admin'), await client.groups.delete('admin')]).toEqual([true, false]);
  expect(await failureOf(client.groups.get('admin'))).toMatchObject({ code: 'GROUP_NOT_FOUND' });
  expect(await failureOf(client.consume('admin', () => undefined))).toMatchObject({
    code: 'GROUP_NOT_FOUND',
  });
});

test('arguments that no gateway takes', async () => {
  const wrong = [
    client.groups.create('a.b'),
    client.groups.create('a', { settings: { lanes: 257 } }),
    client.groups.create('a', { settings: { ackTimeoutMs: 1 } }),
    client.consume('a', () => undefined, { maxInFlight: 10_001 }),
  ];
  for (const error of await Promise.all(wrong.map(failureOf)))
    expect(error).toBeInstanceOf(InvalidRequestError);
  const far = { after: 2n ** 60n };
  expect(await failureOf(client.groups.create('a', { start: far }))).toMatchObject({
    code: 'POSITION_BEYOND_END',
  });
  expect(await failureOf(client.groups.create('a', { start: { after: -1 } }))).toBeInstanceOf(RangeError);
});

test('members share events, in order for each stream, while they come and go', async () => {
  const streams = Array.from({ length: 20 }, (_, i) => `share.${i}`);
  await client.groups.create('share', { settings: { patterns: ['share.*'], lanes: 8 } });
  const handled: string[] = [];
  const busy = new Set<string>();
  const byMember = new Map<string, number>();
  const member = (name: string): Consumption =>
    consume(
      client,
      'share',
      async ({ stream, version }) => {
        expect(busy.has(stream)).toBe(false);
        busy.add(stream);
        await sleep(1);
        handled.push(`${stream}/${version.toString()}`);
        byMember.set(name, (byMember.get(name) ?? 0) + 1);
        busy.delete(stream);
      },
      { member: name, concurrency: 4 },
    );
  const first = member('first');
  const appending = append(client, streams, 30);
  await until(() => handled.length > 50, 20_000);
  const second = member('second');
  await until(() => (byMember.get('second') ?? 0) > 20, 20_000);
  await first.stop();
  const third = member('third');
  await appending;
  await until(() => handled.length >= 600, 30_000);
  await second.stop();
  await third.stop();
  expect(handled.length).toBe(600);
  for (const stream of streams) {
    const own = handled.filter((one) => one.startsWith(`${stream}/`));
    expect(own).toEqual(Array.from({ length: 30 }, (_, i) => `${stream}/${i + 1}`));
  }
  expect(await client.groups.get('share')).toMatchObject({ members: [], lag: 0n });
}, 90_000);

test('what fails is retried, parked and replayed', async () => {
  await append(client, ['fail.1'], 2);
  await client.groups.create('fail', {
    settings: { patterns: ['fail.*'], backoffMinMs: 20, attemptsMax: 2 },
  });
  const attempts: string[] = [];
  let isMended = false;
  const handler: EventHandler = ({ version }, { attempt, replayed }) => {
    attempts.push(`${version.toString()} ${attempt}${replayed ? ' replayed' : ''}`);
    if (version === 1n && !isMended) throw new Error(`attempt ${attempt}`);
    if (version === 2n && !isMended) throw new ParkEvent('never');
  };
  const running = consume(client, 'fail', handler);
  await until(async () => (await client.groups.get('fail')).parkedCount === 2, 20_000);
  expect(attempts).toEqual(['1 1', '1 2', '2 1']);
  const parked = await all(client.groups.listParked('fail', { withEvents: true }));
  expect(parked).toMatchObject([
    { stream: 'fail.1', version: 1n, type: 'Counted', attempts: 2, reason: 'attempt 2', replaying: false },
    { version: 2n, attempts: 1, reason: 'never', event: { stream: 'fail.1', version: 2n } },
  ]);
  isMended = true;
  expect(await client.groups.replayParked('fail', { stream: 'fail.1', version: 1 })).toBe(1);
  await until(async () => (await client.groups.get('fail')).parkedCount === 1, 20_000);
  expect(attempts.at(-1)).toMatch(/^1 \d replayed$/);
  expect(await client.groups.dropParked('fail', { all: true })).toBe(1);
  expect(await all(client.groups.listParked('fail'))).toEqual([]);
  await running.stop();
}, 60_000);

test('it has caught up when all commits of each stream, and what is to be replayed, are handled', async () => {
  await append(client, ['caught.1', 'caught.2'], 4);
  await client.groups.create('caught', { settings: { patterns: ['caught.*'] } });
  let parked = 0;
  await consumeStored('caught', () => {
    parked++;
    throw new ParkEvent('later');
  });
  expect(parked).toBe(8);
  expect(await client.groups.replayParked('caught')).toBe(8);
  const replayed: string[] = [];
  await consumeStored(
    'caught',
    ({ stream, version }) => void replayed.push(`${stream}/${version.toString()}`),
  );
  expect(replayed.toSorted()).toEqual([1, 2].flatMap((s) => [1, 2, 3, 4].map((v) => `caught.${s}/${v}`)));
  expect((await client.groups.get('caught')).parkedCount).toBe(0);
}, 60_000);

test('a reset delivers again', async () => {
  await append(client, ['reset.1'], 3);
  await client.groups.create('reset', { settings: { patterns: ['reset.*'] } });
  const seen: bigint[] = [];
  const handler: EventHandler = ({ version }) => void seen.push(version);
  await consumeStored('reset', handler);
  await consumeStored('reset', handler);
  expect(seen).toEqual([1n, 2n, 3n]);
  const { position } = await client.getVersion('reset.1');
  await client.groups.reset('reset', { after: position - 2n });
  await consumeStored('reset', handler);
  expect(seen).toEqual([1n, 2n, 3n, 2n, 3n]);
}, 60_000);

test('a member joins again when its gateway is killed, and nothing is lost', async () => {
  const [port] = await freePorts(1);
  const start = (): ReturnType<typeof startGatewayProcess> => startGatewayProcess([nats.url], [], port);
  let process = await start();
  using own = connect(process.address);
  try {
    await own.groups.create('killed', { settings: { patterns: ['killed.*'], lanes: 2 } });
    const handled = new Set<string>();
    let reconnects = 0;
    const running = consume(
      own,
      'killed',
      ({ stream, version }) => void handled.add(`${stream}/${version.toString()}`),
      { member: 'same', onReconnect: () => reconnects++ },
    );
    await append(own, ['killed.1', 'killed.2'], 20);
    await until(() => handled.size === 40, 20_000);
    process.process.signal('SIGKILL');
    await process.process.ended();
    process = await start();
    await append(own, ['killed.1', 'killed.2'], 5);
    await until(() => handled.size === 50, 40_000);
    expect(reconnects).toBeGreaterThan(0);
    await running.stop();
  } finally {
    await process[Symbol.asyncDispose]();
  }
}, 90_000);
