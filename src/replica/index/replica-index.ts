import { mkdirSync } from 'node:fs';
import { open, type Database, type RangeOptions, type RootDatabase } from 'lmdb';
import { StoreUnavailableError } from '../../store/errors';
import { indexPath } from './index-files';
import { syncPath } from '../segments/sync-path';
import type { IndexEntries } from './index-entries';
import {
  hashKey,
  keySuffixBytes,
  numberKey,
  streamKey,
  toEntry,
  toMark,
  toPlace,
  type IndexEntry,
  type KeyKind,
  type Mark,
} from './index-keys';
import { fillLockFile } from './index-files';
import type { Located } from '../segments/location';

/** What a batch adds to the index. */
export interface IndexBatch {
  readonly entries: IndexEntries;
  readonly state: string;
}

/** What tells an entry from the others of its stream. */
export type EntryKey = Pick<IndexEntry, 'version' | 'sequence'>;

const stateKey = Buffer.from('state');
const uint64Max = 2n ** 64n - 1n;

type Table = Database<Buffer, Buffer>;

/**
 * Where the records of streams, correlation ids, commit ids and positions lie, in LMDB. It is made from the log and never
 * its only copy, so it is not synced: after a loss of power it is made again.
 */
export class ReplicaIndex {
  private readonly root: RootDatabase<Buffer, Buffer>;
  private readonly streams: Table;
  private readonly keys: Table;
  private readonly marks: Table;
  private readonly finished: Table;
  private isClosed = false;

  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    fillLockFile(folder);
    const encodings = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
    this.root = open({
      path: folder,
      maxDbs: 4,
      noSync: true,
      overlappingSync: false,
      // Without writemap, which is not safe when the disk fills up. What is written in the background is one `batch`: LMDB
      // would begin others by itself, and nobody could know that they have failed.
      eventTurnBatching: false,
      ...encodings,
    });
    const table = (name: string): Table => this.root.openDB({ name, ...encodings });
    try {
      [this.streams, this.keys] = [table('streams'), table('keys')];
      [this.marks, this.finished] = [table('marks'), table('finished')];
    } catch (error) {
      void this.root.close();
      throw error;
    }
  }

  /** The state that was stored with the newest batch. */
  state(): string | undefined {
    return this.root.get(stateKey)?.toString();
  }

  /** Stores a small batch before it returns. */
  putNow(batch: IndexBatch): void {
    this.root.transactionSync(() => {
      this.put(batch, (table, key, value) => {
        table.putSync(key, value);
      });
    });
  }

  /** Stores a batch in the background; all of it becomes visible at once. Throws what the file system does; it can be tried again. */
  async putSoon(batch: IndexBatch): Promise<void> {
    const written = this.root.batch(() => {
      this.put(batch, (table, key, value) => {
        void table.put(key, value);
      });
    });
    await written.catch(throwCause);
  }

  /** The newest entry of a stream. */
  head(stream: string): IndexEntry | undefined {
    for (const entry of this.backward(stream)) return entry;
    return undefined;
  }

  /** The entries of a stream in order, from the one that holds a version on, or behind another one. */
  *forward(stream: string, version: bigint, behind?: EntryKey): Generator<IndexEntry, void> {
    if (version > uint64Max) return;
    const start = behind
      ? streamKey(stream, behind.version, behind.sequence + 1n)
      : streamKey(stream, version, 0n);
    const range = { start, end: streamKey(stream, uint64Max, uint64Max) };
    for (const { key, value } of this.range(this.streams, range)) yield toEntry(key, value);
  }

  /** The entries of a stream down to the first, from the one that holds a version on, or behind another one. */
  *backward(stream: string, version = uint64Max, behind?: EntryKey): Generator<IndexEntry, void> {
    const lowest = streamKey(stream, 0n, 0n);
    if (behind === undefined && version < uint64Max) {
      // The one that holds the version ends with it, or later.
      for (const { key, value } of this.range(this.streams, {
        start: streamKey(stream, version, 0n),
        end: streamKey(stream, uint64Max, uint64Max),
        limit: 1,
      }))
        yield toEntry(key, value);
    }
    const start = behind
      ? streamKey(stream, behind.version, behind.sequence - 1n)
      : streamKey(stream, version, version < uint64Max ? 0n : version);
    for (const { key, value } of this.range(this.streams, { start, end: lowest, reverse: true }))
      yield toEntry(key, value);
  }

  /** The first stream after a name, or with a prefix that comes later, in byte order, and its newest entry. */
  nextStream(
    after: string,
    prefix: string,
  ): { readonly stream: string; readonly entry: IndexEntry } | undefined {
    const start = prefix > after ? Buffer.from(prefix) : streamKey(after, uint64Max, uint64Max);
    for (const { key } of this.range(this.streams, { start, limit: 1 })) {
      const stream = key.toString('latin1', 0, key.length - keySuffixBytes);
      const entry = this.head(stream);
      return entry && { stream, entry };
    }
    return undefined;
  }

  /** Where records after a sequence may have a key with this hash, in the order of the log; the first `limit` of them. */
  locations(kind: KeyKind, hash: bigint, after = 0n, limit = Infinity): Located[] {
    const range = { start: hashKey(kind, hash, after + 1n), end: hashKey(kind, hash, uint64Max), limit };
    return Array.from(this.range(this.keys, range), ({ key, value }) => ({
      place: toPlace(value),
      sequence: key.readBigUInt64BE(9),
    }));
  }

  /** The last mark whose position is not above this one. */
  markAt(position: bigint): Mark | undefined {
    const range = { start: numberKey(position), end: numberKey(0n), reverse: true, limit: 1 };
    for (const { key, value } of this.range(this.marks, range)) return toMark(key, value);
    return undefined;
  }

  /** The last mark before which there is no record as late as this time; undefined: the first has one before it, or is it. */
  markBeforeTime(timeNanos: bigint): Mark | undefined {
    let low = this.firstMark();
    let high = this.markAt(uint64Max);
    if (low === undefined || high === undefined) return undefined;
    while (low.position < high.position) {
      const middle: Mark | undefined = this.markAt(low.position + (high.position - low.position + 1n) / 2n);
      if (middle === undefined || middle.position === low.position) {
        const next = this.markAfter(low.position);
        if (next === undefined || next.newestNanos >= timeNanos) break;
        low = next;
      } else if (middle.newestNanos >= timeNanos) high = middle;
      else low = middle;
    }
    return low;
  }

  /** The first mark after a position. */
  markAfter(position: bigint): Mark | undefined {
    for (const { key, value } of this.range(this.marks, { start: numberKey(position + 1n), limit: 1 }))
      return toMark(key, value);
    return undefined;
  }

  /** The first mark in a segment, which is where the segment begins. */
  markOfSegment(segment: number): Mark | undefined {
    let low = this.firstMark();
    let high = this.markAt(uint64Max);
    if (low === undefined || high === undefined || high.place.segment < segment) return undefined;
    while (low.position < high.position && low.place.segment < segment) {
      const middle: Mark | undefined = this.markAt(low.position + (high.position - low.position) / 2n);
      if (middle !== undefined && middle.position > low.position) {
        if (middle.place.segment < segment) low = middle;
        else high = middle;
        continue;
      }
      const next = this.markAfter(low.position);
      if (next === undefined) return undefined;
      low = next;
    }
    return low;
  }

  /** Whether a stream has a commit that ends with a version and a sequence. */
  has(stream: string, version: bigint, sequence: bigint): boolean {
    if (this.isClosed) throw closedError();
    return this.streams.doesExist(streamKey(stream, version, sequence));
  }

  /** The bytes of a segment to which nothing is added any more; undefined: it is not known to be one. */
  finishedBytes(segment: number): number | undefined {
    if (this.isClosed) throw closedError();
    const value = this.finished.get(numberKey(BigInt(segment)));
    return value && Number(value.readBigUInt64BE(0));
  }

  /** Whether a commit at a sequence has a key with this hash. */
  hasKey(kind: KeyKind, hash: bigint, sequence: bigint): boolean {
    if (this.isClosed) throw closedError();
    return this.keys.doesExist(hashKey(kind, hash, sequence));
  }

  /** Looks at all entries. Throws DamagedReplicaError. */
  checkEntries(): void {
    for (const { key, value } of this.range(this.streams, {})) toEntry(key, value);
    for (const { value } of this.range(this.keys, {})) toPlace(value);
    for (const { key, value } of this.range(this.marks, {})) toMark(key, value);
  }

  private firstMark(): Mark | undefined {
    return this.markAfter(-1n);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return this.root.close();
  }

  /** Puts what was stored on the disk, once it is closed. */
  sync(): Promise<void> {
    return syncPath(indexPath(this.folder));
  }

  /** Throws StoreUnavailableError if it is closed: to look into it then would end the process. */
  private range(
    table: Table,
    options: RangeOptions,
  ): Iterable<{ readonly key: Buffer; readonly value: Buffer }> {
    if (this.isClosed) throw closedError();
    return table.getRange(options);
  }

  private put(
    { entries, state }: IndexBatch,
    store: (table: Table, key: Buffer, value: Buffer) => void,
  ): void {
    entries.each((table, key, value) => {
      store(this[table], key, value);
    });
    store(this.root, stateKey, Buffer.from(state));
  }
}

/** LMDB says why a commit failed by one more promise, which nobody else waits for. */
async function throwCause(error: unknown): Promise<never> {
  await (error as { readonly commitError?: Promise<never> }).commitError;
  throw error;
}

function closedError(): StoreUnavailableError {
  return new StoreUnavailableError('the replica of the log is made again');
}
