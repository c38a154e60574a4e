import type { CallContext } from '../store/event-store';
import { decodeIndexRecord, distribute, EntryList, type Entries, type IndexRecord } from './index-record';
import { indexMessages, lastIndexMessage, type IndexStream } from './index-stream';
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
 * read stays true whatever others write; how far it goes is seen to by `refresh`, which the index writer calls.
 */
export class IndexCache {
  private records: FreshRecord[] = [];
  private through = 0n;
  private last = 0n;
  private isOpen = false;
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
    if (!this.isOpen) return this.beginAnew();
    const last = await lastIndexMessage(this.index, this.index.subjects.fresh, call);
    const sequence = last?.sequence ?? 0n;
    const through = last === undefined ? 0n : decodeIndexRecord(last.body).through;
    if (sequence === this.last && through === this.through) return;
    if (sequence <= this.last || !(await this.goOn())) await this.beginAnew();
  });

  /** Takes in a record that this gateway has written. */
  add(record: FreshRecord): void {
    if (record.after === this.through && record.sequence > this.last) this.take(record);
  }

  /** Drops the records up to a sequence, which are merged. */
  drop(through: bigint): void {
    this.records = this.records.filter(({ sequence }) => sequence > through);
  }

  /** The entries of a bucket, if it is loaded. */
  entries(bucket: number): Entries | undefined {
    return this.buckets.entries(bucket);
  }

  /** Loads a bucket. When others were loaded after it, it may have been dropped by the time that this is noticed. */
  async load(bucket: number, caller: CallContext): Promise<void> {
    if (!this.isOpen) await this.refresh(caller);
    await this.buckets.load(bucket, this.records, caller);
  }

  private take(record: FreshRecord): void {
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
      this.take(record);
    }
    return true;
  }

  private async beginAnew(): Promise<void> {
    this.isOpen = false;
    const records: FreshRecord[] = [];
    for await (const { body, sequence } of indexMessages(this.index, this.index.subjects.fresh, call))
      records.push({ ...decodeIndexRecord(body), sequence });
    // After the records: what it says is merged can be loaded from the buckets.
    const merged = await lastIndexMessage(this.index, this.index.subjects.merged, call);
    this.buckets = new Buckets(this.index);
    this.records = records;
    this.through = records.at(-1)?.through ?? 0n;
    this.last = records.at(-1)?.sequence ?? 0n;
    if (merged !== undefined) this.drop(decodeIndexRecord(merged.body).through);
    this.isOpen = true;
  }
}

interface Bucket {
  readonly list: EntryList;
  readonly loading: Promise<void>;
  loaded: boolean;
  /** Larger than that of those that were used before. */
  usedAt: number;
}

/** The buckets that were used last, as many as there is room for. */
class Buckets {
  private readonly all: (Bucket | undefined)[] = [];
  private uses = 0;

  constructor(private readonly index: IndexStream) {}

  entries(number: number): Entries | undefined {
    const bucket = this.all[number];
    if (bucket?.loaded !== true) return undefined;
    bucket.usedAt = ++this.uses;
    return bucket.list;
  }

  async load(number: number, unmerged: readonly FreshRecord[], caller: CallContext): Promise<void> {
    const bucket = (this.all[number] ??= this.startLoading(number, unmerged));
    if (!bucket.loaded) await inTime(bucket.loading, caller);
  }

  /** Also to those that are being loaded. */
  add(record: FreshRecord): void {
    distribute(record, (bucket) => this.all[bucket]?.list);
    this.makeRoom();
  }

  private startLoading(number: number, unmerged: readonly FreshRecord[]): Bucket {
    const list = new EntryList();
    for (const record of unmerged) distribute(record, (bucket) => (bucket === number ? list : undefined));
    const bucket: Bucket = { list, loading: this.read(number, list), loaded: false, usedAt: 0 };
    const loaded = (): void => {
      bucket.loaded = true;
      bucket.usedAt = ++this.uses;
      this.makeRoom();
    };
    const failed = (): void => {
      if (this.all[number] === bucket) this.all[number] = undefined;
    };
    bucket.loading.then(loaded, failed);
    return bucket;
  }

  private async read(number: number, list: EntryList): Promise<void> {
    const subject = this.index.subjects.bucket(number);
    for await (const { body } of indexMessages(this.index, subject, call))
      list.addAll(decodeIndexRecord(body));
  }

  private makeRoom(): void {
    const loaded = this.all.filter((bucket) => bucket?.loaded === true) as Bucket[];
    loaded.sort((one, other) => other.usedAt - one.usedAt);
    let bytes = 0;
    for (const bucket of loaded) {
      bytes += bucket.list.bytes;
      if (bytes > this.index.limits.indexCacheBytesMax && bucket !== loaded[0])
        this.all[this.all.indexOf(bucket)] = undefined;
    }
  }
}
