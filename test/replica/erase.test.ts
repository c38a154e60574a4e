import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import { eraseCommits } from '../../src/replica/apply/erase-commits';
import { segmentsFolder } from '../../src/replica/apply/open-files';
import { verifyReplica } from '../../src/replica/offline';
import { hashOf } from '../../src/replica/index/id-hash';
import { DamagedReplicaError } from '../../src/replica/segments/damage';
import { erasedCommit } from '../../src/replica/segments/erase-record';
import { readWhole } from '../../src/replica/segments/read-again';
import type { Segments } from '../../src/replica/segments/segments';
import type { LogCommit, LogControl } from '../../src/store/log';
import type { Erasure } from '../../src/store/stream-rules';
import { version, type StreamName } from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { call, everything, eventsOf, open, wholeStream, type Opened } from '../support/opened-replica';
import { makeReplicaDir } from '../support/replica-dir';

/** What an erasure leaves in the files of a replica, and what readers get. */

const secret = 'planted-secret';
const a = 'a' as StreamName;

/** Stores one commit of events that have the secret everywhere. */
function appendSecret(log: MemoryLog, count: number, stream = 'a'): void {
  log.appendEvents(count, stream);
  const group = log.groups.at(-1) as [LogCommit];
  const events = CommitRecord.decode(group[0].record).events.map((event): RecordedEvent => ({
    ...event,
    payload: { $case: 'text', value: secret.repeat(50) },
    correlationId: secret,
    metadata: new Map([['key', secret]]),
    tags: [secret],
  }));
  log.groups[log.groups.length - 1] = [
    { ...group[0], record: CommitRecord.encode({ events }).finish(), commitId: randomUUID() },
  ];
}

function erase(log: MemoryLog, from: bigint, to: bigint, stream = 'a'): LogControl {
  const control: Erasure = {
    kind: 'erase',
    fromVersion: version(from),
    toVersion: version(to),
    reason: 'asked for',
  };
  return log.control(stream, control);
}

/** The versions 1, 2 to 4, 5 and 6 of one stream, and others around them. */
function filled(): MemoryLog {
  const log = new MemoryLog();
  log.append('b');
  appendSecret(log, 1);
  appendSecret(log, 3);
  log.append('b');
  appendSecret(log, 1);
  appendSecret(log, 1);
  log.append('b');
  return log;
}

async function streamOf({ reads }: Opened, stream = a): Promise<RecordedEvent[]> {
  const { pages } = await reads.readStream({ ...wholeStream, stream }, call());
  const events: RecordedEvent[] = [];
  for await (const { runs } of pages)
    for (const run of runs) events.push(...CommitRecord.decode(run.events).events);
  return events;
}

async function allOf({ reads }: Opened): Promise<RecordedEvent[]> {
  const { pages } = await reads.readAll(everything, call());
  const events: RecordedEvent[] = [];
  for await (const { runs } of pages)
    for (const run of runs) events.push(...CommitRecord.decode(run.events).events);
  return events;
}

async function correlated({ reads }: Opened): Promise<number[]> {
  const query = { correlationId: secret, eventTypes: new Set<string>(), maxCount: undefined };
  const { pages } = await reads.readByCorrelation({ ...query, skipUnreadable: false }, call());
  const versions: number[] = [];
  for await (const { runs } of pages)
    for (const { events } of runs)
      versions.push(...CommitRecord.decode(events).events.map((event) => Number(event.version)));
  return versions;
}

function erasedVersions(events: readonly RecordedEvent[]): number[] {
  return events.flatMap((event) => (event.erased ? [Number(event.version)] : []));
}

/** How often the secret is in the segments. */
function secretsIn(folder: string): number {
  const segments = segmentsFolder(folder);
  return readdirSync(segments)
    .map((name) => readFileSync(join(segments, name)).toString('latin1').split(secret).length - 1)
    .reduce((sum, count) => sum + count, 0);
}

const perEvent = 53;

test('erased commits are stubs for every read, and their bytes are gone from the files', async () => {
  const [log, folder] = [filled(), makeReplicaDir()];
  await using opened = await open(log, folder);
  const before = await streamOf(opened);
  expect(await correlated(opened)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(secretsIn(folder)).toBe(6 * perEvent);
  const control = erase(log, 2n, 5n);
  await opened.replica.catchUp('leader', call());
  expect(secretsIn(folder)).toBe(2 * perEvent);
  const after = await streamOf(opened);
  expect(erasedVersions(after)).toEqual([2, 3, 4, 5]);
  expect(
    after.map(({ id, version: at, type, position, commitTime }) => [id, at, type, position, commitTime]),
  ).toEqual(
    before.map(({ id, version: at, type, position, commitTime }) => [id, at, type, position, commitTime]),
  );
  expect([after[0], after[5]]).toEqual([before[0], before[5]]);
  expect((await allOf(opened)).filter(({ stream }) => stream === 'a')).toEqual(after);
  expect(await eventsOf(opened, { direction: 'backward' })).toHaveLength(9);
  expect(await correlated(opened)).toEqual([1, 6]);
  const { erased } = await opened.reads.getStream(a, call());
  expect(erased).toEqual([
    {
      ...{ fromVersion: 2n, toVersion: 5n, reason: 'asked for', principal: '' },
      ...{ position: control.position, commitTime: control.timeNanos },
    },
  ]);
  expect((await opened.reads.getStream('b' as StreamName, call())).erased).toEqual([]);
});

test('of erased commits, the tags are gone from the index', async () => {
  const [log, folder] = [filled(), makeReplicaDir()];
  await using opened = await open(log, folder);
  const tagged = (): number[] => {
    const { tags } = opened.replica.files.index;
    const all = { position: 0n, reverse: false, limit: 100 };
    return tags.postings(hashOf(secret), all).map((posting) => Number(posting.sequence));
  };
  expect(tagged()).toEqual([2, 3, 5, 6]);
  erase(log, 2n, 5n);
  await opened.replica.catchUp('leader', call());
  expect(tagged()).toEqual([2, 6]);
});

test('a replica says the same when it was filled before the contents were removed from the log, after it, or opened again', async () => {
  const [log, live] = [filled(), makeReplicaDir()];
  const folders = [makeReplicaDir(), makeReplicaDir()] as const;
  let expected: RecordedEvent[];
  {
    await using opened = await open(log, live);
    await streamOf(opened);
    erase(log, 1n, 4n);
    log.append('a');
    erase(log, 6n, 6n);
    await opened.replica.catchUp('leader', call());
    expected = await allOf(opened);
    expect(erasedVersions(expected)).toEqual([1, 2, 3, 4, 6]);
  }
  await verifyReplica(live);
  {
    await using filledAtOnce = await open(log, folders[0]);
    expect(await allOf(filledAtOnce)).toEqual(expected);
    expect(await correlated(filledAtOnce)).toEqual([5]);
  }
  expect(secretsIn(folders[0])).toBe(perEvent);
  log.groups = log.groups.map((group) =>
    group.map((entry) =>
      'record' in entry && entry.stream === 'a' && [1n, 2n, 6n].includes(entry.firstVersion)
        ? erasedCommit(entry)
        : entry,
    ),
  );
  for (const folder of [folders[1], live]) {
    await using opened = await open(log, folder);
    expect(await allOf(opened)).toEqual(expected);
    expect(await correlated(opened)).toEqual([5]);
    expect((await opened.reads.getStream(a, call())).erased).toHaveLength(2);
  }
  expect([secretsIn(folders[1]), secretsIn(live)]).toEqual([perEvent, perEvent]);
  for (const folder of folders) await verifyReplica(folder);
});

test('what is read from the log, since its segment was removed, is a stub as well', async () => {
  const [log, folder] = [filled(), makeReplicaDir()];
  const limits = { segmentBytesMax: 64 << 10, replicaBytesMax: 100 << 10, tailBytesMax: 0 };
  await using opened = await open(log, folder, limits);
  for (let i = 0; i < 10; i++) {
    log.appendLarge(100_000, 'b');
    await opened.replica.catchUp('leader', call());
  }
  expect(opened.replica.files.segments.first).toBeGreaterThan(0);
  erase(log, 2n, 4n);
  await opened.replica.catchUp('leader', call());
  expect(erasedVersions(await streamOf(opened))).toEqual([2, 3, 4]);
  expect(erasedVersions(await allOf(opened))).toEqual([2, 3, 4]);
  expect(await correlated(opened)).toEqual([1, 5, 6]);
});

test('an erasure that was cut short is completed by a repetition', async () => {
  const [log, folder] = [filled(), makeReplicaDir()];
  await using opened = await open(log, folder);
  const files = opened.replica.files as typeof opened.replica.files & { readonly segments: Segments };
  const commits = { stream: 'a', fromVersion: version(1n), toVersion: version(5n) };
  // A crash before the segments are overwritten.
  await files.index.erased.mark('a', [...files.index.forward('a', 1n)].slice(0, 2), { keys: [], tags: [] });
  await eraseCommits(files, [commits]);
  expect(secretsIn(folder)).toBe(perEvent);
  const once = await streamOf(opened);
  await eraseCommits(files, [commits]);
  expect(await streamOf(opened)).toEqual(once);
  expect(erasedVersions(once)).toEqual([1, 2, 3, 4, 5]);
});

test('many erasures are put into the index together, and what follows them in the same batch is not', async () => {
  const [log, folder] = [filled(), makeReplicaDir()];
  for (let i = 0; i < 100; i++) log.append(`many.${i}`);
  await using opened = await open(log, folder, { readProgressTimeoutMs: 10_000 });
  const { index } = opened.replica.files;
  const batches = jest.spyOn(index, 'putInBackground');
  for (let i = 0; i < 100; i++) erase(log, 1n, 1n, `many.${i}`);
  log.append('many.0');
  erase(log, 2n, 2n, 'many.0');
  await opened.replica.catchUp('leader', call());
  // Before each erasure of its own batch: 101.
  expect(batches.mock.calls.length).toBeLessThan(6);
  expect(erasedVersions(await streamOf(opened, 'many.0' as StreamName))).toEqual([1, 2]);
});

test('commits that are only partly within the versions stay', async () => {
  const [log, folder] = [filled(), makeReplicaDir()];
  await using opened = await open(log, folder);
  erase(log, 3n, 5n);
  await opened.replica.catchUp('leader', call());
  expect(erasedVersions(await streamOf(opened))).toEqual([5]);
});

test('what seems damaged is read again, and is damaged if it stays so', async () => {
  const folder = makeReplicaDir();
  await using opened = await open(filled(), folder);
  const { segments } = opened.replica.files;
  let reads = 0;
  const read = (good: number) => (): Promise<number> => {
    reads++;
    return reads < good ? Promise.reject(new DamagedReplicaError('a mix')) : Promise.resolve(reads);
  };
  expect(await readWhole(segments, read(3)(), read(3))).toBe(3);
  reads = 0;
  await expect(readWhole(segments, read(99)(), read(99))).rejects.toThrow(DamagedReplicaError);
});
