import { erasedRecord } from '../../protobuf/erased-record';
import type { LogCommit } from '../../store/log';
import type { RecordLocation } from './location';
import { bodyOf, headerAt, seal } from './record';
import { at, flag } from './record-layout';

/** What takes the place of a record, in as many bytes. */
export interface Overwrite {
  readonly location: RecordLocation;
  readonly record: Buffer;
}

/**
 * A record with stubs in place of its events, and zeros after them, in as many bytes. undefined: it is not a commit, or is erased
 * already. The checksum of the record was checked.
 */
export function erasedCopyOf(record: Buffer): Buffer | undefined {
  const header = headerAt(record, 0);
  if (header.kind !== 'commit' || header.isErased) return undefined;
  const copy = Buffer.alloc(record.length);
  record.copy(copy, 0, 0, header.bodyStart);
  copy.set(erasedRecord(bodyOf(record, header)), header.bodyStart);
  copy[at.flags] = (copy[at.flags] as number) | flag.erased;
  seal(copy, 0, record.length);
  return copy;
}

/** A commit of the log as it must be read once it is erased. */
export function erasedCommit(commit: LogCommit): LogCommit {
  return commit.isErased ? commit : { ...commit, record: erasedRecord(commit.record), isErased: true };
}
