import type { Database, RootDatabase } from 'lmdb';
import { erasedRangesMax, type ErasedRange } from '../../store/stream-rules';
import { position, unixNanos, version, type Version } from '../../store/values';
import { DamagedReplicaError } from '../segments/damage';
import { writeUint64BE } from '../segments/uint64';
import {
  check,
  checksumBytes,
  entryBytes,
  hashKey,
  keySuffixBytes,
  seal,
  streamKey,
  writeEntry,
  writeStreamKey,
  type EntryKey,
  type HashKey,
  type IndexEntry,
} from './index-keys';
import { tagKey, type TagKey } from './tag-keys';

type Table = Database<Buffer, Buffer>;

/** First and last version, time, position; the length of the principal, the principal, the reason; a checksum. */
const fixedBytes = 4 * 8 + 2;
const uint64Max = 2n ** 64n - 1n;

/** Keys of records that are made of their contents: correlation ids and tags. */
export interface ContentKeys {
  readonly keys: readonly HashKey[];
  readonly tags: readonly TagKey[];
}

/** What was erased, by stream: `files.index.erased`. */
export class ErasedIndex {
  /** `throwIfClosed`: LMDB would end the process. */
  constructor(
    private readonly root: RootDatabase<Buffer, Buffer>,
    private readonly tables: {
      /** A record of each erasure, by stream and position. */
      readonly erased: Table;
      readonly streams: Table;
      readonly keys: Table;
      readonly tags: Table;
    },
    private readonly throwIfClosed: () => void,
  ) {}

  /** The erasures of a stream in their order: the newest `erasedRangesMax`. Throws DamagedReplicaError. */
  of(stream: string): ErasedRange[] {
    this.throwIfClosed();
    const range = {
      start: streamKey(stream, uint64Max, uint64Max),
      end: streamKey(stream, 0n, 0n),
      reverse: true,
      limit: erasedRangesMax,
    };
    const found = Array.from(this.tables.erased.getRange(range), ({ key, value }) => toErased(key, value));
    return found.reverse();
  }

  /**
   * Marks commits of a stream as erased, and removes what found them by their contents, atomically. Throws the error of the file
   * system; a retry is safe.
   */
  async mark(stream: string, entries: readonly IndexEntry[], { keys, tags }: ContentKeys): Promise<void> {
    this.throwIfClosed();
    const { streams, keys: keyTable, tags: tagTable } = this.tables;
    const written = this.root.batch(() => {
      for (const key of keys) void keyTable.remove(hashKey(key));
      for (const tag of tags) void tagTable.remove(tagKey(tag));
      for (const entry of entries) {
        const keyBytes = stream.length + keySuffixBytes;
        const bytes = Buffer.alloc(keyBytes + entryBytes);
        writeStreamKey(bytes, 0, stream, entry);
        writeEntry(bytes, 0, keyBytes, { ...entry, isErased: true });
        void streams.put(bytes.subarray(0, keyBytes), bytes.subarray(keyBytes));
      }
    });
    await written.catch(throwCause);
  }

  /** Checks all entries. Throws DamagedReplicaError. */
  checkEntries(): void {
    for (const { key, value } of this.tables.erased.getRange({})) toErased(key, value);
  }
}

/** LMDB gives the reason of a failed commit in one more promise. */
export async function throwCause(error: unknown): Promise<never> {
  await (error as { readonly commitError?: Promise<never> }).commitError;
  throw error;
}

/** What orders the erasures of a stream. */
export function erasedKey({ position: at }: ErasedRange): EntryKey {
  return { version: version(at), sequence: at };
}

export function erasedBytes({ principal, reason }: ErasedRange): number {
  return fixedBytes + Buffer.byteLength(principal) + Buffer.byteLength(reason) + checksumBytes;
}

/** Writes the value after its key, which begins at `keyAt`. */
export function writeErased(target: Buffer, keyAt: number, valueAt: number, range: ErasedRange): void {
  const { fromVersion, toVersion, commitTime, position: at, principal, reason } = range;
  for (const [index, number] of [fromVersion, toVersion, commitTime, at].entries())
    writeUint64BE(target, valueAt + 8 * index, number);
  target.writeUInt16BE(Buffer.byteLength(principal), valueAt + fixedBytes - 2);
  let end = valueAt + fixedBytes;
  end += target.write(principal, end);
  end += target.write(reason, end);
  seal(target, keyAt, end + checksumBytes);
}

/** Throws DamagedReplicaError. */
function toErased(key: Buffer, value: Buffer): ErasedRange {
  if (value.length < fixedBytes + checksumBytes)
    throw new DamagedReplicaError('an entry of the index has a wrong length');
  check(key, value, value.length);
  const number = (index: number): bigint => value.readBigUInt64BE(8 * index);
  const versionAt = (index: number): Version => version(number(index));
  const principalEnd = fixedBytes + value.readUInt16BE(fixedBytes - 2);
  return {
    fromVersion: versionAt(0),
    toVersion: versionAt(1),
    commitTime: unixNanos(number(2)),
    position: position(number(3)),
    principal: value.toString('utf8', fixedBytes, principalEnd),
    reason: value.toString('utf8', principalEnd, value.length - checksumBytes),
  };
}
