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
import { noVersion, position, sequence, version } from '../../src/store/values';

const event = { id: 'e', stream: 'order.1', version: 1n, type: 'T', correlationId: 'c' };
const commit: LogCommit = {
  stream: 'order.1',
  firstVersion: version(1n),
  lastVersion: version(1n),
  sequence: sequence(1n),
  position: position(1n),
  timeNanos: 1n,
  commitId: '0190f3a1-7c4e-7b3a-8f21-0123456789ab',
  inTransaction: false,
  isTorn: false,
  record: CommitRecord.encode(CommitRecord.fromPartial({ events: [event] })).finish(),
};

test('a commit id survives encoding and decoding', () => {
  const record = encodeRecord(commit, false);
  expect(commitIdOf(record, readHeader(record, 0))).toBe(commit.commitId);
});

test.each(['ab'.repeat(40), 'ab', '', 'not hexadecimal', 'ä€😀'])(
  'the foreign id %j changes nothing else, and is always encoded as the same bytes',
  (commitId) => {
    const record = encodeRecord({ ...commit, commitId }, false);
    const header = readHeader(record, 0);
    expect(nameOf(record, header)).toBe(commit.stream);
    expect(bodyOf(record, header)).toEqual(bodyOf(record, readHeader(encodeRecord(commit, false), 0)));
    // Bytes that are left from earlier use of the memory must not get into the record.
    Buffer.allocUnsafe(4_000).fill(0xff);
    expect(encodeRecord({ ...commit, commitId }, false)).toEqual(record);
  },
);

/** Three commits, the last two in one transaction, and a foreign message. */
const records = [
  encodeRecord(commit, false),
  encodeRecord({ ...commit, stream: 'b', sequence: sequence(2n), position: position(3n) }, true),
  encodeRecord({ ...commit, stream: 'c', sequence: sequence(3n), position: position(3n) }, false),
  encodeRecord(
    {
      kind: 'foreign',
      stream: 'd',
      position: position(2n ** 40n),
      timeNanos: 0n,
      claimedVersion: noVersion,
      reason: 'it is foreign',
    },
    false,
  ),
];
const bytes = Buffer.concat(records);

test('a flipped bit in any byte of consecutive records is detected', () => {
  checkChecksums(bytes);
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
    expect(() => {
      checkChecksums(flipped);
    }).toThrow(DamagedReplicaError);
  }
});

test('wherever the bytes end, only complete groups are returned', () => {
  const ends = [0, 1, 3, 4].map((count) => Buffer.concat(records.slice(0, count)).length);
  const lasts = [0n, 1n, 3n, 2n ** 40n];
  for (let length = 0; length <= bytes.length; length++) {
    const { complete, last } = completeGroups(bytes.subarray(0, length));
    const groups = ends.findLastIndex((end) => end <= length);
    expect(complete.length).toBe(ends[groups]);
    expect(last).toBe(lasts[groups]);
  }
});

test('the iterator and the header agree on every record', () => {
  const iterator = new RecordIterator(bytes);
  for (const header of headersOf(bytes)) {
    expect(iterator.next()).toBe(true);
    const { start, end, bodyStart, bodyEnd, count, continues } = iterator;
    expect(header).toMatchObject({ start, end, bodyStart, bodyEnd, count, continues });
    expect(header).toMatchObject({ position: BigInt(iterator.position), isTorn: iterator.isTorn });
    expect(iterator.isCommit).toBe(header.kind === 'commit');
    expect(iterator.isOf(Buffer.from(nameOf(bytes, header)))).toBe(true);
    for (const other of ['', 'x', 'order.2', 'xorder.1', 'order.1x'])
      expect(iterator.isOf(Buffer.from(other))).toBe(false);
  }
  expect(iterator.next()).toBe(false);
});

test('a shared chunk is not changed', () => {
  const shared = Buffer.from(bytes);
  const chunk = { bytes: shared, isShared: true, last: 3n, next: { segment: 0, offset: 0 } };
  const range = { after: 0n, upTo: 3n };
  const { run, isPastEnd } = unfilteredRun(chunk, range, {
    matches: () => true,
    skipsUnreadable: false,
    isIncomplete: false,
    hiding: undefined,
  });
  const spareBytes = run?.spareBytes ?? 0;
  expect(spareBytes).toBeGreaterThan(0);
  Buffer.from(run?.events.buffer as ArrayBuffer, run?.events.byteOffset, run?.events.length).fill(0);
  expect(isPastEnd).toBe(true);
  expect(shared).toEqual(bytes);
});

test('a run of some streams has their commits only', () => {
  const ofStreams = (names: readonly string[]) => {
    const chunk = {
      bytes: Buffer.from(bytes),
      isShared: false,
      last: 2n ** 40n,
      next: { segment: 0, offset: 0 },
    };
    const matches = (stream: string): boolean => names.includes(stream);
    const filter = { matches, skipsUnreadable: false, isIncomplete: false, hiding: undefined };
    const { run, error } = unfilteredRun(chunk, { after: 0n, upTo: 2n ** 40n }, filter, 'matching');
    return { events: run && Buffer.from(run.events), count: run?.eventCount, error: error?.message };
  };
  const [first, , third] = headersOf(bytes).map((header) => Buffer.from(bodyOf(bytes, header)));
  expect(ofStreams(['order.1'])).toEqual({ events: first, count: 1, error: undefined });
  expect(ofStreams(['order.1', 'c'])).toEqual({
    events: Buffer.concat([first as Buffer, third as Buffer]),
    count: 2,
    error: undefined,
  });
  expect(ofStreams(['x'])).toEqual({ events: undefined, count: undefined, error: undefined });
  // A read without `skipsUnreadable` ignores foreign messages.
  expect(ofStreams(['c', 'd'])).toEqual({ events: third, count: 1, error: undefined });
});

test('empty bytes have no group', () => {
  const empty = Buffer.alloc(0);
  for (const bytes of [empty, empty.subarray(0), Buffer.alloc(3).subarray(3)])
    expect(completeGroups(bytes)).toEqual({ complete: empty, last: 0n });
});
