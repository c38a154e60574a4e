import { UnreadableCommitError } from '../../store/errors';
import type { CallContext, EventRun, Page, Pages, ReadStreamQuery } from '../../store/event-store';
import { position, type StreamName } from '../../store/values';
import { fetchRecords } from '../segments/fetch-records';
import type { IndexEntry } from '../index/index-keys';
import { errorOf } from '../segments/record';
import type { ReplicaFiles } from '../index/replica-files';
import type { EntryKey } from '../index/replica-index';
import { isWithinTimes, select } from './select';
import type { StoredRecord } from '../segments/record';
import { areDense, runsBehind } from './dense-runs';

/** Entries looked up at once, */
export const entriesMax = 512;
/** and bytes of their records, except for one larger record. */
const pageBytesMax = 1 << 20;

/** The entries of a page. */
interface Plan {
  readonly entries: readonly IndexEntry[];
  /** How many of them are commits that leave out no version. */
  readonly soundCount: number;
  /** Those of them whose records are read. */
  readonly wanted: readonly IndexEntry[];
  /** Whether there are no entries after them that are asked for. */
  readonly isLast: boolean;
}

/** A read of a stream under way. */
export class Reading {
  private readonly range: Range;
  private next: bigint;
  /** The last entry that was taken: what cannot be read may be between it and the next version. */
  private behind: EntryKey | undefined;
  private left: bigint | undefined;

  constructor(
    private readonly files: ReplicaFiles,
    private readonly query: ReadStreamQuery,
    headVersion: bigint,
  ) {
    this.range = rangeOf(query, headVersion);
    this.next = this.range.reverse ? this.range.toVersion : this.range.fromVersion;
    this.left = query.maxCount;
  }

  get isOver(): boolean {
    return this.next < this.range.fromVersion || this.next > this.range.toVersion;
  }

  plan(): Plan {
    const { files, query, range, next, behind, left } = this;
    const { entries, isLast } = entriesFrom(files, query, range, { next, behind, left });
    const soundCount = soundEntries(entries, range.reverse, next);
    const sound = soundCount === entries.length ? entries : entries.slice(0, soundCount);
    const wanted = hasTimes(query) ? sound.filter(({ timeNanos }) => isWithinTimes(query, timeNanos)) : sound;
    return { entries, soundCount, wanted, isLast };
  }

  fetch({ wanted }: Plan): StoredRecord[] | Promise<StoredRecord[]> {
    return fetchRecords(this.files, wanted);
  }

  /** undefined: nothing of it is asked for, and the read goes on. */
  take({ entries, soundCount, isLast }: Plan, records: readonly StoredRecord[]): Page | undefined {
    const runs = this.select(records);
    const last = entries[soundCount - 1];
    this.behind = last;
    this.next = following(last, this.range.reverse, this.next);
    if (this.left === 0n) return { runs, end: 'maxCount' };
    if (isLast && soundCount === entries.length && this.isOver) return { runs, end: 'complete' };
    return runs.length > 0 ? { runs, end: undefined } : undefined;
  }

  /** Throws what is wrong with what comes after a page. */
  async throwAfter({ entries, soundCount, isLast }: Plan): Promise<void> {
    if (soundCount === entries.length && !isLast) return;
    await throwDamage(this.files, this.query.stream, entries[soundCount], this.next);
  }

  /** What follows a page and lies together. */
  async *runsAfter({ entries }: Plan, { signal }: CallContext): AsyncGenerator<Page, void> {
    const { files, query, range } = this;
    const last = entries.at(-1);
    if (last === undefined || !isPlain(query) || !areDense(entries)) return;
    for await (const { run, last: reached } of runsBehind(files, last, query.stream, range.toVersion)) {
      signal.throwIfAborted();
      this.behind = reached;
      this.next = reached.version + 1n;
      yield { runs: [run], end: this.isOver ? 'complete' : undefined };
      if (this.isOver) return;
    }
  }

  private select(records: readonly StoredRecord[]): EventRun[] {
    const { eventTypes } = this.query;
    // Within the range only the first and the last commit of a page can be cut.
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

/** The only page of a read, or all of them one after the other. */
export async function pagesOf(reading: Reading, call: CallContext): Promise<Pages> {
  if (reading.isOver) return [{ runs: [], end: 'complete' }];
  const plan = reading.plan();
  const page = reading.take(plan, await reading.fetch(plan));
  return page?.end === undefined ? pages(reading, call, plan, page) : [page];
}

async function* pages(
  reading: Reading,
  call: CallContext,
  plan: Plan,
  page: Page | undefined,
): AsyncGenerator<Page, void> {
  for (;;) {
    if (page !== undefined) yield page;
    if (page?.end !== undefined) return;
    await reading.throwAfter(plan);
    for await (const run of reading.runsAfter(plan, call)) {
      yield run;
      if (run.end !== undefined) return;
    }
    if (reading.isOver) break;
    call.signal.throwIfAborted();
    plan = reading.plan();
    page = reading.take(plan, await reading.fetch(plan));
  }
  yield { runs: [], end: 'complete' };
}

/** Whether all events of the range are asked for, in order. */
function isPlain({ direction, eventTypes, maxCount, fromTime, toTime }: ReadStreamQuery): boolean {
  const isBounded = maxCount !== undefined || fromTime !== undefined || toTime !== undefined;
  return direction === 'forward' && !isBounded && eventTypes.size === 0;
}

/** How many entries there are before one that is no commit, or leaves out a version. */
export function soundEntries(entries: readonly IndexEntry[], reverse: boolean, from: bigint): number {
  let next = from;
  for (const [index, entry] of entries.entries()) {
    const { version: last, count } = entry;
    const holdsNext = last >= next && last - BigInt(count) < next;
    if (count === 0 || !holdsNext) return index;
    next = following(entry, reverse, next);
  }
  return entries.length;
}

function hasTimes({ fromTime, toTime }: ReadStreamQuery): boolean {
  return fromTime !== undefined || toTime !== undefined;
}

/** The next version in the direction of the read. */
export function following(entry: IndexEntry | undefined, reverse: boolean, next: bigint): bigint {
  if (entry === undefined) return next;
  return reverse ? entry.version - BigInt(entry.count) : entry.version + 1n;
}

/** Throws what a reader is told who meets an entry that stands for damage. */
export async function throwOf(files: ReplicaFiles, entry: IndexEntry): Promise<never> {
  const [{ bytes, header }] = (await fetchRecords(files, [entry])) as [StoredRecord];
  throw errorOf(bytes, header);
}

/** Throws what is wrong with an entry, or that a version is missing before it. */
export async function throwDamage(
  files: ReplicaFiles,
  stream: StreamName,
  entry: IndexEntry | undefined,
  missing: bigint,
): Promise<never> {
  const met = entry ?? files.index.head(stream);
  if (met?.count === 0) await throwOf(files, met);
  const reason = `version ${missing.toString()} is missing`;
  throw new UnreadableCommitError(stream, position(met?.sequence ?? 0n), reason);
}

interface Range {
  readonly reverse: boolean;
  readonly fromVersion: bigint;
  readonly toVersion: bigint;
}

/** The versions asked for, lowest and highest, whatever the direction. */
function rangeOf({ direction, fromVersion, toVersion }: ReadStreamQuery, headVersion: bigint): Range {
  const reverse = direction === 'backward';
  const [low, high] = reverse ? [toVersion, fromVersion] : [fromVersion, toVersion];
  return {
    reverse,
    fromVersion: low === 0n ? 1n : low,
    toVersion: high === 0n || high > headVersion ? headVersion : high,
  };
}

/** How far a read has come. */
interface Reached {
  readonly next: bigint;
  /** The last entry that was taken: what cannot be read may be between it and the next version. */
  readonly behind: EntryKey | undefined;
  readonly left: bigint | undefined;
}

/** The entries for one page, in the order of the read; each holds a version that is asked for. */
function entriesFrom(
  { index }: ReplicaFiles,
  query: ReadStreamQuery,
  { reverse, fromVersion, toVersion }: Range,
  { next, behind, left }: Reached,
): { readonly entries: readonly IndexEntry[]; readonly isLast: boolean } {
  const { stream } = query;
  const isFiltered = query.eventTypes.size > 0 || hasTimes(query);
  const most = isFiltered || left === undefined || left > BigInt(entriesMax) ? entriesMax : Number(left);
  const entries: IndexEntry[] = [];
  let bytes = 0;
  for (const entry of reverse ? index.backward(stream, next, behind) : index.forward(stream, next, behind)) {
    if (entries.length === most || (bytes > 0 && bytes + entry.place.length > pageBytesMax))
      return { entries, isLast: false };
    entries.push(entry);
    bytes += entry.place.length;
    const isLast = reverse ? entry.version - BigInt(entry.count) < fromVersion : entry.version >= toVersion;
    if (isLast) return { entries, isLast };
  }
  return { entries, isLast: true };
}
