import { CommitRecord } from '../../generated/sluice/v1/event';
import { commitIdOf, nameOf, readHeader, toRecord } from '../../src/replica/record';
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
  isLeftOut: false,
  record: CommitRecord.encode(CommitRecord.fromPartial({ events: [event] })).finish(),
};

test('a commit id is what it was', () => {
  const record = toRecord(commit, false);
  expect(commitIdOf(record, readHeader(record, 0))).toBe(commit.commitId);
});

test.each(['ab'.repeat(40), 'ab', '', 'not hexadecimal', 'ä€😀'])(
  'the id %j, which somebody else has given, changes nothing else, and is always the same',
  (commitId) => {
    const record = toRecord({ ...commit, commitId }, false);
    const header = readHeader(record, 0);
    expect(nameOf(record, header)).toBe(commit.stream);
    expect(record.subarray(64)).toEqual(toRecord(commit, false).subarray(64));
    // What lies in memory by chance would be in it else.
    Buffer.allocUnsafe(4_000).fill(0xff);
    expect(toRecord({ ...commit, commitId }, false)).toEqual(record);
  },
);
