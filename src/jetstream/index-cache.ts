import type { CallContext } from '../store/event-store';
import { bucketByte, decodeIndexRecord, distribute, EntryList, type IndexRecord } from './index-record';
import {
  indexMessages,
  indexState,
  lastIndexMessage,
  type IndexState,
  type IndexStream,
} from './index-stream';
import { inTime, shared } from './shared';
import { unattended } from './store-context';

/** A record of a stretch of the log, as it lies in the index. */
export interface FreshRecord extends IndexRecord {
  readonly sequence: bigint;
}

/** What is in here is asked for on behalf of many. */
const call = { signal: unattended, deadlineMs: Infinity };

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
    const state = await indexState(this.index, call);
    if (this.isOf(state) && (state.lastSequence === this.seen || (await this.goOn())))
      this.seen = state.lastSequence;
    else await this.beginAnew(state);
  });

  /** Makes sure that what was read before is of the same index as the rest; else all is dropped. */
  readonly verify = shared(async (): Promise<void> => {
    if (!this.isOf(await indexState(this.index, call))) this.drop();
  });

  /** Takes in a record that this gateway has written. */
  add(record: FreshRecord): void {
    if (record.after === this.through && record.sequence > this.last) this.append(record);
  }

  /** Forgets the records up to a sequence, which are merged. */
  forget(through: bigint): void {
    this.records = this.records.filter(({ sequence }) => sequence > through);
  }

  /** A bucket with all its entries, which stays until it is released. */
  async take(number: number, caller: CallContext): Promise<Bucket> {
    if (this.created === undefined) await this.refresh(caller);
    return this.buckets.take(number, this.records, caller);
  }

  release(bucket: Bucket): void {
    bucket.users--;
  }

  /** Whether the bucket has all that is covered now; if not, all buckets have been dropped since it was taken. */
  isCurrent(bucket: Bucket): boolean {
    return this.buckets.has(bucket);
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
    for await (const { body, sequence } of indexMessages(this.index, fresh, call, this.last + 1n)) {
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
    for await (const { body, sequence } of indexMessages(this.index, this.index.subjects.fresh, call))
      records.push({ ...decodeIndexRecord(body), sequence });
    // After the records: what it says is merged can be loaded from the buckets.
    const merged = await lastIndexMessage(this.index, this.index.subjects.merged, call);
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
export interface Bucket {
  readonly number: number;
  readonly list: EntryList;
  /** Whether there are more in the cells. */
  isDivided: boolean;
  readonly loading: Promise<void>;
  isLoaded: boolean;
  /** Whether it is known to be of the same index as the rest. */
  isVerified: boolean;
  users: number;
  /** Larger than that of those that were used before. */
  usedAt: number;
}

/** The buckets that are in use, and those that were used last, as many as there is room for. */
class Buckets {
  private readonly all: (Bucket | undefined)[] = [];
  private uses = 0;

  constructor(private readonly index: IndexStream) {}

  async take(number: number, unmerged: readonly FreshRecord[], caller: CallContext): Promise<Bucket> {
    const bucket = (this.all[number] ??= this.startLoading(number, unmerged));
    bucket.users++;
    bucket.usedAt = ++this.uses;
    try {
      if (!bucket.isLoaded) await inTime(bucket.loading, caller);
      return bucket;
    } catch (error) {
      bucket.users--;
      throw error;
    }
  }

  has(bucket: Bucket): boolean {
    return this.all[bucket.number] === bucket;
  }

  /** Also to those that are being loaded. */
  add(record: FreshRecord): void {
    distribute(record, bucketByte, (bucket) => this.all[bucket]?.list);
    this.makeRoom();
  }

  private startLoading(number: number, unmerged: readonly FreshRecord[]): Bucket {
    const list = new EntryList();
    const listOf = (bucket: number): EntryList | undefined => (bucket === number ? list : undefined);
    for (const record of unmerged) distribute(record, bucketByte, listOf);
    const loading = this.read(number, list).then((isDivided) => {
      bucket.isDivided = isDivided;
      bucket.isLoaded = true;
      this.makeRoom();
    });
    const bucket: Bucket = {
      number,
      list,
      loading,
      isDivided: false,
      isLoaded: false,
      isVerified: false,
      users: 0,
      usedAt: 0,
    };
    loading.catch(() => {
      if (this.has(bucket)) this.all[number] = undefined;
    });
    return bucket;
  }

  /** Whether there is more in the cells. */
  private async read(number: number, list: EntryList): Promise<boolean> {
    let isDivided = false;
    for await (const { body } of indexMessages(this.index, this.index.subjects.bucket(number), call)) {
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
      if (bytes > this.index.limits.indexCacheBytesMax && bucket.users === 0)
        this.all[bucket.number] = undefined;
    }
  }
}
