import fs, { cpSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { directContract, problemOf, type ContractStore } from '../contract/contract-store';
import { Follower } from '../contract/follower';
import { range } from '../contract/events';
import { startEmbeddedNats, type EmbeddedServer } from '../../src/nats-server/embedded';
import { embeddedPaths } from '../../src/nats-server/embedded-config';
import { syncInGroups } from '../../src/nats-server/group-sync';
import { defaultLimits } from '../../src/limits';
import { openStore } from '../../src/open-store';
import { natsOptions } from '../support/nats-options';
import { until } from '../support/nats-server';
import { patience } from '../support/patience';
import { natsServerPath } from '../support/tools';

/** With the embedded nats-server, the gateway syncs the log itself: it acknowledges and shows nothing that is not on disk. */

const log = pino({ level: 'silent' });
/** The synced bytes of each file, by path. */
const synced = new Map<string, number>();
let syncs = 0;
/** What a sync waits for, or the error that it fails with. */
let hold: Promise<void> | undefined;
let failure: Error | undefined;

const { fdatasync, fdatasyncSync } = fs;

function note(file: number): void {
  if (failure !== undefined) throw failure;
  syncs++;
  const path = readlinkSync(`/proc/self/fd/${file}`);
  synced.set(path, fs.fstatSync(file).size);
}

beforeAll(() => {
  jest.spyOn(fs, 'fdatasyncSync').mockImplementation((file) => {
    note(file);
    fdatasyncSync(file);
  });
  jest.spyOn(fs, 'fdatasync').mockImplementation((file, done) => {
    void Promise.resolve(hold).then(() => {
      try {
        note(file);
        fdatasync(file, done);
      } catch (error) {
        done(error as NodeJS.ErrnoException);
      }
    });
  });
});
afterAll(() => {
  jest.restoreAllMocks();
});

/** Whether the synced part of the log has a text. */
function isSynced(text: string): boolean {
  return [...synced].some(([path, bytes]) => readFileSync(path).subarray(0, bytes).includes(text));
}

interface Opened extends ContractStore, AsyncDisposable {}

const storeOptions = { name: 'EVENTS', prefix: 'es', replicas: 1 };

async function open(server: EmbeddedServer): Promise<Opened> {
  const store = await openStore({
    address: '',
    nats: natsOptions(server.url, server),
    store: storeOptions,
    mayCreate: true,
    limits: { ...defaultLimits, readProgressTimeoutMs: 2_000, appendTimeoutMs: 3_000 },
    log,
    durability: syncInGroups({ dataDir: server.dataDir, stream: storeOptions.name, log }),
    replicaDir: join(server.dataDir, 'replica'),
  });
  return { ...directContract(store), [Symbol.asyncDispose]: () => store.close() };
}

async function withStore(test: (store: Opened, server: EmbeddedServer) => Promise<void>): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-sync-'));
  try {
    const binary = { path: natsServerPath(), version: '' };
    await using server = await startEmbeddedNats({ dataDir, binary, store: storeOptions, log });
    await using store = await open(server);
    [syncs, hold, failure] = [0, undefined, undefined];
    synced.clear();
    await test(store, server);
  } finally {
    [hold, failure] = [undefined, undefined];
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const marked = (id: string, bytes = 10) => ({
  id,
  type: 'T',
  payload: { $case: 'binary' as const, value: Buffer.alloc(bytes, 0x2e) },
});

test(
  'an append is acknowledged when its bytes are on disk, alone or among others, also when the log begins another file',
  () =>
    withStore(async (store, server) => {
      let late = 0;
      const append = async (id: string, bytes?: number): Promise<void> => {
        await store.append({ stream: `sync.${id}`, events: [marked(id, bytes)] });
        if (!isSynced(id)) late++;
      };
      for (const number of range(1, 5)) await append(`alone-${number}`);
      await Promise.all(range(1, 40).map((number) => append(`among-${number}`)));
      for (const number of range(1, 24)) await append(`large-${number}`, 900_000);
      await store.appendMulti({
        appends: ['transaction-1', 'transaction-2'].map((id) => ({
          stream: `sync.${id}`,
          events: [marked(id)],
        })),
      });
      expect([isSynced('transaction-1'), isSynced('transaction-2')]).toEqual([true, true]);
      expect(late).toBe(0);
      expect([...synced.keys()].length).toBeGreaterThan(2);
      // The start of the next gateway syncs what an earlier one has left.
      await store[Symbol.asyncDispose]();
      synced.clear();
      const fsync = jest.spyOn(fs, 'fsyncSync');
      await using next = await open(server);
      expect(fsync.mock.calls.length).toBeGreaterThan(4);
      expect((await next.version('sync.transaction-2')).version).toBe(1n);
    }),
  60_000,
);

test('commits that are stored after the log has gone back are synced, though their sequences were synced before', () =>
  withStore(async (store, server) => {
    const append = async (id: string): Promise<void> => {
      // Its connection may come back later than that of the reads.
      await until(() =>
        store.append({ stream: `back.${id}`, events: [marked(id)] }).then(
          () => true,
          () => false,
        ),
      );
    };
    const reached = (): Promise<void> =>
      until(async () => (await store.version('back.kept').catch(() => undefined))?.version === 1n);
    await append('kept');
    const folder = join(embeddedPaths(server.dataDir).streams, 'EVENTS');
    const copy = join(server.dataDir, 'copy');
    await server.restart();
    cpSync(folder, copy, { recursive: true });
    await reached();
    for (const number of range(1, 9)) await append(`lost-${number}`);
    await server.restart();
    rmSync(folder, { recursive: true });
    cpSync(copy, folder, { recursive: true });
    await reached();
    synced.clear();
    await append('after');
    expect((await store.version('back.after')).position).toBe(2n);
    expect(isSynced('after')).toBe(true);
  }));

test.each([
  ['that must be new', { expectedVersion: 0n }],
  ['that may have any version', {}],
])('many appends to streams %s share a sync', (_what, expected) =>
  withStore(async (store) => {
    // They need no lookups, so all of them are sent together.
    const appends = range(1, 512).map((number) =>
      store.append({ stream: `shared.${number}`, ...expected, events: [marked(`e-${number}`)] }),
    );
    await Promise.all(appends);
    expect(syncs).toBeGreaterThan(0);
    expect(syncs).toBeLessThan(64);
  }),
);

test('no caller sees what is not on disk yet', () =>
  withStore(async (store) => {
    const streams = range(1, 3).map((number) => `hidden.${number}`);
    await using follower = new Follower(store, { patterns: ['hidden.>'] });
    await follower.until('caughtUp');
    let release = (): void => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const seen: string[] = [];
    const note = async (what: string, request: Promise<unknown>): Promise<void> => {
      await request;
      seen.push(what);
    };
    const appended = streams.map((stream) =>
      store.append({ stream, expectedVersion: 0n, events: [marked(stream)] }),
    );
    const all = [
      ...appended.map((append) => note('append', append)),
      note('follow', follower.take(3)),
      // Requests of another connection, which the server may answer before or after the appends.
      ...streams.map((stream) => note('version', store.version(stream))),
      note('all', store.all({ patterns: ['hidden.>'] })),
    ];
    await new Promise((resolve) => setTimeout(resolve, 300));
    const early = [...seen];
    release();
    hold = undefined;
    await Promise.all(all);
    // Those that reached the server first have seen nothing, and need not wait.
    expect(early.filter((what) => what === 'append' || what === 'follow')).toEqual([]);
    expect((await store.all({ patterns: ['hidden.>'] })).events).toHaveLength(3);
  }));

test('what an error shows is on disk as well', () =>
  withStore(async (store) => {
    const commitId = '01a21106-c38b-74b8-aa9c-0f93f136a250';
    let release = (): void => undefined;
    hold = new Promise((resolve) => (release = resolve));
    // Several appends are sent together, since a sync for a single one is not held. The one with an id follows them.
    const first = range(11, 26).map((number) =>
      store.append({ stream: `shown.${number}`, expectedVersion: 0n, events: [marked(`first-${number}`)] }),
    );
    first.push(store.append({ stream: 'shown.1', events: [marked('first-1')], commitId }));
    // Until they are stored.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const shown: unknown[] = [];
    const problems = [
      store.append({ stream: 'shown.1', events: [marked('late')], expectedVersion: 0n }),
      store.append({ stream: 'shown.1', events: [], expectedVersion: 7n }),
      store.append({ stream: 'shown.4', events: [marked('other')], commitId }),
      store.appendMulti({
        appends: [{ stream: 'shown.5', events: [marked('transaction')] }],
        checks: [{ stream: 'shown.1', expectedVersion: 0n }],
      }),
    ].map(async (append) => {
      const { reason } = await problemOf(append);
      shown.push(reason);
      return reason;
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const early = [...shown];
    release();
    hold = undefined;
    await Promise.all(first);
    expect(early).toEqual([]);
    expect(await Promise.all(problems)).toEqual([
      'VERSION_CONFLICT',
      'VERSION_CONFLICT',
      'COMMIT_ID_REUSE',
      'VERSION_CONFLICT',
    ]);
  }));

test(
  'an append waits for a disk that does not answer until its deadline, and no longer',
  () =>
    withStore(async (store) => {
      let release = (): void => undefined;
      hold = new Promise((resolve) => (release = resolve));
      const commitId = '01a21106-c38b-74b8-aa9c-0f93f136a251';
      // A sync for a single append is not held.
      const first = { stream: 'hung.1', events: [marked('hung-1')], commitId };
      const appends = [
        store.append(first),
        ...range(2, 17).map((number) =>
          store.append({ stream: `hung.${number}`, expectedVersion: 0n, events: [marked(`hung-${number}`)] }),
        ),
        store.appendMulti({ appends: [{ stream: 'hung.18', events: [marked('hung-18')] }] }),
      ];
      const beganMs = performance.now();
      for (const problem of await Promise.all(appends.map(problemOf)))
        expect(problem).toEqual({ reason: 'OUTCOME_UNKNOWN' });
      // The stored append is found, but not on disk yet.
      expect(await problemOf(store.append(first))).toEqual({ reason: 'OUTCOME_UNKNOWN' });
      expect(performance.now() - beganMs).toBeLessThan(15_000 * patience);
      release();
      hold = undefined;
      expect(await store.append(first)).toMatchObject({ version: 1n, replayed: true });
      expect((await store.version('hung.18')).version).toBe(1n);
      // A stop does not wait for it either.
      hold = new Promise((resolve) => (release = resolve));
      const late = range(19, 22).map((number) =>
        store.append({ stream: `hung.${number}`, expectedVersion: 0n, events: [marked(`hung-${number}`)] }),
      );
      await Promise.all(late.map(problemOf));
      await store[Symbol.asyncDispose]();
      release();
    }),
  30_000,
);

test('a disk that fails leaves an append in doubt, and later appends are refused', () =>
  withStore(async (store) => {
    await store.append({ stream: 'broken.1', events: [marked('fine')] });
    await using follower = new Follower(store, { patterns: ['broken.>'] });
    expect(await follower.take(1)).toMatchObject([{ id: 'fine' }]);
    await follower.until('caughtUp');
    const followed = problemOf(follower.take(1));
    failure = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    const inDoubt = range(1, 3).map((number) =>
      problemOf(store.append({ stream: `broken.${number}`, events: [marked('lost')] })),
    );
    for (const problem of await Promise.all(inDoubt)) expect(problem).toEqual({ reason: 'OUTCOME_UNKNOWN' });
    expect(await followed).toEqual({ reason: 'STORE_UNAVAILABLE' });
    failure = undefined;
    // The system may have dropped what it could not write, so there is no second sync.
    expect(await problemOf(store.version('broken.1'))).toEqual({ reason: 'STORE_UNAVAILABLE' });
    expect(await problemOf(store.append({ stream: 'broken.4', events: [marked('x')] }))).toEqual({
      reason: 'OUTCOME_UNKNOWN',
    });
  }));
