import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, headers, type JetStreamManager, type NatsConnection } from 'nats';
import { StoreFullError, StoreUnavailableError } from '../../../src/store/errors';
import { StateChangedError, type StateStore, type StateView } from '../../../src/store/state-store';
import { changeTimes } from '../../support/log-blocks';
import { startNats, until, type TestNats } from '../../support/nats-server';
import { openNewState, openState, type OpenedState } from '../../support/opened-state';

/** What becomes of the records when the server, the network, or a person does something to them. */

const call = { signal: new AbortController().signal, deadlineMs: Infinity };
setMaxListeners(0, call.signal);
const bytes = (text: string): Uint8Array => Buffer.from(text);

let nats: TestNats;
let connection: NatsConnection;
let manager: JetStreamManager;
let opened: OpenedState & { readonly store: string };
let state: StateStore;
let view: StateView | undefined;

beforeAll(async () => {
  nats = await startNats();
});

beforeEach(async () => {
  connection = await connect({ servers: nats.url });
  manager = await connection.jetstreamManager();
  opened = await openNewState(nats.url);
  ({ state } = opened);
});

afterEach(async () => {
  view?.close();
  view = undefined;
  await opened[Symbol.asyncDispose]();
  await connection.close();
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

const put = (key: string, text: string, revision = 0n): Promise<bigint> =>
  state.put(key, bytes(text), revision, call);

/** A view of `lane.>` and `group.*`, after some records were put. */
async function watched(): Promise<StateView> {
  for (const key of ['group.a', 'lane.a.0', 'lane.a.1']) await put(key, 'first');
  view = await state.watch(['lane.>', 'group.*'], call);
  expect(view.records.size).toBe(3);
  return view;
}

/** Waits until a view has exactly what the store has now, and says so. */
async function agrees(seen: StateView): Promise<void> {
  const nowMs = performance.now();
  await until(() => seen.verifiedMs >= nowMs, 30_000);
  const listed = [...(await state.list('lane.', call)), ...(await state.list('group.', call))];
  expect(new Map(seen.records)).toEqual(new Map(listed.map((record) => [record.key, record])));
}

const revisionOf = (seen: StateView, key: string): bigint => seen.records.get(key)?.revision ?? 0n;

async function consumerNames(): Promise<string[]> {
  const consumers = await manager.consumers.list(opened.name).next();
  return consumers.map(({ name }) => name);
}

describe('the server', () => {
  test.each(['restart', 'kill'] as const)(
    '%s: the view goes on, also with what changed meanwhile',
    async (verb) => {
      const seen = await watched();
      const before = seen.verifiedMs;
      if (verb === 'restart') await nats.stop();
      else await nats.kill();
      await sleep(500);
      await expect(state.get('group.a', { ...call, deadlineMs: performance.now() + 500 })).rejects.toThrow(
        StoreUnavailableError,
      );
      expect(seen.records.size).toBe(3);
      await nats.start();
      await using other = await openState(nats.url, opened.store);
      await other.state.put('group.b', bytes('new'), 0n, call);
      await other.state.remove('lane.a.1', revisionOf(seen, 'lane.a.1'), call);
      await agrees(seen);
      expect([...seen.records.keys()].sort()).toEqual(['group.a', 'group.b', 'lane.a.0']);
      expect(seen.verifiedMs).toBeGreaterThan(before);
      await other[Symbol.asyncDispose]();
    },
  );

  test('it stands still for 20 s: nothing is verified, and no change is stored twice', async () => {
    const seen = await watched();
    let counter = await put('lane.a.2', '0');
    await agrees(seen);
    nats.pause();
    const pausedMs = performance.now();
    const short = { ...call, deadlineMs: pausedMs + 3_000 };
    await expect(state.put('lane.a.2', bytes('1'), counter, short)).rejects.toThrow(StoreUnavailableError);
    const long = state.put('lane.a.3', bytes('long'), 0n, call).catch((error: unknown) => error);
    await sleep(16_500);
    expect(seen.verifiedMs).toBeLessThan(pausedMs + 1_000);
    nats.resume();
    expect(await long).toBeInstanceOf(StoreUnavailableError);
    await agrees(seen);
    // What could not be found out was stored, once: its revision is now one that nobody knew.
    const late = await state.get('lane.a.2', call);
    expect(Buffer.from(late?.value ?? '').toString()).toBe('1');
    await expect(state.put('lane.a.2', bytes('x'), counter, call)).rejects.toThrow(StateChangedError);
    counter = await state.put('lane.a.2', bytes('2'), late?.revision ?? 0n, call);
    await agrees(seen);
    expect(revisionOf(seen, 'lane.a.2')).toBe(counter);
  }, 90_000);

  test('it stands still for a moment: a change waits, and is stored once', async () => {
    const first = await put('lane.a.0', '0');
    nats.pause();
    const change = put('lane.a.0', '1', first);
    await sleep(4_500);
    nats.resume();
    const revision = await change;
    expect(await state.get('lane.a.0', call)).toMatchObject({ revision });
    // Of several attempts one was stored.
    const { state: now } = await manager.streams.info(opened.name);
    expect(BigInt(now.last_seq)).toBe(revision);
    expect(revision).toBe(first + 1n);
  }, 30_000);
});

test('the clock of the server was set back: records have later times than newer ones, and nothing else changes', async () => {
  const seen = await watched();
  const before = new Map(seen.records);
  await nats.stop();
  const nextHour = BigInt(Date.now() + 3_600_000) * 1_000_000n;
  changeTimes(nats.dataDir, opened.name, (sequence) => nextHour + (sequence % 1_000n));
  await nats.start();
  await agrees(seen);
  expect([...seen.records.keys()]).toEqual([...before.keys()]);
  expect(seen.records.get('lane.a.0')?.timeNanos).toBeGreaterThan(nextHour - 1n);
  const revision = await put('lane.a.0', 'second', revisionOf(seen, 'lane.a.0'));
  await state.remove('lane.a.1', revisionOf(seen, 'lane.a.1'), call);
  await until(() => revisionOf(seen, 'lane.a.0') === revision && !seen.records.has('lane.a.1'));
  expect(seen.records.get('lane.a.0')?.timeNanos).toBeLessThan(nextHour);
  await agrees(seen);
}, 60_000);

describe('the consumer of a view', () => {
  test.each([
    ['deleted', (name: string) => manager.consumers.delete(opened.name, name)],
    [
      'paused',
      (name: string) => manager.consumers.pause(opened.name, name, new Date(Date.now() + 3_600_000)),
    ],
    [
      'set back',
      (name: string) =>
        connection.request(`$JS.API.CONSUMER.RESET.${opened.name}.${name}`, JSON.stringify({ seq: 1 })),
    ],
    [
      'set after the end',
      (name: string) =>
        connection.request(`$JS.API.CONSUMER.RESET.${opened.name}.${name}`, JSON.stringify({ seq: 2 ** 52 })),
    ],
  ])(
    '%s by hand: changes still arrive',
    async (_, act) => {
      const seen = await watched();
      await until(async () => (await consumerNames()).length === 1);
      const [name = ''] = await consumerNames();
      await act(name);
      const revision = await put('lane.a.0', 'second', revisionOf(seen, 'lane.a.0'));
      await until(() => revisionOf(seen, 'lane.a.0') === revision, 20_000);
      await agrees(seen);
    },
    60_000,
  );

  test('it goes with its view', async () => {
    const seen = await watched();
    expect(await consumerNames()).toHaveLength(1);
    seen.close();
    await until(async () => (await consumerNames()).length === 0);
  });
});

describe('a person', () => {
  test('purges the stream: the records are gone, and can be put again', async () => {
    const seen = await watched();
    const before = revisionOf(seen, 'group.a');
    await manager.streams.purge(opened.name);
    await until(() => seen.records.size === 0);
    await expect(put('group.a', 'x', before)).rejects.toThrow(StateChangedError);
    expect(await put('group.a', 'again')).toBeGreaterThan(before);
    await agrees(seen);
  });

  test('deletes one record: the view notices within half a minute, a writer at once', async () => {
    const seen = await watched();
    const before = revisionOf(seen, 'lane.a.0');
    await manager.streams.deleteMessage(opened.name, Number(before));
    expect(await state.get('lane.a.0', call)).toBeUndefined();
    await expect(put('lane.a.0', 'x', before)).rejects.toThrow(StateChangedError);
    await until(() => !seen.records.has('lane.a.0'), 30_000);
    await agrees(seen);
  }, 60_000);

  test('purges some records: the same', async () => {
    const seen = await watched();
    await manager.streams.purge(opened.name, { filter: `${opened.name}.lane.>` });
    await until(() => seen.records.size === 1, 30_000);
    await agrees(seen);
  }, 60_000);

  test('publishes garbage: it is a record like others', async () => {
    const seen = await watched();
    const before = revisionOf(seen, 'lane.a.0');
    const own = headers();
    own.set('Nats-Custom', 'x');
    await connection.jetstream().publish(`${opened.name}.lane.a.0`, 'garbage', { headers: own });
    await connection.jetstream().publish(`${opened.name}.lane.x.y.z`, Buffer.from([0xff, 0]));
    await until(() => seen.records.has('lane.x.y.z') && revisionOf(seen, 'lane.a.0') > before);
    await agrees(seen);
    await expect(put('lane.a.0', 'x', before)).rejects.toThrow(StateChangedError);
    const revision = await put('lane.a.0', 'mended', revisionOf(seen, 'lane.a.0'));
    await until(() => revisionOf(seen, 'lane.a.0') === revision);
    await connection.jetstream().publish(`${opened.name}.lane.a.0`);
    await until(() => !seen.records.has('lane.a.0'));
  });

  test('deletes the stream: there are no records, and none can be changed; a new one begins later', async () => {
    const seen = await watched();
    const before = revisionOf(seen, 'lane.a.0');
    await manager.streams.delete(opened.name);
    await until(() => seen.records.size === 0, 15_000);
    expect(await state.get('lane.a.0', call)).toBeUndefined();
    expect(await state.list('lane.', call)).toEqual([]);
    await expect(put('lane.a.0', 'x', before)).rejects.toThrow(StateChangedError);
    await state.remove('lane.a.0', before, call);
    expect(await put('lane.a.0', 'again')).toBeGreaterThan(before + 1_000n);
    await agrees(seen);
    expect(seen.records.size).toBe(1);
  }, 60_000);

  test('deletes the stream, and another gateway puts the same record: the old revision is not that of the new one', async () => {
    const seen = await watched();
    const before = revisionOf(seen, 'lane.a.0');
    await manager.streams.delete(opened.name);
    await using other = await openState(nats.url, opened.store);
    for (const key of ['group.a', 'lane.a.0', 'lane.a.1'])
      await other.state.put(key, bytes('theirs'), 0n, call);
    await expect(put('lane.a.0', 'x', before)).rejects.toThrow(StateChangedError);
    await agrees(seen);
    expect(Buffer.from(seen.records.get('lane.a.0')?.value ?? '').toString()).toBe('theirs');
  }, 60_000);

  test('deletes the log and the stream: no stream is created in the place of what may only be unreadable', async () => {
    await watched();
    await manager.streams.delete(opened.name);
    await manager.streams.delete(opened.store);
    const short = { ...call, deadlineMs: performance.now() + 1_500 };
    await expect(state.put('group.n', bytes('n'), 0n, short)).rejects.toThrow(
      `there is no JetStream stream ${opened.store}`,
    );
    await expect(manager.streams.info(opened.name)).rejects.toThrow('stream not found');
  });
});

describe('settings', () => {
  test('that are wrong are named, and the stream is not used', async () => {
    await put('group.a', 'first');
    const { config } = await manager.streams.info(opened.name);
    await manager.streams.update(opened.name, { ...config, max_age: 3_600e9, max_msgs_per_subject: 5 });
    await using other = await openState(nats.url, opened.store);
    const message = /_STATE exists, but not with the configuration[^]*max_age: found 3600000000000, needed 0/;
    await expect(other.state.put('group.b', bytes('b'), 0n, call)).rejects.toThrow(message);
    await expect(other.state.put('group.b', bytes('b'), 0n, call)).rejects.toMatchObject({
      code: 'STORE_REFUSED',
    });
    await expect(other.state.watch(['group.*'], call)).rejects.toThrow(
      'max_msgs_per_subject: found 5, needed 1',
    );
    expect(other.state.wrongSettings).toHaveLength(2);
    await manager.streams.update(opened.name, { ...config });
    await other.state.put('group.b', bytes('b'), 0n, call);
    expect(other.state.wrongSettings).toEqual([]);
  });

  test('that become wrong are named, and the view goes on', async () => {
    const seen = await watched();
    const { config } = await manager.streams.info(opened.name);
    await manager.streams.update(opened.name, { ...config, max_age: 3_600e9 });
    await until(() => opened.state.wrongSettings.length === 1);
    expect(opened.state.wrongSettings).toEqual([`${opened.name} max_age: found 3600000000000, needed 0`]);
    await put('lane.a.0', 'second', revisionOf(seen, 'lane.a.0'));
    await agrees(seen);
    await manager.streams.update(opened.name, { ...config });
    await until(() => opened.state.wrongSettings.length === 0);
  });

  test('of a stream that is created are those that are needed', async () => {
    await put('group.a', 'first');
    const { config } = await manager.streams.info(opened.name);
    expect(config).toMatchObject({ max_msgs_per_subject: 1, allow_msg_ttl: true, num_replicas: 1 });
    expect(config.first_seq).toBeGreaterThan(1.7e15);
    expect(Number.isSafeInteger(config.first_seq)).toBe(true);
  });
});

test('a full stream: what does not fit is refused, a record can be removed, and then there is space again', async () => {
  const first = await put('group.a', 'x'.repeat(600));
  const { config } = await manager.streams.info(opened.name);
  await manager.streams.update(opened.name, { ...config, max_bytes: 1_000 });
  await expect(put('group.b', 'x'.repeat(600))).rejects.toThrow(StoreFullError);
  expect(await state.get('group.b', call)).toBeUndefined();
  await state.remove('group.a', first, call);
  await put('group.b', 'x'.repeat(600));
});

test('a record that NATS does not take is refused at once, and the largest one is stored', async () => {
  await expect(put('group.a', 'x'.repeat(1 << 20))).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  const largest = state.valueBytesMax;
  expect(largest).toBe((1 << 20) - 1_024);
  await expect(put('group.a', 'x'.repeat(largest + 1))).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  await put('group.a', 'x'.repeat(largest));
});

test('what marks a removed record is removed by the server', async () => {
  const revision = await put('lane.a.0', 'first');
  await state.remove('lane.a.0', revision, call);
  const mark = await manager.streams.getMessage(opened.name, { last_by_subj: `${opened.name}.lane.a.0` });
  expect(mark.header.get('Nats-TTL')).toBe('5m');
  expect(mark.data).toHaveLength(0);
  const soon = headers();
  soon.set('Nats-TTL', '1s');
  await connection.jetstream().publish(`${opened.name}.lane.a.0`, '', { headers: soon });
  await until(async () => (await manager.streams.info(opened.name)).state.messages === 0, 15_000);
  expect(await put('lane.a.0', 'again')).toBeGreaterThan(revision + 2n);
});

test('a record whose mark is gone while a view is open can be put by who removed it', async () => {
  const seen = await watched();
  await state.remove('lane.a.0', revisionOf(seen, 'lane.a.0'), call);
  await manager.streams.purge(opened.name, { filter: `${opened.name}.lane.a.0` });
  const revision = await put('lane.a.0', 'again');
  await until(() => revisionOf(seen, 'lane.a.0') === revision);
  await agrees(seen);
});
