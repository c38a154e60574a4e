import { randomUUID } from 'node:crypto';
import { connect, type JetStreamManager, type StreamState } from 'nats';
import type { Version } from '../../src/store/values';
import { directContract, type StoredEvent } from '../contract/contract-store';
import { newEvents } from '../support/attempts';
import { startCluster, startNats, until, type TestNats } from '../support/nats-server';
import {
  appendTo,
  appendToAll,
  callFor,
  controlOf,
  openTestStore,
  truncateBefore,
  type OpenedTestStore,
} from '../support/opened-store';

/** What nobody can read any more is removed from the log, and nobody takes it for lost. */

const limits = { sweepIntervalMs: 100 };

let nats: TestNats;
let one: OpenedTestStore;

beforeAll(async () => {
  nats = await startNats();
  one = await openTestStore(nats.url, { limits });
});
afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

async function withManager<T>(
  work: (manager: JetStreamManager) => Promise<T>,
  servers: string | readonly string[] = nats.url,
): Promise<T> {
  const connection = await connect({ servers: [servers].flat() });
  try {
    return await work(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
}

/** How many messages the log has of a stream. */
function messagesOf(stream: string, servers?: readonly string[]): Promise<number> {
  const subject = `es.${stream}`;
  return withManager(async ({ streams }) => {
    const info = await streams.info('EVENTS', { subjects_filter: subject });
    return info.state.subjects?.[subject] ?? 0;
  }, servers);
}

const stateOfLog = (): Promise<StreamState> =>
  withManager(async ({ streams }) => (await streams.info('EVENTS')).state);

const append = (stream: string, events = 1): ReturnType<OpenedTestStore['store']['append']> =>
  one.store.append(appendTo(stream, { events: newEvents(events) }), callFor());

async function stepDown(servers: readonly string[]): Promise<void> {
  const connection = await connect({ servers: [...servers] });
  const answer = await connection.request('$JS.API.STREAM.LEADER.STEPDOWN.EVENTS');
  expect(answer.json()).toMatchObject({ success: true });
  await connection.close();
}

/** Everything that can be read of a store. */
async function all({ store }: OpenedTestStore): Promise<readonly StoredEvent[]> {
  return (await directContract(store).all({ maxCount: 10_000n })).events;
}

const lost = async ({ store }: OpenedTestStore): Promise<bigint> =>
  (await store.info(callFor())).log.lostMessages;

/** A replica that is filled from the log as it is now must have what the one has that saw everything. */
async function expectSameFromLog(): Promise<void> {
  await using fresh = await openTestStore(nats.url, { limits });
  await until(() => fresh.store.filling() === undefined, 30_000);
  expect(await all(fresh)).toEqual(await all(one));
  expect(await lost(fresh)).toBe(0n);
  expect(await lost(one)).toBe(0n);
}

test('commits before the first version that can be read are removed, and a replica is filled from the rest', async () => {
  const [stream, beside] = [`long.${randomUUID()}`, `beside.${randomUUID()}`];
  for (let i = 0; i < 5; i++) {
    await append(stream, 2);
    await append(beside);
  }
  await one.store.control(controlOf(stream, truncateBefore(4n)), callFor());
  await append(stream);
  // The commit with versions 3 and 4 is hidden only in part.
  await until(async () => (await messagesOf(stream)) === 6, 20_000);
  expect(await messagesOf(beside)).toBe(5);
  await expectSameFromLog();
  const read = await directContract(one.store).read({ stream });
  expect(read.events.map(({ version }) => version)).toEqual([4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n]);
});

test('of a deleted stream its last control stays, and its versions go on', async () => {
  const stream = `gone.${randomUUID()}`;
  await append(stream, 3);
  await append(stream, 3);
  await one.store.control(controlOf(stream, { kind: 'delete' }), callFor());
  await until(async () => (await messagesOf(stream)) === 1, 20_000);
  await expectSameFromLog();
  expect((await append(stream)).version).toBe(7n);
  await one.store.control(controlOf(stream, { kind: 'tombstone' }), callFor());
  await until(async () => (await messagesOf(stream)) === 1, 20_000);
  await expectSameFromLog();
  await expect(append(stream)).rejects.toMatchObject({ code: 'STREAM_TOMBSTONED' });
});

test('conditions over all streams are decided although the log ends with records of what was removed', async () => {
  const [stream, tag] = [`removed.${randomUUID()}`, randomUUID()];
  const events = newEvents(1).map((event) => ({ ...event, tags: [tag] }));
  await one.store.append(appendTo(stream, { events }), callFor());
  const condition = { query: { items: [{ tags: [tag] }] } };
  const onCondition = appendTo(`on.${stream}`, { events, condition });
  await expect(one.store.append(onCondition, callFor())).rejects.toMatchObject({
    code: 'APPEND_CONDITION_FAILED',
  });
  await one.store.control(controlOf(stream, { kind: 'delete' }), callFor());
  await until(async () => (await messagesOf(stream)) === 1, 20_000);
  // A gateway that was filled since never had the event.
  await using fresh = await openTestStore(nats.url, { limits });
  await until(() => fresh.store.filling() === undefined, 30_000);
  expect((await fresh.store.append(onCondition, callFor())).version).toBe(1n);
  await expect(one.store.append(onCondition, callFor())).rejects.toMatchObject({
    code: 'APPEND_CONDITION_FAILED',
  });
});

test('a transaction of which one stream was deleted can still be read', async () => {
  const [stream, kept] = [`within.${randomUUID()}`, `kept.${randomUUID()}`];
  await one.store.appendMulti(appendToAll([kept, stream, `${kept}.2`]), callFor());
  await one.store.control(controlOf(stream, { kind: 'delete' }), callFor());
  await until(async () => (await messagesOf(stream)) === 1, 20_000);
  await expectSameFromLog();
  expect((await all(one)).filter((event) => event.stream.startsWith(kept))).toHaveLength(2);
});

test('of erased events stubs remain, also for a replica that never had the events', async () => {
  const [stream, beside] = [`erased.${randomUUID()}`, `beside.${randomUUID()}`];
  await append(stream);
  await one.store.appendMulti(appendToAll([stream, beside]), callFor());
  // In parts: each message takes a megabyte at most.
  await one.store.append(appendTo(stream, { events: newEvents(3, 400_000) }), callFor());
  await append(stream);
  const erase = {
    kind: 'erase',
    fromVersion: 2n as Version,
    toVersion: 5n as Version,
    reason: 'asked',
  } as const;
  await one.store.control(controlOf(stream, erase), callFor());
  // The first and the last commit, and the control.
  await until(async () => (await messagesOf(stream)) === 3, 20_000);
  await expectSameFromLog();
  const { events } = await directContract(one.store).read({ stream });
  expect(events.map(({ erased, payload }) => [erased, payload === undefined])).toEqual([
    [false, false],
    ...Array.from({ length: 4 }, () => [true, true]),
    [false, false],
  ]);
  // The record of the erasure is kept when all else is removed.
  await one.store.control(controlOf(stream, { kind: 'tombstone' }), callFor());
  await until(async () => (await messagesOf(stream)) === 1, 20_000);
  await expectSameFromLog();
  await using fresh = await openTestStore(nats.url, { limits });
  await until(() => fresh.store.filling() === undefined, 30_000);
  for (const { store } of [one, fresh]) {
    const { erased } = await store.getStream(controlOf(stream, erase).stream, callFor());
    expect(erased).toMatchObject([{ fromVersion: 2n, toVersion: 5n, reason: 'asked' }]);
  }
});

test('what retention has hidden is removed once a truncation says so', async () => {
  const stream = `kept.newest.${randomUUID()}`;
  for (let i = 0; i < 20; i++) await append(stream);
  const retention = { maxCount: 5n, maxAgeNanos: undefined };
  await one.store.control(controlOf(stream, { kind: 'retain', retention }), callFor());
  // The retention itself is before the truncation, and goes with what is removed.
  await until(async () => (await messagesOf(stream)) <= 7, 20_000);
  await expectSameFromLog();
  const description = await one.store.getStream(controlOf(stream, { kind: 'delete' }).stream, callFor());
  expect(description).toMatchObject({ firstVersion: 16n, version: 20n, rules: { maxCount: 5n } });
});

test('a message that is really lost beside removed ones is found exactly', async () => {
  const [stream, victim] = [`truncated.${randomUUID()}`, `victim.${randomUUID()}`];
  await append(stream);
  const { position } = await append(victim);
  await append(stream);
  await one.store.control(controlOf(stream, { kind: 'delete' }), callFor());
  await until(async () => (await messagesOf(stream)) === 1, 20_000);
  const { num_deleted: before } = await stateOfLog();
  await withManager(({ streams }) => streams.deleteMessage('EVENTS', Number(position), false));
  expect((await stateOfLog()).num_deleted).toBe(before + 1);
  await using fresh = await openTestStore(nats.url, { limits });
  await until(() => fresh.store.filling() === undefined, 30_000);
  await until(async () => (await lost(fresh)) === 1n, 10_000);
  await until(async () => (await lost(one)) === 1n, 10_000);
  const left = await directContract(fresh.store).all({ maxCount: 10_000n, skipUnreadable: true });
  expect(left.events.map((event) => event.stream)).not.toContain(victim);
  await expect(directContract(fresh.store).all({ maxCount: 10_000n })).rejects.toMatchObject({
    reason: 'UNREADABLE_COMMIT',
  });
});

test('three servers: a removal is done once, by one of two gateways, also after another leader was elected', async () => {
  await using cluster = await startCluster();
  const options = { limits, replicas: 3 };
  await using left = await openTestStore(cluster.urls, options);
  await using right = await openTestStore(cluster.urls, options);
  const stream = 'everywhere';
  for (let i = 0; i < 20; i++) await left.store.append(appendTo(stream), callFor());
  await left.store.control(controlOf(stream, truncateBefore(19n)), callFor());
  await until(async () => (await messagesOf(stream, cluster.urls)) === 3, 30_000);
  await stepDown(cluster.urls);
  await left.store.control(controlOf(stream, { kind: 'delete' }), callFor());
  await until(async () => (await messagesOf(stream, cluster.urls)) === 1, 30_000);
  await using fresh = await openTestStore(cluster.urls, options);
  await until(() => fresh.store.filling() === undefined, 30_000);
  for (const gateway of [left, right, fresh]) {
    expect(await all(gateway)).toEqual([]);
    expect(await lost(gateway)).toBe(0n);
  }
  const removed = [left, right].map(({ store }) => store.facts.removal?.messages ?? 0);
  expect(removed.reduce((sum, count) => sum + count)).toBe(20 + 1);

  // A server that is away would keep what it does not see removed.
  const [away] = cluster.nodes;
  await away?.stop();
  const appended = (): Promise<unknown> => left.store.append(appendTo('later'), callFor());
  await until(() => appended().then(Boolean, () => false), 30_000);
  await appended();
  await left.store.control(controlOf('later', { kind: 'delete' }), callFor());
  const troubles = (): (string | undefined)[] =>
    [left, right].map(({ store }) => store.facts.removal?.trouble);
  await until(() => troubles().every((trouble) => trouble?.includes('all servers of the log')), 30_000);
  const others = cluster.urls.slice(1);
  expect(await messagesOf('later', others)).toBeGreaterThan(2);
  await away?.start();
  await until(async () => (await messagesOf('later', others)) === 1, 60_000);
}, 180_000);
