import type { CallContext, EventRun, Page, Pages, ReadStreamQuery } from '../../store/event-store';
import { version } from '../../store/values';
import type { EntryKey, IndexEntry } from '../index/index-keys';
import type { ReplicaFiles } from '../index/replica-files';
import { fetchRecords } from '../segments/fetch-records';
import type { Hidden } from '../../store/stream-rules';
import type { StoredRecord } from '../segments/record';
import { areDense, denseRunsAfter } from './dense-runs';
import { isWithinTimes, select } from './select';
import { contiguousCount, nextVersion, throwDamage } from './stream-entries';

/** Entries of a page, */
const entriesMax = 512;
/** and bytes of their records, unless the first one alone is larger. */
const pageBytesMax = 1 << 20;

/** What the index says of the next page. */
interface PagePlan {
  readonly entries: readonly IndexEntry[];
  /** How many of the entries are commits whose versions follow one another. */
  readonly contiguous: number;
  /** Those of them whose records must be read. */
  readonly wanted: readonly IndexEntry[];
  /** Whether no entry of the range follows. */
  readonly isLast: boolean;
}

/** A read of a stream in progress. */
export class StreamReader {
  private readonly range: Range;
  private next: bigint;
  /** The last entry of the page before; damage may lie between it and the next version. */
  private last: EntryKey | undefined;
  private left: bigint | undefined;

  constructor(
    private readonly files: ReplicaFiles,
    private readonly query: ReadStreamQuery,
    headVersion: bigint,
    hidden: Hidden | undefined,
  ) {
    this.range = rangeOf(query, headVersion, hidden);
    this.next = this.range.reverse ? this.range.toVersion : this.range.fromVersion;
    this.left = query.maxCount;
  }

  get isDone(): boolean {
    return this.next < this.range.fromVersion || this.next > this.range.toVersion;
  }

  /** Looks up the next page in the index. */
  plan(): PagePlan {
    const { range, next } = this;
    const { entries, isLast } = this.lookUpEntries();
    const contiguous = contiguousCount(entries, range.reverse, next);
    const commits = contiguous === entries.length ? entries : entries.slice(0, contiguous);
    const wanted = hasTimes(range)
      ? commits.filter(({ timeNanos }) => isWithinTimes(range, timeNanos))
      : commits;
    return { entries, contiguous, wanted, isLast };
  }

  /** The entries of the next page, in the order of the read; each has a version of the range. */
  private lookUpEntries(): { readonly entries: readonly IndexEntry[]; readonly isLast: boolean } {
    const { range, next, last } = this;
    const { index } = this.files;
    const { stream } = this.query;
    const countMax = this.entriesWanted();
    const entries: IndexEntry[] = [];
    let bytes = 0;
    for (const entry of range.reverse
      ? index.backward(stream, next, last)
      : index.forward(stream, next, last)) {
      if (entries.length === countMax || (bytes > 0 && bytes + entry.location.length > pageBytesMax))
        return { entries, isLast: false };
      entries.push(entry);
      bytes += entry.location.length;
      if (isLastOf(range, entry)) return { entries, isLast: true };
    }
    return { entries, isLast: true };
  }

  private entriesWanted(): number {
    const { query, left } = this;
    const isFiltered = query.eventTypes.size > 0 || hasTimes(query);
    return isFiltered || left === undefined || left > BigInt(entriesMax) ? entriesMax : Number(left);
  }

  fetch({ wanted }: PagePlan): StoredRecord[] | Promise<StoredRecord[]> {
    return fetchRecords(this.files, wanted);
  }

  /** Makes the page of the records; undefined: it would be empty, and the read goes on. */
  finish({ entries, contiguous, isLast }: PagePlan, records: readonly StoredRecord[]): Page | undefined {
    const runs = this.select(records);
    const last = entries[contiguous - 1];
    this.last = last;
    this.next = nextVersion(last, this.range.reverse, this.next);
    if (this.left === 0n) return { runs, end: 'maxCount' };
    if (isLast && contiguous === entries.length && this.isDone) return { runs, end: 'complete' };
    return runs.length > 0 ? { runs, end: undefined } : undefined;
  }

  /** Throws if damage follows a page. */
  async throwIfDamaged({ entries, contiguous, isLast }: PagePlan): Promise<void> {
    if (contiguous === entries.length && !isLast) return;
    await throwDamage(this.files, this.query.stream, entries[contiguous], this.next);
  }

  /** The pages after a page that need no lookup, since the commits of the stream lie close together. */
  async *densePagesAfter({ entries }: PagePlan, { signal }: CallContext): AsyncGenerator<Page, void> {
    const { files, query, range } = this;
    const from = entries.at(-1);
    if (from === undefined || !isUnfiltered(query) || !areDense(entries)) return;
    for await (const { run, last } of denseRunsAfter(files, from, query.stream, range)) {
      signal.throwIfAborted();
      this.last = last;
      this.next = last.version + 1n;
      yield { runs: [run], end: this.isDone ? 'complete' : undefined };
      if (this.isDone) return;
    }
  }

  private select(records: readonly StoredRecord[]): EventRun[] {
    const { eventTypes } = this.query;
    // Only the first and the last commit of a page can be partly outside the range.
    const inner = { reverse: this.range.reverse, eventTypes };
    const outer = { ...inner, ...this.range };
    const runs: EventRun[] = [];
    for (const [index, record] of records.entries()) {
      const selection = index > 0 && index + 1 < records.length ? inner : outer;
      const { left } = this;
      const run = select(record, left === undefined ? selection : { ...selection, countMax: left });
      if (run === undefined) continue;
      runs.push(run);
      if (left !== undefined) this.left = left - BigInt(run.eventCount);
      if (this.left === 0n) break;
    }
    return runs;
  }
}

/** The only page of a read, or all pages one after the other. */
export async function pagesOf(reader: StreamReader, call: CallContext): Promise<Pages> {
  if (reader.isDone) return [{ runs: [], end: 'complete' }];
  const plan = reader.plan();
  const page = reader.finish(plan, await reader.fetch(plan));
  return page?.end === undefined ? pages(reader, call, { plan, page }) : [page];
}

async function* pages(
  reader: StreamReader,
  call: CallContext,
  first: { readonly plan: PagePlan; readonly page: Page | undefined },
): AsyncGenerator<Page, void> {
  let { plan, page } = first;
  for (;;) {
    if (page !== undefined) yield page;
    if (page?.end !== undefined) return;
    await reader.throwIfDamaged(plan);
    for await (const dense of reader.densePagesAfter(plan, call)) {
      yield dense;
      if (dense.end !== undefined) return;
    }
    if (reader.isDone) break;
    call.signal.throwIfAborted();
    plan = reader.plan();
    page = reader.finish(plan, await reader.fetch(plan));
  }
  yield { runs: [], end: 'complete' };
}

/** Whether the read wants all events of the range, in order. */
function isUnfiltered({ direction, eventTypes, maxCount, fromTime, toTime }: ReadStreamQuery): boolean {
  const isBounded = maxCount !== undefined || fromTime !== undefined || toTime !== undefined;
  return direction === 'forward' && !isBounded && eventTypes.size === 0;
}

function hasTimes({ fromTime, toTime }: Pick<ReadStreamQuery, 'fromTime' | 'toTime'>): boolean {
  return fromTime !== undefined || toTime !== undefined;
}

const noneHidden: Hidden = { firstVersion: version(1n), fromTime: undefined };

/** The versions of a read that are not hidden, lowest and highest, in both directions, and the times of their commits. */
interface Range extends Pick<ReadStreamQuery, 'fromTime' | 'toTime'> {
  readonly reverse: boolean;
  readonly fromVersion: bigint;
  readonly toVersion: bigint;
}

function rangeOf(query: ReadStreamQuery, headVersion: bigint, hidden: Hidden | undefined): Range {
  const { direction, fromVersion, toVersion, fromTime, toTime } = query;
  const { firstVersion: shown, fromTime: shownFrom } = hidden ?? noneHidden;
  const reverse = direction === 'backward';
  const [low, high] = reverse ? [toVersion, fromVersion] : [fromVersion, toVersion];
  return {
    reverse,
    fromVersion: low > shown ? low : shown,
    toVersion: high === 0n || high > headVersion ? headVersion : high,
    fromTime:
      shownFrom === undefined || (fromTime !== undefined && fromTime > shownFrom) ? fromTime : shownFrom,
    toTime,
  };
}

function isLastOf({ reverse, fromVersion, toVersion }: Range, { version, count }: IndexEntry): boolean {
  return reverse ? version - BigInt(count) < fromVersion : version >= toVersion;
}
