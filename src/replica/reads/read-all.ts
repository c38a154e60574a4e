import type { AllPage, AllRead, CallContext, EventFilter, ReadAllQuery } from '../../store/event-store';
import { checkStoreId } from '../../store/store-id';
import { streamMatcher } from '../../store/patterns';
import { position } from '../../store/values';
import type { ReplicaFiles } from '../index/replica-files';
import type { SegmentCursor } from '../segments/segment-view';
import { groupsOf, isInRange, type ChunkGroups, type Group } from './groups';
import { clockNanos, hidingAt } from './hiding';
import { indexedGroups } from './indexed-groups';
import { PageBuilder } from './page-builder';
import { isIndexed } from './query-walk';
import type { ReadableReplica } from './readable-replica';
import type { ReadFilter } from './record-filter';
import { cursorAfter, readChunk, scan } from './scan';
import { hasAllEvents } from './select';
import { unfilteredRun, type PositionRange } from './unfiltered-run';

const chunkBytes = 256 << 10;

/** Reads the log up to the end that it has now. */
export async function readAll(
  replica: ReadableReplica,
  query: ReadAllQuery,
  call: CallContext,
): Promise<AllRead> {
  const head = await replica.catchUp('leader', call);
  const { files, faults, storeId } = replica;
  checkStoreId(query.storeId, storeId);
  const range = rangeOf(query, head);
  if (range.after >= range.upTo)
    return { position: position(head), storeId, pages: emptyRead(positionOfEmpty(query)) };
  if (query.filter.patterns.length === 0)
    return { position: position(head), storeId, pages: emptyRead(endOf(query, range)) };
  const filter: ReadFilter = {
    matches: streamMatcher(query.filter),
    skipsUnreadable: query.skipUnreadable,
    isIncomplete: faults.isIncomplete,
    hiding: hidingAt(files, { nowNanos: clockNanos(), upTo: head }),
  };
  const read = { files, query, range, filter };
  return {
    position: position(head),
    storeId,
    pages: isUnfiltered(query) ? unfilteredPages(read, call) : filteredPages(read, call),
  };
}

/** A read in progress. */
interface Read {
  readonly files: ReplicaFiles;
  readonly query: ReadAllQuery;
  readonly range: PositionRange;
  readonly filter: ReadFilter;
}

/** With a count, the commit at `afterPosition` belongs to the range. */
function rangeOf(query: ReadAllQuery, head: bigint): PositionRange {
  const { direction, toPosition, afterPosition, afterCount } = query;
  const excluded = afterCount === undefined ? 1n : 0n;
  if (direction === 'forward')
    return {
      after: afterPosition === undefined || afterPosition === 0n ? 0n : afterPosition - 1n + excluded,
      upTo: toPosition === 0n || toPosition > head ? head : toPosition,
    };
  const isWithin = afterPosition !== undefined && afterPosition <= head;
  return {
    after: toPosition === 0n ? 0n : toPosition - 1n,
    upTo: isWithin ? afterPosition - excluded : head,
  };
}

/** Where a read of an empty range ends. If the commit within which it begins is stored later, it is not skipped. */
function positionOfEmpty({
  direction,
  afterPosition,
  afterCount,
  toPosition,
}: ReadAllQuery): AllPage['position'] {
  if (direction === 'backward') return afterPosition ?? toPosition;
  const at = afterPosition ?? position(0n);
  return afterCount !== undefined && at > 0n ? position(at - 1n) : at;
}

/** Where a read of a whole range ends. */
function endOf({ direction }: ReadAllQuery, { after, upTo }: PositionRange): AllPage['position'] {
  return position(direction === 'forward' ? upTo : after + 1n);
}

// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
async function* emptyRead(at: AllPage['position']): AsyncGenerator<AllPage, void> {
  yield { runs: [], end: 'complete', position: at };
}

/** Whether the read wants all events of the range, in order. */
function isUnfiltered(query: ReadAllQuery): boolean {
  const { direction, filter, afterCount, maxCount, fromTime, toTime, skipUnreadable } = query;
  const isBounded = [afterCount, maxCount, fromTime, toTime].some((bound) => bound !== undefined);
  return direction === 'forward' && !isBounded && !skipUnreadable && wantsAll(filter);
}

/** Whether a filter selects all events of all streams. */
export function wantsAll(filter: EventFilter): boolean {
  return filter.patterns.includes('>') && filter.visible === undefined && hasAllEvents(filter);
}

async function* unfilteredPages(
  { files, range, filter }: Read,
  call: CallContext,
): AsyncGenerator<AllPage, void> {
  for await (const chunk of scan(files, cursorAfter(files, range.after), chunkBytes)) {
    call.signal.throwIfAborted();
    const { last } = chunk;
    const { run, error, isHiding, isPastEnd } = unfilteredRun(chunk, range, filter);
    const isDone = (isPastEnd || last === range.upTo) && error === undefined;
    const runs = run === undefined ? [] : [run];
    // A reader goes on after what is hidden.
    const handled = error === undefined && isHiding ? last : (run?.position ?? range.after);
    const at = isDone ? range.upTo : handled;
    if (run !== undefined || isDone || (isHiding && error === undefined))
      yield { runs, end: isDone ? 'complete' : undefined, position: position(at) };
    if (error !== undefined) throw error.withHint();
    if (isDone) return;
  }
  yield { runs: [], end: 'complete', position: position(range.upTo) };
}

async function* forward(read: Read, call: CallContext): AsyncGenerator<ChunkGroups, void> {
  const { files, range } = read;
  for await (const chunk of scan(files, startOf(read), chunkBytes)) {
    call.signal.throwIfAborted();
    const { last } = chunk;
    // From the mark to the beginning of the range: nothing of it has been read yet.
    if (last <= range.after) continue;
    const groups = groupsOf(chunk).filter((group) => isInRange(group, range));
    yield { groups, completeTo: last < range.upTo ? last : range.upTo };
    if (last >= range.upTo) return;
  }
}

/** Where a forward read begins: after its position, and not before the mark of its time. */
function startOf({ files, query, range, filter }: Read): SegmentCursor {
  const { fromTime } = query;
  // Damage is reported whatever its time.
  const isByTime = fromTime !== undefined && !filter.skipsUnreadable && !filter.isIncomplete;
  const mark = isByTime ? files.index.markBeforeTime(fromTime) : undefined;
  if (mark === undefined || mark.position <= range.after) return cursorAfter(files, range.after);
  return { ...mark.location, after: mark.position - 1n };
}

/** Reads the log from mark to mark, from the last mark to the first. */
async function* backward({ files, range }: Read, call: CallContext): AsyncGenerator<ChunkGroups, void> {
  for (let upTo = range.upTo; ;) {
    call.signal.throwIfAborted();
    const mark = files.index.markAtOrBefore(upTo);
    const from: SegmentCursor = {
      ...(mark?.location ?? { segment: 0, offset: 0 }),
      after: (mark?.position ?? 1n) - 1n,
    };
    const groups = await groupsBetween(files, from, { after: range.after, upTo });
    groups.reverse();
    const isFirst = mark === undefined || mark.position <= range.after + 1n;
    yield { groups, completeTo: isFirst ? range.after + 1n : mark.position };
    if (isFirst) return;
    upTo = mark.position - 1n;
  }
}

async function groupsBetween(
  files: ReplicaFiles,
  from: SegmentCursor,
  range: PositionRange,
): Promise<Group[]> {
  const groups: Group[] = [];
  for (let cursor = from; ;) {
    const chunk = await readChunk(files, cursor, chunkBytes);
    if (chunk === undefined) return groups;
    groups.push(...groupsOf(chunk).filter((group) => isInRange(group, range)));
    if (chunk.last >= range.upTo) return groups;
    cursor = chunk.next;
  }
}

function groupsToRead(read: Read, call: CallContext): AsyncIterable<ChunkGroups> {
  const { files, range, query } = read;
  const { direction, filter } = query;
  if (isIndexed(filter.query)) {
    const indexed = { ...range, direction, chunkBytes: () => chunkBytes };
    return indexedGroups(files, filter.query, indexed, call);
  }
  return direction === 'forward' ? forward(read, call) : backward(read, call);
}

async function* filteredPages(read: Read, call: CallContext): AsyncGenerator<AllPage, void> {
  const { query, range, filter } = read;
  const isForward = query.direction === 'forward';
  const pages = new PageBuilder(query, filter, isForward ? range.after : range.upTo + 1n);
  for await (const { groups, completeTo } of groupsToRead(read, call)) {
    const isLast = isForward ? completeTo >= range.upTo : completeTo <= range.after + 1n;
    for (const page of pages.build(groups, completeTo, isLast)) {
      yield page;
      if (page.end !== undefined) return;
    }
  }
  yield { runs: [], end: 'complete', position: pages.position };
}
