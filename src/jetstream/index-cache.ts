import type { CallContext } from '../store/event-store';
import {
  bucketByte,
  bucketOf,
  cellOf,
  decodeIndexRecord,
  distribute,
  EntryList,
  matches,
  type IndexRecord,
} from './index-record';
import {
  indexMessages,
  indexState,
  lastIndexMessage,
  type IndexState,
  type IndexStream,
} from './index-stream';
import { inTime, shared } from './shared';
import { endless } from './store-context';

/** A record of a stretch of the log, as it lies in the index. */
export interface FreshRecord extends IndexRecord {
  readonly sequence: bigint;
}

/**
 * What this gateway has read of the index. Records never change and entries only move from one place to another, so what was
 * read stays true whatever others write; how far it goes is seen to by `refresh`, which the index writer calls. What is read of
 * an index that somebody makes anew meanwhile does not go with the rest: that is what `verify` is for.
 */
export class IndexCache {
  private records: FreshRecord[] = [];
  private through = 0n;
  private last = 0n;
  /** Of the index that everything here was read of; undefined: nothing was read. */
  private created: string | undefined;
  /** The end of that index when it was last looked at. */
  private seen = 0n;
  private buckets: Buckets;

  constructor(private readonly index: IndexStream) {
    this.buckets = new Buckets(index);
  }

  /** All entries of the log up to this position are in the buckets that are loaded, and can be loaded of the others. */
  get covered(): bigint {
    return this.through;
  }

  /** The sequence of the newest record in the index, 0 if there is none. */
  get lastSequence(): bigint {
    return this.last;
  }

  /** The records that are not known to be merged into buckets, in order. */
  get unmerged(): readonly FreshRecord[] {
    return this.records;
  }

  /** Takes in what others have written. */
  readonly refresh = shared(async (): Promise<void> => {
    const state = await indexState(this.index, endless);
    if (this.isOf(state) && (state.lastSequence === this.seen || (await this.goOn())))
      this.seen = state.lastSequence;
    else await this.beginAnew(state);
  });

  /** Makes sure that what was read before is of the same index as the rest; else all is dropped. */
  private readonly verify = shared(async (): Promise<void> => {
    if (!this.isOf(await indexState(this.index, endless))) this.drop();
  });

  /** Takes in a record that this gateway has written. */
  add(record: FreshRecord): void {
    if (record.after === this.through && record.sequence > this.last) this.append(record);
  }

  /** Forgets the records up to a sequence, which are merged. */
  forget(through: bigint): void {
    this.records = this.records.filter(({ sequence }) => sequence > through);
  }

  /** Where a key with this hash is, of all that is covered, and how far that is. */
  async positions(
    hash: bigint,
    caller: CallContext,
  ): Promise<{ readonly positions: readonly bigint[]; readonly covered: bigint }> {
    for (;;) {
      if (this.created === undefined) await this.refresh(caller);
      const { buckets } = this;
      const bucket = await buckets.load(bucketOf(hash), this, caller);
      // At once: both move on meanwhile.
      const { covered, isDivided } = bucket;
      const positions = [...matches(bucket.list, hash)];
      // What the bucket had before it was loaded is in the cell by then.
      if (isDivided) positions.push(...(await this.positionsInCell(hash, caller)));
      if (isDivided || !bucket.isVerified) await this.verify(caller);
      if (buckets !== this.buckets) continue;
      bucket.isVerified = true;
      return { positions, covered };
    }
  }

  private async positionsInCell(hash: bigint, caller: CallContext): Promise<bigint[]> {
    const positions: bigint[] = [];
    const subject = this.index.subjects.cell(bucketOf(hash), cellOf(hash));
    for await (const { body } of indexMessages(this.index, subject, caller))
      positions.push(...matches(decodeIndexRecord(body), hash));
    return positions;
  }

  private append(record: FreshRecord): void {
    this.records.push(record);
    this.through = record.through;
    this.last = record.sequence;
    this.buckets.add(record);
  }

  /** Whether that was possible: what is missing was merged meanwhile, or the index was made anew. */
  private async goOn(): Promise<boolean> {
    const { fresh } = this.index.subjects;
    for await (const { body, sequence } of indexMessages(this.index, fresh, endless, this.last + 1n)) {
      const record = { ...decodeIndexRecord(body), sequence };
      if (record.after !== this.through) return false;
      this.append(record);
    }
    return true;
  }

  /** Whether everything here is of the index that is there, and of what that has had since; some of it stays for good. */
  private isOf({ created, firstSequence, lastSequence }: IndexState): boolean {
    const isEmptied = this.last > 0n && firstSequence > this.seen;
    return created === this.created && lastSequence >= this.seen && !isEmptied;
  }

  private async beginAnew({ created, lastSequence }: IndexState): Promise<void> {
    this.drop();
    const records: FreshRecord[] = [];
    for await (const { body, sequence } of indexMessages(this.index, this.index.subjects.fresh, endless))
      records.push({ ...decodeIndexRecord(body), sequence });
    // After the records: what it says is merged can be loaded from the buckets.
    const merged = await lastIndexMessage(this.index, this.index.subjects.merged, endless);
    this.records = records;
    this.through = records.at(-1)?.through ?? 0n;
    this.last = records.at(-1)?.sequence ?? 0n;
    if (merged !== undefined) this.forget(decodeIndexRecord(merged.body).through);
    this.created = created;
    this.seen = lastSequence;
  }

  private drop(): void {
    this.created = undefined;
    this.records = [];
    this.through = 0n;
    this.last = 0n;
    this.buckets = new Buckets(this.index);
  }
}

/** Entries by hash, those that are not in its cells. */
interface Bucket {
  readonly list: EntryList;
  /** All entries up to this position are in the list, or were in the cells before it was loaded. */
  covered: bigint;
  /** Whether there are more in the cells. */
  isDivided: boolean;
  readonly loading: Promise<void>;
  isLoaded: boolean;
  /** Whether it is known to be of the same index as the rest. */
  isVerified: boolean;
  /** Larger than that of those that were used before. */
  usedAt: number;
}

/** The buckets that were used last, as many as there is room for. */
class Buckets {
  private readonly all: (Bucket | undefined)[] = [];
  private uses = 0;

  constructor(private readonly index: IndexStream) {}

  /** A bucket with all its entries. It goes on with what comes until it is dropped; what it has stays right. */
  async load(
    number: number,
    now: Pick<IndexCache, 'unmerged' | 'covered'>,
    caller: CallContext,
  ): Promise<Bucket> {
    const bucket = (this.all[number] ??= this.startLoading(number, now));
    bucket.usedAt = ++this.uses;
    if (!bucket.isLoaded) await inTime(bucket.loading, caller);
    return bucket;
  }

  /** Also to those that are being loaded. */
  add(record: FreshRecord): void {
    distribute(record, bucketByte, (bucket) => this.all[bucket]?.list);
    for (const bucket of this.all) if (bucket !== undefined) bucket.covered = record.through;
    this.makeRoom();
  }

  private startLoading(
    number: number,
    { unmerged, covered }: Pick<IndexCache, 'unmerged' | 'covered'>,
  ): Bucket {
    const list = new EntryList();
    const listOf = (bucket: number): EntryList | undefined => (bucket === number ? list : undefined);
    for (const record of unmerged) distribute(record, bucketByte, listOf);
    const loading = this.read(number, list).then((isDivided) => {
      bucket.isDivided = isDivided;
      bucket.isLoaded = true;
      this.makeRoom();
    });
    const bucket: Bucket = {
      list,
      covered,
      loading,
      isDivided: false,
      isLoaded: false,
      isVerified: false,
      usedAt: 0,
    };
    loading.catch(() => {
      if (this.all[number] === bucket) this.all[number] = undefined;
    });
    return bucket;
  }

  /** Whether there is more in the cells. */
  private async read(number: number, list: EntryList): Promise<boolean> {
    let isDivided = false;
    for await (const { body } of indexMessages(this.index, this.index.subjects.bucket(number), endless)) {
      const record = decodeIndexRecord(body);
      list.addAll(record);
      isDivided ||= record.hashes.length === 0;
    }
    return isDivided;
  }

  private makeRoom(): void {
    const loaded = this.all.filter((bucket) => bucket?.isLoaded === true) as Bucket[];
    loaded.sort((one, other) => other.usedAt - one.usedAt);
    let bytes = 0;
    for (const bucket of loaded) {
      bytes += bucket.list.bytes;
      if (bytes > this.index.limits.indexCacheBytesMax) this.all[this.all.indexOf(bucket)] = undefined;
    }
  }
}
