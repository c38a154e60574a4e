import type { CallContext } from '../store/event-store';
import { readRecords, type StoredRecord } from './index-bucket';
import { Buckets } from './index-buckets';
import { BrokenIndexError, checkCovers, coveredBy } from './index-chain';
import { bucketOf, cellOf, decodeIndexRecord, matches } from './index-record';
import { emptyIndex, indexState, lastIndexMessage, type IndexState, type IndexStream } from './index-stream';
import type { LogMark } from './log-mark';
import { shared } from './shared';
import { endless } from './store-context';

/** Where a key may be, in the log up to a position. */
export interface Indexed {
  readonly positions: readonly bigint[];
  readonly covered: bigint;
}

/**
 * What this gateway has read of the index. Records never change and entries only move from one place to another, so what was
 * read stays true whatever others write; how far it goes is seen to by `refresh`, which the index writer calls. What is read of
 * an index that somebody makes anew meanwhile does not go with the rest: that is what `verify` is for. That the index is of
 * the log that is there is told by the last record: it is compared with the log when it is read, so what was read must be
 * dropped when the log may have gone back.
 */
export class IndexCache {
  private records: StoredRecord[] = [];
  private through = 0n;
  private last = 0n;
  /** Of the index that everything here was read of; undefined: nothing was read. */
  private created: string | undefined;
  /** The end of that index when it was last looked at. */
  private seen = 0n;
  private buckets: Buckets;
  private isDoubted = false;
  /** How often all was forgotten. */
  private forgotten = 0;
  private rebuilding: Promise<void> | undefined;

  constructor(
    private readonly index: IndexStream,
    /** Whether the log still has what it had when a record was made. */
    private readonly isOfLog: (mark: LogMark) => Promise<boolean>,
  ) {
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
  get unmerged(): readonly StoredRecord[] {
    return this.records;
  }

  /** Takes in what others have written. */
  readonly refresh = shared(async (): Promise<void> => {
    const state = await indexState(this.index, endless);
    await this.takeIn(state).catch(async (error: unknown) => {
      await this.discard(error, state);
      await this.beginAnew(await indexState(this.index, endless));
    });
  });

  /** Makes sure that what was read before is of the same index as the rest; else all is dropped. */
  private readonly verify = shared(async (): Promise<void> => {
    if (!this.isOf(await indexState(this.index, endless))) this.drop();
  });

  /** A record of this gateway was refused: if no other has written one, one may be gone. */
  doubt(): void {
    this.isDoubted = true;
  }

  /** Takes in a record that this gateway has written. */
  add(record: StoredRecord): void {
    if (record.after === this.through && record.sequence > this.last) this.append(record);
  }

  /** Forgets the records of the log up to a position, which are merged. */
  forget(merged: bigint): void {
    // A record that ends where it begins has a part of the next commit.
    this.records = this.records.filter(({ after, through }) => through > merged || after >= merged);
  }

  /** Where a key with this hash is, of all that is covered, and how far that is. */
  async positions(hash: bigint, caller: CallContext): Promise<Indexed> {
    for (;;) {
      if (this.created === undefined) await this.refresh(caller);
      const { buckets } = this;
      try {
        const bucket = await buckets.load(bucketOf(hash), this, caller);
        // At once: both move on meanwhile.
        const { covered, divided } = bucket;
        const positions = [...matches(bucket.list, hash)];
        // What the bucket had before it was loaded is in the cell by then.
        if (divided > 0n) positions.push(...(await this.positionsInCell(hash, divided, caller)));
        if (divided > 0n || !bucket.isVerified) await this.verify(caller);
        if (buckets !== this.buckets) continue;
        bucket.isVerified = true;
        return { positions, covered };
      } catch (error) {
        if (!(error instanceof BrokenIndexError)) throw error;
        if (buckets === this.buckets) await this.rebuild(error);
      }
    }
  }

  /** Has an index whose records do not follow one another made from the log again. */
  rebuild(error: BrokenIndexError): Promise<void> {
    const read = { created: this.created ?? '', lastSequence: this.seen };
    this.rebuilding ??= this.discard(error, read).finally(() => {
      this.drop();
      this.rebuilding = undefined;
    });
    return this.rebuilding;
  }

  /** Forgets all that was read, also what is being read: the log may have gone back. */
  forgetAll(): void {
    this.forgotten++;
    this.drop();
  }

  /** Empties the index, unless somebody has done so since its state was that. Throws anything but BrokenIndexError. */
  private async discard(error: unknown, read: Pick<IndexState, 'created' | 'lastSequence'>): Promise<void> {
    if (!(error instanceof BrokenIndexError)) throw error;
    const now = await indexState(this.index, endless);
    const isAnother = now.created !== read.created || now.firstSequence > read.lastSequence;
    if (!isAnother) await emptyIndex(this.index, error.message, endless);
  }

  private async positionsInCell(hash: bigint, divided: bigint, caller: CallContext): Promise<bigint[]> {
    const subject = this.index.subjects.cell(bucketOf(hash), cellOf(hash));
    const records = await readRecords(this.index, subject, caller);
    checkCovers(coveredBy(records, 0n, subject), divided, subject);
    return records.flatMap((record) => [...matches(record, hash)]);
  }

  private append(record: StoredRecord): void {
    this.records.push(record);
    this.through = record.through;
    this.last = record.sequence;
    this.buckets.add(record);
  }

  private async takeIn(state: IndexState): Promise<void> {
    const isAll = state.lastSequence === this.seen && !this.isDoubted;
    if (this.isOf(state) && (isAll || (await this.goOn()))) this.seen = state.lastSequence;
    else await this.beginAnew(state);
  }

  /** Whether that was possible: what is missing was merged meanwhile, or the index was made anew. */
  private async goOn(): Promise<boolean> {
    const { forgotten } = this;
    const { fresh } = this.index.subjects;
    const end = this.isDoubted ? await lastIndexMessage(this.index, fresh, endless) : undefined;
    if (this.isDoubted && (end?.sequence ?? 0n) < this.last) return false;
    this.isDoubted = false;
    const records = await readRecords(this.index, fresh, endless, this.last + 1n);
    await this.compare(records.at(-1));
    if (forgotten !== this.forgotten) return false;
    for (const record of records) {
      if (record.sequence <= this.last) continue; // this gateway's own
      if (record.after !== this.through) return false;
      this.append(record);
    }
    return true;
  }

  /** Throws BrokenIndexError if a record is of what the log was before it went back. */
  private async compare(record: StoredRecord | undefined): Promise<void> {
    if (record?.logEnd === undefined || (await this.isOfLog(record.logEnd))) return;
    const at = record.logEnd.sequence.toString();
    throw new BrokenIndexError(
      `the log has gone back to an earlier state: at ${at} it no longer has the message that was there when the index was made`,
    );
  }

  /** Whether everything here is of the index that is there, and of what that has had since; some of it stays for good. */
  private isOf({ created, firstSequence, lastSequence }: IndexState): boolean {
    const isEmptied = this.last > 0n && firstSequence > this.seen;
    return created === this.created && lastSequence >= this.seen && !isEmptied;
  }

  private async beginAnew({ created, lastSequence }: IndexState): Promise<void> {
    this.drop();
    const { forgotten } = this;
    const { fresh, merged } = this.index.subjects;
    const records = await readRecords(this.index, fresh, endless);
    // After the records: what it says is merged can be loaded from the buckets.
    const marker = await lastIndexMessage(this.index, merged, endless);
    const inBuckets = marker === undefined ? 0n : decodeIndexRecord(marker.body).through;
    await this.compare(records.at(-1));
    if (forgotten !== this.forgotten) return; // who needs it reads it again
    this.records = records;
    this.forget(inBuckets);
    this.through = coveredBy(this.records, inBuckets, fresh);
    this.last = records.at(-1)?.sequence ?? 0n;
    this.created = created;
    this.seen = lastSequence;
  }

  private drop(): void {
    this.created = undefined;
    this.isDoubted = false;
    this.records = [];
    this.through = 0n;
    this.last = 0n;
    this.buckets = new Buckets(this.index);
  }
}
