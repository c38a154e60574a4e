import { UnreadableCommitError } from '../store/errors';
import type {
  CallContext,
  EventRun,
  Page,
  ReadStreamQuery,
  StreamHead,
  StreamRead,
} from '../store/event-store';
import { position, unixNanos, version, type StreamName, type UnixNanos } from '../store/values';
import { fetchRecords } from './fetch';
import { errorOf, firstVersionOf } from './record';
import type { IndexEntry } from './index-keys';
import type { OpenFiles, Replica } from './replica';
import type { EntryKey } from './replica-index';
import { take } from './take';
import { isWithinTimes, select, type StoredRecord } from './select';
import { areDense, runsBehind } from './stream-run';

/** Entries looked up at once, */
const entriesMax = 512;
/** and bytes of their records, except for one larger record. */
const pageBytesMax = 1 << 20;

/** Reads a stream as it is now: up to the head, and no further. */
export async function readStream(
  replica: Replica,
  query: ReadStreamQuery,
  call: CallContext,
): Promise<StreamRead> {
  await replica.reach(query.consistency, call);
  const { files } = replica;
  const entry = files.index.head(query.stream);
  const head = (await claimedHead(files, entry)) ?? (await headOf(replica, query.stream, entry));
  return { head, pages: pages(files, query, head.version, call) };
}

/** What a last message says of the version of its stream whose events cannot be read: what comes before them can. */
async function claimedHead(files: OpenFiles, entry: IndexEntry | undefined): Promise<StreamHead | undefined> {
  if (entry === undefined || entry.count > 0) return undefined;
  const [{ bytes, header }] = (await fetchRecords(files, [entry])) as [StoredRecord];
  const claimed = firstVersionOf(bytes, header);
  if (claimed === 0n) return undefined;
  const { position: at, timeNanos } = entry;
  return { version: version(claimed), position: position(at), commitTime: unixNanos(timeNanos) };
}

/** The head that an entry stands for. Throws UnreadableCommitError if it is damage, or there may have been one that is gone. */
export async function headOf(
  { files, faults }: Replica,
  stream: string,
  entry: IndexEntry | undefined,
): Promise<StreamHead> {
  if (entry === undefined) {
    const doubt = faults.doubtOf(stream);
    if (doubt !== undefined) throw doubt;
    return { version: version(0n), position: position(0n), commitTime: undefined };
  }
  await throwIfDamage(files, entry);
  return {
    version: version(entry.version),
    position: position(entry.position),
    commitTime: unixNanos(entry.timeNanos),
  };
}

async function throwIfDamage(files: OpenFiles, entry: IndexEntry): Promise<void> {
  if (entry.count > 0) return;
  const [{ bytes, header }] = (await fetchRecords(files, [entry])) as [StoredRecord];
  throw errorOf(bytes, header);
}

/** The version of a stream at a time: that of its last commit that is not later. */
export async function headAsOf(
  replica: Replica,
  stream: StreamName,
  asOf: UnixNanos,
  call: CallContext,
): Promise<StreamHead> {
  const { files } = replica;
  const head = files.index.head(stream);
  if (head === undefined || (head.count === 0 && head.timeNanos <= asOf))
    return headOf(replica, stream, head);
  let next = head.version;
  let behind: IndexEntry | undefined;
  while (next > 0n) {
    const entries = take(files.index.backward(stream, next, behind), entriesMax);
    const sound = entries.slice(0, soundEntries(entries, true, next));
    const found = sound.find(({ timeNanos }) => timeNanos <= asOf);
    if (found !== undefined) return headOf(replica, stream, found);
    behind = sound.at(-1);
    next = following(behind, true, next);
    const after = entries[sound.length];
    if (next > 0n && (after !== undefined || sound.length === 0))
      await throwDamage(files, stream, after, next);
    await turn(call);
  }
  return { version: version(0n), position: position(0n), commitTime: undefined };
}

async function* pages(
  files: OpenFiles,
  query: ReadStreamQuery,
  headVersion: bigint,
  call: CallContext,
): AsyncGenerator<Page, void> {
  const range = rangeOf(query, headVersion);
  let next = range.reverse ? range.toVersion : range.fromVersion;
  let behind: EntryKey | undefined;
  let left = query.maxCount;
  // Within the range only the first and the last commit of a page can be cut.
  const inner = { reverse: range.reverse, eventTypes: query.eventTypes };
  const outer = { ...inner, ...range };
  while (next >= range.fromVersion && next <= range.toVersion) {
    call.signal.throwIfAborted();
    const { entries, isLast } = entriesFrom(files, query, range, { next, behind, left });
    const sound = entries.slice(0, soundEntries(entries, range.reverse, next));
    const isSound = sound.length === entries.length;
    const wanted = sound.filter(({ timeNanos }) => isWithinTimes(query, timeNanos));
    const runs: EventRun[] = [];
    const records = await fetchRecords(files, wanted);
    for (const [index, record] of records.entries()) {
      const isInner = index > 0 && index + 1 < records.length;
      const selection = isInner ? inner : outer;
      const run = select(record, left === undefined ? selection : { ...selection, countMax: left });
      if (run === undefined) continue;
      runs.push(run);
      if (left !== undefined) left -= BigInt(run.eventCount);
      if (left === 0n) break;
    }
    const last = sound.at(-1);
    behind = last;
    next = following(last, range.reverse, next);
    if (left === 0n) {
      yield { runs, end: 'maxCount' };
      return;
    }
    const isComplete = range.reverse ? next < range.fromVersion : next > range.toVersion;
    if (isLast && isSound && isComplete) {
      yield { runs, end: 'complete' };
      return;
    }
    if (runs.length > 0) yield { runs, end: undefined };
    if (!isSound || isLast) await throwDamage(files, query.stream, entries[sound.length], next);
    if (last === undefined || !isPlain(query) || !areDense(sound)) continue;
    for await (const { run, last: reached } of runsBehind(files, last, query.stream, range.toVersion)) {
      call.signal.throwIfAborted();
      behind = reached;
      next = reached.version + 1n;
      yield { runs: [run], end: next > range.toVersion ? 'complete' : undefined };
      if (next > range.toVersion) return;
    }
  }
  yield { runs: [], end: 'complete' };
}

/** Whether all events of the range are asked for, in order. */
function isPlain({ direction, eventTypes, maxCount, fromTime, toTime }: ReadStreamQuery): boolean {
  const isBounded = maxCount !== undefined || fromTime !== undefined || toTime !== undefined;
  return direction === 'forward' && !isBounded && eventTypes.size === 0;
}

/** How many entries there are before one that is no commit, or leaves out a version. */
function soundEntries(entries: readonly IndexEntry[], reverse: boolean, from: bigint): number {
  let next = from;
  for (const [index, entry] of entries.entries()) {
    const { version: last, count } = entry;
    const holdsNext = last >= next && last - BigInt(count) < next;
    if (count === 0 || !holdsNext) return index;
    next = following(entry, reverse, next);
  }
  return entries.length;
}

/** The next version in the direction of the read. */
function following(entry: IndexEntry | undefined, reverse: boolean, next: bigint): bigint {
  if (entry === undefined) return next;
  return reverse ? entry.version - BigInt(entry.count) : entry.version + 1n;
}

async function throwDamage(
  files: OpenFiles,
  stream: StreamName,
  entry: IndexEntry | undefined,
  missing: bigint,
): Promise<never> {
  const met = entry ?? files.index.head(stream);
  if (met !== undefined) await throwIfDamage(files, met);
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
  { index }: OpenFiles,
  { stream, eventTypes, fromTime, toTime }: ReadStreamQuery,
  { reverse, fromVersion, toVersion }: Range,
  { next, behind, left }: Reached,
): { readonly entries: readonly IndexEntry[]; readonly isLast: boolean } {
  const isFiltered = eventTypes.size > 0 || fromTime !== undefined || toTime !== undefined;
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

/** Lets others go on. */
export async function turn({ signal }: CallContext): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
