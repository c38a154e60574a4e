import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { createReplicaStore } from '../../src/replica/replica-store';
import { position, sequence, type StreamName } from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { until } from '../support/nats-server';
import {
  call,
  becomesWhole,
  eventsOf,
  everything,
  expectWhole,
  open,
  storedIn,
  wholeStream,
  type Opened,
} from '../support/opened-replica';
import { makeReplicaDir } from '../support/replica-dir';

/** The states of a replica, and what it serves in each. */

const kinds: readonly [string, (log: MemoryLog) => void][] = [
  [
    'is another one of the same name',
    (log) => {
      log.identity = 'two';
    },
  ],
  [
    'ends earlier',
    (log) => {
      log.cut(5n);
    },
  ],
  [
    'has another commit where the replica ends',
    (log) => {
      log.cut(9n);
      log.append('other');
    },
  ],
  [
    'has lost messages',
    (log) => {
      log.lose(3n);
    },
  ],
];

test('a reopened replica does not read the log again', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 100; i++) log.append(`a.${i % 7}`);
  log.append('x', 'y', 'a.1');
  {
    await using first = await open(log, folder);
    await expectWhole(first, log);
  }
  let given = 0;
  log.gate = () => {
    given++;
    return Promise.resolve();
  };
  await using second = await open(log, folder);
  log.append('a.1');
  await expectWhole(second, log);
  expect(given).toBe(1);
});

test('a copied folder is used', async () => {
  const [log, folder, other] = [new MemoryLog(), makeReplicaDir(), makeReplicaDir()];
  for (let i = 0; i < 100; i++) log.append(`a.${i % 7}`);
  await using first = await open(log, folder);
  await expectWhole(first, log);
  await first[Symbol.asyncDispose]();
  cpSync(folder, other, { recursive: true });
  let given = 0;
  log.gate = () => {
    given++;
    return Promise.resolve();
  };
  await using second = await open(log, other);
  await expectWhole(second, log);
  expect(given).toBe(0);
});

test('reads fail with the progress while the replica is filled', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 10; i++) log.append('a');
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  log.gate = () => gate;
  await using opened = await open(log, folder, {}, 10);
  await expect(eventsOf(opened)).rejects.toMatchObject({ code: 'REPLICA_FILLING', applied: 0n, end: 10n });
  expect(opened.replica.isReady).toBe(false);
  release();
  await until(() => opened.replica.isReady);
  await expectWhole(opened, log);
});

test('a replica that was closed while it was filled continues there', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 20_000; i++) log.append(`a.${i % 7}`);
  let given = 0;
  log.gate = async () => {
    if (++given % 700 === 0) await new Promise(setImmediate);
  };
  for (let start = 1; start <= 20; start++) {
    await using opened = await open(log, folder, {}, 1);
    while (opened.replica.received < BigInt(start * 1_000)) await new Promise(setImmediate);
  }
  await using opened = await open(log, folder, {}, 30_000);
  expect(await eventsOf(opened)).toEqual(storedIn(log));
  // What was received before the close was kept.
  expect(given).toBeLessThan(21_000);
});

test.each(kinds)('the log %s: noticed at the start', async (_name, change) => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 10; i++) log.append('a');
  await (await open(log, folder))[Symbol.asyncDispose]();
  change(log);
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
});

test.each(kinds.filter(([name]) => !name.includes('another commit')))(
  'the log %s: noticed by a read',
  async (_name, change) => {
    const [log, folder] = [new MemoryLog(), makeReplicaDir()];
    for (let i = 0; i < 10; i++) log.append('a');
    await using opened = await open(log, folder);
    await expectWhole(opened, log);
    change(log);
    if (log.lost === 0n) log.append('a', 'b');
    await until(() =>
      eventsOf(opened).then(
        (found) => found.join() === storedIn(log).join(),
        () => false,
      ),
    );
    await expectWhole(opened, log);
  },
);

test('a doubted log is compared with the replica before anything is read or received', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 10; i++) log.append('a');
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
  log.doubt();
  await expectWhole(opened, log);
  log.cut(5n);
  for (let i = 0; i < 5; i++) log.append('other');
  log.doubt();
  for (let i = 0; i < 3; i++) log.append('more');
  await becomesWhole(opened, log);
});

test('a log of several servers is asked again before it is considered to have gone back', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.isAuthoritative = false;
  for (let i = 0; i < 10; i++) log.append('a');
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
  const end = log.end.bind(log);
  let old = 3;
  // As from a leader that was replaced and does not know it yet.
  log.end = async () => {
    const now = await end();
    return old-- > 0 ? { ...now, sequence: sequence(4n) } : now;
  };
  expect(await eventsOf(opened)).toEqual(storedIn(log));
  expect(old).toBeLessThan(1);
  expect(log.follows).toBe(1);
});

test.each([true, false])(
  'a read does not wait for acknowledged commits that are lost (sole writer: %s)',
  async (isSoleWriter) => {
    const [log, folder] = [new MemoryLog(), makeReplicaDir()];
    log.isSoleWriter = isSoleWriter;
    for (let i = 0; i < 5; i++) log.append('a');
    await using opened = await open(log, folder);
    await expectWhole(opened, log);
    // The connection is lost before the commits arrive.
    log.gate = () => new Promise(() => undefined);
    for (let i = 0; i < 3; i++) log.append('a');
    opened.replica.onAcknowledged(8n);
    log.cut(5n);
    log.gate = () => Promise.resolve();
    log.doubt();
    await until(() =>
      eventsOf(opened).then(
        () => true,
        () => false,
      ),
    );
    log.append('b');
    opened.replica.onAcknowledged(6n);
    await expectWhole(opened, log);
  },
);

test('a log that goes back right after it was compared is noticed before anything is received', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 10; i++) log.append('a');
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
  const identityAt = log.identityAt.bind(log);
  log.identityAt = async (sequence) => {
    const found = await identityAt(sequence);
    log.identityAt = identityAt;
    log.cut(5n);
    for (let i = 0; i < 8; i++) log.append('other');
    return found;
  };
  log.doubt();
  await until(() => log.follows > 1);
  await becomesWhole(opened, log);
});

test('a log that is doubted at each answer is asked again with pauses, until the deadline of the call', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
  const end = log.end.bind(log);
  let asked = 0;
  log.end = async () => {
    const now = await end();
    // As if two servers considered themselves the leader.
    if (asked++ < 10_000) log.doubt();
    return now;
  };
  const short = { signal: new AbortController().signal, deadlineMs: performance.now() + 500 };
  const read = opened.reads.getVersion('a' as StreamName, undefined, short);
  await expect(read).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(asked).toBeLessThan(100);
  log.end = end;
  await until(() => opened.replica.isReady);
  await expectWhole(opened, log);
});

/** The newest file of the segments. */
function segmentIn(folder: string): string {
  const [name = ''] = readdirSync(join(folder, 'segments')).sort().reverse();
  return join(folder, 'segments', name);
}

test.each([
  [
    'a flipped byte in a segment',
    (path: string) => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x40;
      writeFileSync(path, bytes);
    },
  ],
  [
    'a truncated segment',
    (path: string) => {
      truncateSync(path, statSync(path).size - 100);
    },
  ],
  [
    'a missing segment',
    (path: string) => {
      rmSync(path);
    },
  ],
])('%s is never served: the replica is rebuilt', async (_name, harm) => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 200; i++) log.append(`a.${i % 7}`);
  await (await open(log, folder))[Symbol.asyncDispose]();
  harm(segmentIn(folder));
  await using opened = await open(log, folder);
  await until(() =>
    eventsOf(opened).then(
      (found) => found.join() === storedIn(log).join(),
      (error: unknown) => {
        expect(['STORE_UNAVAILABLE', 'REPLICA_FILLING']).toContain((error as { code?: string }).code);
        return false;
      },
    ),
  );
  await expectWhole(opened, log);
});

test('an append that looks up a damaged record fails, and the replica is rebuilt', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  const commitId = log.append('a')[0]?.commitId ?? '';
  await (await open(log, folder))[Symbol.asyncDispose]();
  const path = segmentIn(folder);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x40;
  writeFileSync(path, bytes);
  await using opened = await open(log, folder);
  const { view } = createReplicaStore(opened.replica);
  await expect(view.commitsById(commitId, [])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  await until(() => opened.replica.isReady);
  expect(await view.commitsById(commitId, [])).toMatchObject([{ commitId, stream: 'a' }]);
});

test.each([
  [
    'its index is truncated',
    (folder: string) => {
      const path = join(folder, 'index', 'data.mdb');
      truncateSync(path, statSync(path).size - 4_096);
    },
  ],
  [
    'its index is empty',
    (folder: string) => {
      truncateSync(join(folder, 'index', 'data.mdb'), 0);
    },
  ],
  [
    'its index is missing',
    (folder: string) => {
      rmSync(join(folder, 'index'), { recursive: true });
    },
  ],
])('%s: the replica is rebuilt', async (_name, harm) => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 20; i++) log.append('a');
  await (await open(log, folder))[Symbol.asyncDispose]();
  harm(folder);
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
});

test('unreadable messages are reported with their positions, also after a restart', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  const broken = log.damage('b');
  log.append('a');
  const foreign = log.damage('(odd)', 'foreign');
  log.append('c');
  for (let start = 0; start < 2; start++) {
    log.met.length = 0;
    await using opened = await open(log, folder);
    await expect(eventsOf(opened)).rejects.toMatchObject({
      code: 'UNREADABLE_COMMIT',
      position: broken.position,
    });
    expect(await eventsOf(opened, { skipUnreadable: true })).toEqual(storedIn(log));
    expect(await eventsOf(opened, { afterPosition: position(broken.position) })).toEqual(['a@2', 'c@1']);
    expect(log.met.map((error) => error.position)).toEqual([broken.position, foreign.position]);
  }
});

test('lost messages are an error unless an operator has accepted the loss', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  log.append('a');
  const lost = log.damage('', 'lost');
  log.append('a');
  await using opened = await open(log, folder);
  expect(await eventsOf(opened)).toEqual(storedIn(log));
  log.isIncomplete = true;
  await expect(eventsOf(opened)).rejects.toMatchObject({
    code: 'UNREADABLE_COMMIT',
    position: lost.position,
  });
  expect(await eventsOf(opened, { skipUnreadable: true })).toEqual(storedIn(log));
});

test('a replica that was in use when the machine stopped is rebuilt, one that was closed is not', async () => {
  const [log, folder, copy] = [new MemoryLog(), makeReplicaDir(), makeReplicaDir()];
  for (let i = 0; i < 20; i++) log.append('a');
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
  cpSync(folder, copy, { recursive: true });
  await opened[Symbol.asyncDispose]();
  const given = { closed: 0, open: 0 };
  for (const [name, path] of [
    ['closed', folder],
    ['open', copy],
  ] as const) {
    // As if written before the last start of the machine.
    const file = join(path, 'index', 'data.mdb');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const bytes = readFileSync(file, 'latin1').replaceAll(boot, boot.replaceAll(/[0-9a-f]/g, '0'));
    writeFileSync(file, bytes, 'latin1');
    log.gate = () => {
      given[name]++;
      return Promise.resolve();
    };
    await using again = await open(log, path);
    await expectWhole(again, log);
  }
  expect(given).toEqual({ closed: 0, open: 20 });
});

test('reads of any replica succeed while the log is not reachable, others fail', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 5; i++) log.append('a');
  await using opened = await open(log, folder);
  await expectWhole(opened, log);
  log.end = () => Promise.reject(new Error('away'));
  const read = (consistency: 'leader' | 'anyReplica') =>
    opened.reads.readStream({ ...wholeStream, stream: 'a' as StreamName, consistency }, call());
  expect((await read('anyReplica')).head.version).toBe(5n);
  await expect(read('leader')).rejects.toThrow('away');
  await sleep(0);
});

test('above the bound the oldest segments are removed, and their records are read from the log', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  for (let i = 0; i < 3_000; i++) {
    if (i % 50 === 7) log.append('x', 'y');
    else if (i % 500 === 3) log.damage('b');
    else log.append(`a.${i % 7}`);
  }
  const limits = { segmentBytesMax: 64 << 10, replicaBytesMax: 200 << 10, tailBytesMax: 32 << 10 };
  const segments = (): string[] => readdirSync(join(folder, 'segments')).sort();
  const skipUnreadable = true;
  const expectAll = async (opened: Opened): Promise<void> => {
    expect(segments()[0]).not.toMatch(/^0+\.seg$/);
    const stored = storedIn(log);
    expect(await eventsOf(opened, { skipUnreadable })).toEqual(stored);
    const backward = await eventsOf(opened, { skipUnreadable, direction: 'backward' });
    expect([...backward].sort()).toEqual([...stored].sort());
    for (const after of [1n, 500n, 1_500n, 2_900n]) {
      const query = {
        skipUnreadable,
        afterPosition: position(after),
        filter: { ...everything.filter, patterns: ['a.*'] },
      };
      const expected = log.commits.filter(
        (commit) => commit.position > after && commit.stream.startsWith('a.'),
      );
      expect(await eventsOf(opened, query)).toEqual(
        expected.map((one) => `${one.stream}@${one.lastVersion}`),
      );
    }
    const one = await opened.reads.readStream({ ...wholeStream, stream: 'a.1' as StreamName }, call());
    let count = 0;
    for await (const { runs } of one.pages) for (const run of runs) count += run.eventCount;
    expect(count).toBe(log.commits.filter(({ stream }) => stream === 'a.1').length);
  };
  {
    await using opened = await open(log, folder, limits);
    await expectAll(opened);
    const bytes = segments().reduce((sum, name) => sum + statSync(join(folder, 'segments', name)).size, 0);
    expect(bytes).toBeLessThan((200 + 64 + 32) << 10);
    expect(log.reads).toBeGreaterThan(0);
  }
  await using again = await open(log, folder, limits);
  await expectAll(again);
});

test('a subscription to one stream gets its stored and new commits without reading other streams', async () => {
  const [log, folder] = [new MemoryLog(), makeReplicaDir()];
  const limits = { tailBytesMax: 0 };
  for (let i = 0; i < 3_000; i++) {
    if (i % 100 === 7) log.append('x', 'one');
    else if (i % 300 === 3) log.append('one');
    else log.append(`a.${i % 7}`);
  }
  const broken = log.damage('one');
  log.append('one');
  await (await open(log, folder, limits))[Symbol.asyncDispose]();
  await using opened = await open(log, folder, limits);
  const leave = new AbortController();
  const expected = log.commits
    .filter(({ stream }) => stream === 'one')
    .map(({ lastVersion }) => Number(lastVersion));
  for (const [after, from] of [
    [0n, 0],
    [
      1_507n,
      expected.findIndex(
        (_, index) => (log.commits.filter(({ stream }) => stream === 'one')[index]?.position ?? 0n) > 1_507n,
      ),
    ],
  ] as const) {
    const query = {
      filter: { ...everything.filter, patterns: ['one'] },
      start: {
        kind: 'position' as const,
        after: position(after),
        afterCount: undefined,
        fromTime: undefined,
      },
      startMustExist: false,
      heartbeatMs: undefined,
      skipUnreadable: true,
      storeId: '',
    };
    const context = { signal: leave.signal, deadlineMs: Infinity };
    const versions: number[] = [];
    const unreadable: bigint[] = [];
    let isLive = false;
    for await (const update of opened.reads.subscribe(query, context, new AbortController().signal)) {
      if (update.kind === 'checkpoint')
        unreadable.push(...(update.unreadable ?? []).map((one) => one.position));
      if (update.kind === 'events')
        for (const { events } of update.runs)
          versions.push(...CommitRecord.decode(events).events.map(({ version: at }) => Number(at)));
      if (update.kind === 'caughtUp') {
        isLive = true;
        log.append('a.1');
        log.append('one');
        expected.push(expected.length + 1);
      }
      if (isLive && versions.length === expected.length - from) break;
    }
    expect(versions).toEqual(expected.slice(from));
    expect(unreadable).toEqual([broken.position]);
  }
  leave.abort();
});
