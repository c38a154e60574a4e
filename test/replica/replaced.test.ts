import fs, { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { defaultLimits } from '../../src/limits';
import { Replica } from '../../src/replica/replica';
import { createReplicaStore } from '../../src/replica/replica-store';
import type { CallContext, SubscribeQuery } from '../../src/store/event-store';
import { position } from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { until } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';

/** A replica is rebuilt, closed or not writable while reads and subscriptions use it. */

const logger = pino({ level: 'silent' });
const limits = { ...defaultLimits, readProgressTimeoutMs: 500 };

function open(log: MemoryLog, folder = makeReplicaDir()): Promise<Replica> {
  return Replica.open({ folder, log, limits, logger }, 2_000);
}

const call = (): CallContext => ({
  signal: new AbortController().signal,
  deadlineMs: performance.now() + 10_000,
});

const filter = { patterns: ['>'], eventTypes: new Set<string>(), eventTypePrefixes: [] };
const fromStart: SubscribeQuery = {
  filter,
  start: { kind: 'position', after: position(0n), afterCount: undefined, fromTime: undefined },
  startMustExist: false,
  heartbeatMs: undefined,
  skipUnreadable: false,
  storeId: '',
};

afterEach(() => {
  jest.restoreAllMocks();
});

/** Makes positioned writes to files fail, such as those to the segments, until the returned function is called. */
function fillDisk(): () => void {
  const { writeSync } = fs;
  const spy = jest.spyOn(fs, 'writeSync').mockImplementation((...args: unknown[]) => {
    if (args.length < 5) return (writeSync as (...all: unknown[]) => number)(...args);
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
  return () => {
    spy.mockRestore();
  };
}

test('a slow subscriber gets nothing from a log that has gone back and has grown past the position of the subscriber', async () => {
  const log = new MemoryLog();
  for (let i = 0; i < 30; i++) log.append('a');
  await using replica = disposable(await open(log));
  const { reads } = createReplicaStore(replica);
  const stop = new AbortController();
  const updates = reads.subscribe(fromStart, call(), stop.signal)[Symbol.asyncIterator]();
  for (let isLive = false; !isLive;) {
    const next = await updates.next();
    isLive = next.done !== true && next.value.kind === 'caughtUp';
  }
  log.cut(10n);
  for (let i = 0; i < 50; i++) log.append('b');
  log.doubt();
  await until(() => replica.isReady && replica.applied === 60n);
  await expect(updates.next()).rejects.toMatchObject({
    code: expect.stringMatching(/^(STORE_UNAVAILABLE|REPLICA_FILLING)$/) as string,
  });
  expect(replica.isReady).toBe(true);
  stop.abort();
});

test('a list of streams is complete or an error', async () => {
  const log = new MemoryLog();
  for (let i = 0; i < 600; i++) log.append(`a.${i.toString().padStart(3, '0')}`);
  await using replica = disposable(await open(log));
  const { reads } = createReplicaStore(replica);
  const pages = reads.listStreams(
    { patterns: ['>'], after: '', maxCount: undefined, includeDeleted: false },
    call(),
  );
  const names: string[] = [];
  const listing = (async () => {
    for await (const page of pages) {
      names.push(...page.map(({ stream }) => stream));
      if (names.length > 256) continue;
      log.cut(300n);
      log.append('other');
      // For now the replica is filled only in part.
      let given = 0;
      log.gate = () => (given++ < 5 ? Promise.resolve() : new Promise(() => undefined));
      log.doubt();
      await until(() => replica.applied === 5n);
    }
  })();
  await expect(listing).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(names).toHaveLength(256);
});

test('the record of an unreadable message is damaged: the replica is rebuilt at the start', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  log.damage('b');
  await (await open(log, folder)).close();
  const [name = ''] = readdirSync(join(folder, 'segments'));
  const path = join(folder, 'segments', name);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 0x40;
  writeFileSync(path, bytes);
  await using replica = disposable(await open(log, folder));
  await until(() => replica.isReady);
  expect(replica.applied).toBe(2n);
});

test('a batch that could not be written while the replica was filled is written later, and the replica becomes ready', async () => {
  const log = new MemoryLog();
  for (let i = 0; i < 10; i++) log.append('a');
  const release = fillDisk();
  const opening = open(log);
  await until(() => log.follows > 0);
  await using replica = disposable(await opening);
  expect(replica.isReady).toBe(false);
  release();
  await until(() => replica.isReady);
  expect(replica.applied).toBe(10n);
});

test('a wait for a sequence that never arrives ends after a time', async () => {
  const log = new MemoryLog();
  log.append('a');
  await using replica = disposable(await open(log));
  const waits = Array.from({ length: 10 }, () =>
    replica.waitUntilApplied(5n, { signal: new AbortController().signal, deadlineMs: Infinity }),
  );
  for (const outcome of await Promise.allSettled(waits))
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
});

test.each(['closed', 'rebuilt'])(
  'a replica that cannot be written while much is to be written is %s',
  async (what) => {
    const log = new MemoryLog();
    log.append('a');
    await using replica = disposable(await open(log));
    await until(() => replica.isReady);
    const release = fillDisk();
    // More than a batch has space for.
    for (let i = 0; i < 20; i++) log.appendLarge(1 << 20, 'large');
    await until(() => replica.received > 16n);
    if (what === 'closed') {
      await replica.close();
      return;
    }
    log.cut(1n);
    log.append('b');
    log.doubt();
    await until(() => replica.received < 16n);
    release();
    await until(() => replica.isReady && replica.applied === 2n);
  },
);

test('a subscriber gets commits that had to wait until the disk had space', async () => {
  const log = new MemoryLog();
  log.append('a');
  await using replica = disposable(await open(log));
  const { reads } = createReplicaStore(replica);
  const stop = new AbortController();
  const query = { ...fromStart, filter: { ...filter, patterns: ['large'] } };
  const got: bigint[] = [];
  let isLive = false;
  const following = (async () => {
    for await (const update of reads.subscribe(query, call(), stop.signal)) {
      isLive ||= update.kind === 'caughtUp';
      if (update.kind === 'events') got.push(...update.runs.map((run) => run.position));
      if (got.includes(21n)) return;
    }
  })();
  await until(() => isLive);
  const release = fillDisk();
  for (let i = 0; i < 20; i++) log.appendLarge(1 << 20, 'large');
  // Until the batch is full.
  let received = 0n;
  await until(async () => {
    const before = received;
    await sleep(100);
    received = replica.received;
    return received > 1n && received === before;
  });
  // Long enough for a tick, which wakes all waiters with the current position.
  await sleep(2_500);
  release();
  await following;
  expect(got).toEqual(Array.from({ length: 20 }, (_, at) => BigInt(at + 2)));
  stop.abort();
});

test('a stop also writes what was received while a batch was written', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  const first = await open(log, folder);
  for (let i = 0; i < 5_000; i++) log.append(`a.${i % 7}`);
  await until(() => first.received === 5_000n);
  await first.close();
  let given = 0;
  log.gate = () => {
    given++;
    return Promise.resolve();
  };
  await using second = disposable(await open(log, folder));
  expect(second.applied).toBe(5_000n);
  expect(given).toBe(0);
});

function disposable(replica: Replica): Replica & AsyncDisposable {
  return Object.assign(replica, { [Symbol.asyncDispose]: () => replica.close() });
}
