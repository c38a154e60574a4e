import { CommitRecord } from '../../generated/sluice/v1/event';
import { DamagedReplicaError } from '../../src/replica/segments/damage';
import {
  bodyOf,
  commitIdOf,
  headersOf,
  nameOf,
  readHeader,
  encodeRecord,
} from '../../src/replica/segments/record';
import { checkChecksums, RecordIterator, completeGroups } from '../../src/replica/segments/record-iterator';
import { unfilteredRun } from '../../src/replica/reads/unfiltered-run';
import type { LogCommit } from '../../src/store/log';

const event = { id: 'e', stream: 'order.1', version: 1n, type: 'T', correlationId: 'c' };
const commit: LogCommit = {
  stream: 'order.1',
  firstVersion: 1n,
  lastVersion: 1n,
  sequence: 1n,
  position: 1n,
  timeNanos: 1n,
  commitId: '0190f3a1-7c4e-7b3a-8f21-0123456789ab',
  inTransaction: false,
  isTorn: false,
  record: CommitRecord.encode(CommitRecord.fromPartial({ events: [event] })).finish(),
};

test('a commit id is what it was', () => {
  const record = encodeRecord(commit, false);
  expect(commitIdOf(record, readHeader(record, 0))).toBe(commit.commitId);
});

test.each(['ab'.repeat(40), 'ab', '', 'not hexadecimal', 'ä€😀'])(
  'the id %j, which somebody else has given, changes nothing else, and is always the same',
  (commitId) => {
    const record = encodeRecord({ ...commit, commitId }, false);
    const header = readHeader(record, 0);
    expect(nameOf(record, header)).toBe(commit.stream);
    expect(bodyOf(record, header)).toEqual(bodyOf(record, readHeader(encodeRecord(commit, false), 0)));
    // What lies in memory by chance would be in it else.
    Buffer.allocUnsafe(4_000).fill(0xff);
    expect(encodeRecord({ ...commit, commitId }, false)).toEqual(record);
  },
);

/** Three commits, of which the last two are one transaction, and a message that is none. */
const records = [
  encodeRecord(commit, false),
  encodeRecord({ ...commit, stream: 'b', sequence: 2n, position: 3n }, true),
  encodeRecord({ ...commit, stream: 'c', sequence: 3n, position: 3n }, false),
  encodeRecord(
    {
      kind: 'foreign',
      stream: 'd',
      position: 2n ** 40n,
      timeNanos: 0n,
      claimedVersion: 0n,
      reason: 'it is foreign',
    },
    false,
  ),
];
const bytes = Buffer.concat(records);

test('a flipped bit in any byte of records that follow one another is noticed', () => {
  checkChecksums(bytes);
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
    expect(() => {
      checkChecksums(flipped);
    }).toThrow(DamagedReplicaError);
  }
});

test('wherever the bytes end, whole groups are what is taken', () => {
  const ends = [0, 1, 3, 4].map((count) => Buffer.concat(records.slice(0, count)).length);
  const lasts = [0n, 1n, 3n, 2n ** 40n];
  for (let length = 0; length <= bytes.length; length++) {
    const { complete, last } = completeGroups(bytes.subarray(0, length));
    const groups = ends.findLastIndex((end) => end <= length);
    expect(complete.length).toBe(ends[groups]);
    expect(last).toBe(lasts[groups]);
  }
});

test('what a walk says of a record is what its header says', () => {
  const walk = new RecordIterator(bytes);
  for (const header of headersOf(bytes)) {
    expect(walk.next()).toBe(true);
    const { start, end, bodyStart, bodyEnd, count, continues } = walk;
    expect(header).toMatchObject({ start, end, bodyStart, bodyEnd, count, continues });
    expect(header).toMatchObject({ position: BigInt(walk.position), isTorn: walk.isTorn });
    expect(walk.isCommit).toBe(header.kind === 'commit');
    expect(walk.isOf(Buffer.from(nameOf(bytes, header)))).toBe(true);
    for (const other of ['', 'x', 'order.2', 'xorder.1', 'order.1x'])
      expect(walk.isOf(Buffer.from(other))).toBe(false);
  }
  expect(walk.next()).toBe(false);
});

test('the bytes of a chunk that others have as well stay as they are', () => {
  const shared = Buffer.from(bytes);
  const chunk = { bytes: shared, isShared: true, last: 3n, next: { segment: 0, offset: 0 } };
  const range = { after: 0n, upTo: 3n };
  const { run, isPastEnd } = unfilteredRun(chunk, range, {
    matches: () => true,
    skipsUnreadable: false,
    isIncomplete: false,
  });
  const spareBytes = run?.spareBytes ?? 0;
  expect(spareBytes).toBeGreaterThan(0);
  Buffer.from(run?.events.buffer as ArrayBuffer, run?.events.byteOffset, run?.events.length).fill(0);
  expect(isPastEnd).toBe(true);
  expect(shared).toEqual(bytes);
});

test('behind the last record there is nothing, which is whole', () => {
  const empty = Buffer.alloc(0);
  for (const bytes of [empty, empty.subarray(0), Buffer.alloc(3).subarray(3)])
    expect(completeGroups(bytes)).toEqual({ complete: empty, last: 0n });
});
