import { connect, type JetStreamManager } from 'nats';
import { decodeCount, type RemovalCount } from '../../src/jetstream/log/removal-codec';
import type { Version } from '../../src/store/values';
import { directContract, type StoredEvent } from '../contract/contract-store';
import { startNats, until, type TestNats } from '../support/nats-server';
import {
  appendTo,
  callFor,
  controlOf,
  openTestStore,
  truncateBefore,
  type OpenedTestStore,
} from '../support/opened-store';

/** A gateway ends after it has recorded a removal, and before it has removed everything. Another one finishes it; nothing is lost. */

const password = 'hush';
const full = { user: 'full', password };
/** Everything that it removes is refused, as if it ended right before. */
const stopped = { user: 'stopped', password };
const users = `authorization { users: [
  { user: full, password: ${password} }
  { user: stopped, password: ${password}, permissions: { publish: {
    allow: ">", deny: ["$JS.API.STREAM.PURGE.>", "$JS.API.STREAM.MSG.DELETE.>"] } } }
] }`;

let nats: TestNats;

beforeAll(async () => {
  nats = await startNats({ extraConfig: users });
});
afterAll(() => nats[Symbol.asyncDispose]());

/** One that only looks, unless it has an interval. */
const open = (login: typeof full, sweepIntervalMs = 0): Promise<OpenedTestStore> =>
  openTestStore(nats.url, { login, limits: { sweepIntervalMs } });

async function withManager<T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: nats.url, user: full.user, pass: password });
  try {
    return await work(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
}

/** How many messages the log has, by subject. */
const messagesOn = (subject: string): Promise<Readonly<Record<string, number>>> =>
  withManager(
    async ({ streams }) => (await streams.info('EVENTS', { subjects_filter: subject })).state.subjects ?? {},
  );

const countNow = (): Promise<RemovalCount | undefined> =>
  withManager(({ streams }) => streams.getMessage('EVENTS', { last_by_subj: 'es.$removed' })).then(
    ({ data }) => decodeCount(data),
    () => undefined,
  );

const all = async ({ store }: OpenedTestStore): Promise<readonly StoredEvent[]> => {
  await until(() => store.filling() === undefined, 30_000);
  return (await directContract(store).all({ maxCount: 10_000n })).events;
};

const lost = async ({ store }: OpenedTestStore): Promise<bigint> =>
  (await store.info(callFor())).log.lostMessages;

test('the next gateway finishes a removal that was recorded, and counts nothing as lost meanwhile', async () => {
  await using watching = await open(full);
  const { store } = watching;
  const append = (stream: string): ReturnType<typeof store.append> =>
    store.append(appendTo(stream), callFor());
  for (let i = 0; i < 20; i++) await append('cut');
  const erasedFirst = (await append('erased')).position;
  await append('erased');
  await append('beside');
  await store.control(controlOf('cut', truncateBefore(11n)), callFor());
  const erase = {
    kind: 'erase',
    fromVersion: 1n as Version,
    toVersion: 2n as Version,
    reason: 'asked',
  } as const;
  await store.control(controlOf('erased', erase), callFor());
  const expected = await all(watching);
  expect(expected).toHaveLength(10 + 2 + 1);
  {
    await using cut = await open(stopped, 100);
    await until(() => cut.store.facts.removal?.trouble !== '', 30_000);
    expect(cut.store.facts.removal?.trouble).toContain('$JS.API.STREAM.PURGE.EVENTS');
  }
  expect(await countNow()).toMatchObject({ removed: 0n, pendingMessages: 12n });
  expect(await messagesOn('es.cut')).toEqual({ 'es.cut': 21 });
  const records = await messagesOn('es.$removed.>');
  expect(Object.keys(records)).toEqual(['es.$removed.0', 'es.$removed.0.0']);
  expect(await lost(watching)).toBe(0n);

  // Half of it is done when the gateway ends.
  await withManager(({ streams }) => streams.deleteMessage('EVENTS', Number(erasedFirst), true));
  await using half = await open(full);
  expect(await all(half)).toEqual(expected);
  expect(await lost(half)).toBe(0n);
  expect(await lost(watching)).toBe(0n);

  await using next = await open(full, 100);
  await until(async () => (await countNow())?.pending.length === 0, 60_000);
  expect(await countNow()).toMatchObject({ removed: 12n, pendingMessages: 0n });
  expect(await messagesOn('es.cut')).toEqual({ 'es.cut': 11 });
  expect(await messagesOn('es.erased')).toEqual({ 'es.erased': 1 });
  // It is not recorded again, or a removal that can never be finished would fill the log.
  expect(await messagesOn('es.$removed.>')).toEqual(records);
  await using fresh = await open(full);
  for (const gateway of [watching, half, next, fresh]) {
    expect(await all(gateway)).toEqual(expected);
    expect(await lost(gateway)).toBe(0n);
    expect(gateway.store.facts.log.lostMessages).toBe(0n);
  }
}, 120_000);
