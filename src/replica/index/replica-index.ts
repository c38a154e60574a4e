import { mkdirSync } from 'node:fs';
import { open, type Database, type RangeOptions, type RootDatabase } from 'lmdb';
import { StoreUnavailableError } from '../../store/errors';
import { syncPath } from '../segments/sync-path';
import { tables, type IndexEntries, type TableName } from './index-entries';
import {
  hashKey,
  sequenceOfHashKey,
  keySuffixBytes,
  integerKey,
  streamKey,
  toEntry,
  toMark,
  toLocation,
  type EntryKey,
  type HashKey,
  type IndexEntry,
  type KeyKind,
  type Mark,
} from './index-keys';
import { fillLockFile, indexPath } from './index-files';
import { markBeforeTime, markOfSegment } from './marks';
import { ErasedIndex, throwCause } from './erased-index';
import { StreamRulesIndex } from './stream-rules-index';
import { TagsIndex } from './tags-index';
import type { LocatedRecord } from '../segments/location';

/** What a batch adds to the index. */
export interface IndexBatch {
  readonly entries: IndexEntries;
  readonly state: string;
}

const stateKey = Buffer.from('state');
const uint64Max = 2n ** 64n - 1n;

type Table = Database<Buffer, Buffer>;

/**
 * Finds records by stream, correlation id, commit id, position and time. Kept in LMDB, which does not sync it: after a power
 * failure the index is made again from the log.
 */
export class ReplicaIndex {
  private readonly root: RootDatabase<Buffer, Buffer>;
  private readonly tables: Readonly<Record<TableName, Table>>;
  /** What the controls of each stream leave of it. */
  readonly rules: StreamRulesIndex;
  readonly erased: ErasedIndex;
  /** Finds records by tags. */
  readonly tags: TagsIndex;
  private isClosed = false;

  /** `readOnly`: another process writes the index, and has it open already. */
  constructor(
    private readonly folder: string,
    { readOnly = false }: { readonly readOnly?: boolean } = {},
  ) {
    if (!readOnly) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      fillLockFile(folder);
    }
    const encodings = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
    this.root = open({
      path: folder,
      maxDbs: tables.length,
      noSync: true,
      overlappingSync: false,
      // No writemap, which is not safe on a full disk. Background writes are one explicit `batch`: if LMDB began batches by
      // itself, their failures would go unnoticed.
      eventTurnBatching: false,
      readOnly,
      ...encodings,
    });
    try {
      const opened = tables.map((name) => [name, this.root.openDB({ name, ...encodings })]);
      this.tables = Object.fromEntries(opened) as typeof this.tables;
      const throwIfClosed = this.throwIfClosed.bind(this);
      this.rules = new StreamRulesIndex(this.tables, throwIfClosed);
      this.erased = new ErasedIndex(this.root, this.tables, throwIfClosed);
      this.tags = new TagsIndex(this.tables, throwIfClosed);
    } catch (error) {
      void this.root.close();
      throw error;
    }
  }

  /** The state that was stored with the newest batch. */
  state(): string | undefined {
    return this.root.get(stateKey)?.toString();
  }

  /** From now on, reads see what another process has stored up to now. */
  refresh(): void {
    this.root.resetReadTxn();
    this.rules.refresh();
  }

  /** Frees what processes that are dead were reading: LMDB keeps it for them otherwise. */
  releaseDeadReaders(): void {
    if (!this.isClosed) this.root.readerCheck();
  }

  /** Stores a small batch before it returns. */
  putSync(batch: IndexBatch): void {
    this.root.transactionSync(() => {
      this.put(batch, (table, key, value) => {
        table.putSync(key, value);
      });
    });
    if (batch.entries.hasRules) this.rules.refresh();
  }

  /** Stores a batch in the background, atomically. Throws the error of the file system; a retry is safe. */
  async putInBackground(batch: IndexBatch): Promise<void> {
    const written = this.root.batch(() => {
      this.put(batch, (table, key, value) => {
        void table.put(key, value);
      });
    });
    await written.catch(throwCause);
    if (batch.entries.hasRules) this.rules.refresh();
  }

  /** The newest entry of a stream, which may be a control. */
  head(stream: string): IndexEntry | undefined {
    for (const entry of this.newestFirst(stream)) return entry;
    return undefined;
  }

  /** The entries of a stream without its controls, in order, from the one that contains a version, or after another entry. */
  *forward(stream: string, version: bigint, after?: EntryKey): Generator<IndexEntry, void> {
    if (version > uint64Max) return;
    const start = after
      ? streamKey(stream, after.version, after.sequence + 1n)
      : streamKey(stream, version, 0n);
    const end = streamKey(stream, uint64Max, uint64Max);
    yield* this.withoutControls({ start, end });
  }

  /** The same in reverse order, from the one that contains a version, or before another entry. */
  *backward(stream: string, version = uint64Max, before?: EntryKey): Generator<IndexEntry, void> {
    const lowest = streamKey(stream, 0n, 0n);
    if (before === undefined && version < uint64Max) {
      // The entry that contains the version ends with it, or later.
      const first = streamKey(stream, version, 0n);
      for (const entry of this.withoutControls({
        start: first,
        end: streamKey(stream, uint64Max, uint64Max),
      })) {
        yield entry;
        break;
      }
    }
    const start = before
      ? streamKey(stream, before.version, before.sequence - 1n)
      : streamKey(stream, version, version < uint64Max ? 0n : version);
    yield* this.withoutControls({ start, end: lowest, reverse: true });
  }

  /** The entries of a stream with its controls, from the newest one on, or before another entry. */
  *newestFirst(stream: string, before?: EntryKey): Generator<IndexEntry, void> {
    const start = before
      ? streamKey(stream, before.version, before.sequence - 1n)
      : streamKey(stream, uint64Max, uint64Max);
    const range = { start, end: streamKey(stream, 0n, 0n), reverse: true };
    for (const { key, value } of this.range(this.tables.streams, range)) yield toEntry(key, value);
  }

  private *withoutControls(range: RangeOptions): Generator<IndexEntry, void> {
    for (const { key, value } of this.range(this.tables.streams, range)) {
      const entry = toEntry(key, value);
      if (entry.kind !== 'control') yield entry;
    }
  }

  /** The next stream in byte order after a name, not before a prefix, and its newest entry. */
  nextStream(
    after: string,
    prefix: string,
  ): { readonly stream: string; readonly entry: IndexEntry } | undefined {
    const start = prefix > after ? Buffer.from(prefix) : streamKey(after, uint64Max, uint64Max);
    for (const { key } of this.range(this.tables.streams, { start, limit: 1 })) {
      const stream = key.toString('latin1', 0, key.length - keySuffixBytes);
      const entry = this.head(stream);
      return entry && { stream, entry };
    }
    return undefined;
  }

  /** The records after a sequence that may have a key with this hash, in the order of the log; the first `limit` of them. */
  locations(kind: KeyKind, hash: bigint, after = 0n, limit = Infinity): LocatedRecord[] {
    const range = {
      start: hashKey({ kind, hash, sequence: after + 1n }),
      end: hashKey({ kind, hash, sequence: uint64Max }),
      limit,
    };
    return Array.from(this.range(this.tables.keys, range), ({ key, value }) => ({
      location: toLocation(value),
      sequence: sequenceOfHashKey(key),
    }));
  }

  /** The last mark at a position or before it. */
  markAtOrBefore(position: bigint): Mark | undefined {
    const range = { start: integerKey(position), end: integerKey(0n), reverse: true, limit: 1 };
    for (const { key, value } of this.range(this.tables.marks, range)) return toMark(key, value);
    return undefined;
  }

  /** The last mark before which every record has an earlier commit time; undefined: there is no mark. */
  markBeforeTime(timeNanos: bigint): Mark | undefined {
    return markBeforeTime(this, timeNanos);
  }

  /** The first mark of a segment, which is where the segment begins. */
  markOfSegment(segment: number): Mark | undefined {
    return markOfSegment(this, segment);
  }

  /** The first mark after a position. */
  markAfter(position: bigint): Mark | undefined {
    for (const { key, value } of this.range(this.tables.marks, {
      start: integerKey(position + 1n),
      limit: 1,
    }))
      return toMark(key, value);
    return undefined;
  }

  /** Whether a stream has a commit that ends with a version, at a sequence. */
  has(stream: string, version: bigint, sequence: bigint): boolean {
    this.throwIfClosed();
    return this.tables.streams.doesExist(streamKey(stream, version, sequence));
  }

  /** The entry of a commit or a control that ends with a version, at a sequence. */
  find(stream: string, version: bigint, sequence: bigint): IndexEntry | undefined {
    this.throwIfClosed();
    const key = streamKey(stream, version, sequence);
    const value = this.tables.streams.get(key);
    return value && toEntry(key, value);
  }

  /** The bytes with which a segment was sealed; undefined: it is not sealed. */
  sealedBytes(segment: number): number | undefined {
    this.throwIfClosed();
    const value = this.tables.sealed.get(integerKey(BigInt(segment)));
    return value && Number(value.readBigUInt64BE(0));
  }

  /** Whether the record at a sequence has a key. */
  hasKey(key: HashKey): boolean {
    this.throwIfClosed();
    return this.tables.keys.doesExist(hashKey(key));
  }

  /** Checks all entries. Throws DamagedReplicaError. */
  checkEntries(): void {
    for (const { key, value } of this.range(this.tables.streams, {})) toEntry(key, value);
    for (const { value } of this.range(this.tables.keys, {})) toLocation(value);
    for (const { key, value } of this.range(this.tables.marks, {})) toMark(key, value);
    this.rules.checkEntries();
    this.erased.checkEntries();
    this.tags.checkEntries();
  }

  close(): Promise<void> {
    this.isClosed = true;
    return this.root.close();
  }

  /** Syncs the closed index to the disk. */
  sync(): Promise<void> {
    return syncPath(indexPath(this.folder));
  }

  private throwIfClosed(): void {
    if (this.isClosed) throw new StoreUnavailableError('the replica is being rebuilt');
  }

  /** Throws StoreUnavailableError if the index is closed: LMDB would end the process. */
  private range(
    table: Table,
    options: RangeOptions,
  ): Iterable<{ readonly key: Buffer; readonly value: Buffer }> {
    this.throwIfClosed();
    return table.getRange(options);
  }

  private put(
    { entries, state }: IndexBatch,
    store: (table: Table, key: Buffer, value: Buffer) => void,
  ): void {
    entries.each((table, key, value) => {
      store(this.tables[table], key, value);
    });
    store(this.root, stateKey, Buffer.from(state));
  }
}
