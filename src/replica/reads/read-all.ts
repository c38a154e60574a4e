import { UnreadableCommitError } from '../../store/errors';
import type {
  AllPage,
  AllRead,
  CallContext,
  EventFilter,
  EventRun,
  ReadAllQuery,
  ReadEnd,
} from '../../store/event-store';
import { patternMatcher } from '../../store/patterns';
import type { UnreadableMessage } from '../../store/store-info';
import { position } from '../../store/values';
import { groupsOf, positionOf, takeGroup, timeOf, type Group } from './groups';
import type { Wanted } from './record-filter';
import { plainRun } from './unfiltered-run';
import type { ReadableReplica } from './readable-replica';
import type { ReplicaFiles } from '../index/replica-files';
import { cursorAfter, readChunk, scan } from './scan';
import type { Cursor } from '../segments/segments';
import { hasAllTypes, isWithinTimes } from './select';

const chunkBytes = 256 << 10;

/** Reads the log as it is now: up to its end, and no further. */
export async function readAll(
  replica: ReadableReplica,
  query: ReadAllQuery,
  call: CallContext,
): Promise<AllRead> {
  const head = await replica.catchUp('leader', call);
  const { files, faults } = replica;
  const range = rangeOf(query, head);
  if (range.after >= range.through)
    return { position: position(head), pages: nothing(query.afterPosition ?? position(0n)) };
  const wanted: Wanted = {
    matches: patternMatcher(query.filter.patterns),
    skips: query.skipUnreadable,
    isCut: faults.isIncomplete,
  };
  const groups =
    query.direction === 'forward' ? forward(files, query, range, wanted, call) : backward(files, range, call);
  const pages = isPlain(query)
    ? plainPages(files, range, wanted, call)
    : selectedPages(query, range, wanted, groups);
  return { position: position(head), pages };
}

interface Range {
  /** Exclusive. */
  readonly after: bigint;
  /** Inclusive. */
  readonly through: bigint;
}

function rangeOf({ direction, toPosition, afterPosition }: ReadAllQuery, head: bigint): Range {
  if (direction === 'forward')
    return {
      after: afterPosition ?? 0n,
      through: toPosition === 0n || toPosition > head ? head : toPosition,
    };
  const isWithin = afterPosition !== undefined && afterPosition <= head;
  return { after: toPosition === 0n ? 0n : toPosition - 1n, through: isWithin ? afterPosition - 1n : head };
}

// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
async function* nothing(at: AllPage['position']): AsyncGenerator<AllPage, void> {
  yield { runs: [], end: 'complete', position: at };
}

/** Whether all events of the range are asked for, in order. */
function isPlain({ direction, filter, maxCount, fromTime, toTime, skipUnreadable }: ReadAllQuery): boolean {
  const isBounded = maxCount !== undefined || fromTime !== undefined || toTime !== undefined;
  return direction === 'forward' && !isBounded && !skipUnreadable && wantsAll(filter);
}

export function wantsAll(filter: EventFilter): boolean {
  return (filter.patterns.length === 0 || filter.patterns.includes('>')) && hasAllTypes(filter);
}

async function* plainPages(
  files: ReplicaFiles,
  range: Range,
  wanted: Wanted,
  call: CallContext,
): AsyncGenerator<AllPage, void> {
  for await (const chunk of scan(files, cursorAfter(files, range.after), chunkBytes)) {
    call.signal.throwIfAborted();
    const { run, error, isPast } = plainRun(chunk, range, wanted);
    const isEnd = isPast || chunk.last === range.through;
    const isDone = isEnd && error === undefined;
    const at = isDone ? range.through : (run?.position ?? range.after);
    if (run !== undefined || isDone)
      yield {
        runs: run === undefined ? [] : [run],
        end: isDone ? 'complete' : undefined,
        position: position(at),
      };
    if (error !== undefined) throw error.withWayOn();
    if (isDone) return;
  }
  yield { runs: [], end: 'complete', position: position(range.through) };
}

/** Groups of one chunk of the log, in the order of the read. */
interface Groups {
  readonly groups: readonly Group[];
  /** All that was asked for has been given up to here. */
  readonly covered: bigint;
}

async function* forward(
  files: ReplicaFiles,
  { fromTime }: ReadAllQuery,
  { after, through }: Range,
  { skips, isCut }: Wanted,
  call: CallContext,
): AsyncGenerator<Groups, void> {
  // What cannot be read, or is gone, is told whatever the time.
  const mark = fromTime === undefined || skips || isCut ? undefined : files.index.markBeforeTime(fromTime);
  const isLater = mark !== undefined && mark.position > after;
  const start = isLater ? { ...mark.place, after: mark.position - 1n } : cursorAfter(files, after);
  for await (const chunk of scan(files, start, chunkBytes)) {
    call.signal.throwIfAborted();
    const { last } = chunk;
    const groups = groupsOf(chunk).filter(isWithin({ after, through }));
    yield { groups, covered: last < through ? last : through };
    if (last >= through) return;
  }
}

/** Reads the log from mark to mark, from the last one to the first. */
async function* backward(files: ReplicaFiles, range: Range, call: CallContext): AsyncGenerator<Groups, void> {
  for (let below = range.through; ;) {
    call.signal.throwIfAborted();
    const mark = files.index.markAt(below);
    const from: Cursor = {
      ...(mark?.place ?? { segment: 0, offset: 0 }),
      after: (mark?.position ?? 1n) - 1n,
    };
    const groups = await groupsBetween(files, from, { after: range.after, through: below });
    groups.reverse();
    const isFirst = mark === undefined || mark.position <= range.after + 1n;
    yield { groups, covered: isFirst ? range.after + 1n : mark.position };
    if (isFirst) return;
    below = mark.position - 1n;
  }
}

async function groupsBetween(files: ReplicaFiles, from: Cursor, range: Range): Promise<Group[]> {
  const groups: Group[] = [];
  for (let cursor = from; ;) {
    const chunk = await readChunk(files, cursor, chunkBytes);
    if (chunk === undefined) return groups;
    groups.push(...groupsOf(chunk).filter(isWithin(range)));
    if (chunk.last >= range.through) return groups;
    cursor = chunk.next;
  }
}

function isWithin({ after, through }: Range): (group: Group) => boolean {
  return (group) => {
    const at = positionOf(group);
    return at > after && at <= through;
  };
}

async function* selectedPages(
  query: ReadAllQuery,
  range: Range,
  wanted: Wanted,
  source: AsyncIterable<Groups>,
): AsyncGenerator<AllPage, void> {
  const { direction, maxCount } = query;
  const isForward = direction === 'forward';
  const selection = { ...query.filter, reverse: !isForward };
  let left = maxCount;
  let handled = isForward ? range.after : range.through + 1n;
  for await (const { groups, covered } of source) {
    const runs: EventRun[] = [];
    const unreadable: UnreadableMessage[] = [];
    let end: ReadEnd | undefined;
    for (const group of groups) {
      const taken = takeGroup(group, wanted, selection);
      if (taken instanceof UnreadableCommitError) {
        if (!wanted.skips) {
          yield { runs, end: undefined, position: position(handled), unreadable };
          throw taken.withWayOn();
        }
        unreadable.push(taken);
        handled = positionOf(group);
        continue;
      }
      const chosen = isWithinTimes(query, timeOf(group)) ? taken : [];
      const eventCount = BigInt(chosen.reduce((sum, run) => sum + run.eventCount, 0));
      if (left !== undefined && left < eventCount && left !== maxCount) end = 'maxCount';
      if (end !== undefined) break;
      handled = positionOf(group);
      runs.push(...chosen);
      if (left === undefined || eventCount === 0n) continue;
      left -= eventCount;
      if (left > 0n) continue;
      end = 'maxCount';
      break;
    }
    if (end === undefined) handled = covered;
    const isLast = isForward ? covered >= range.through : covered <= range.after + 1n;
    if (isLast) end ??= 'complete';
    yield { runs, end, position: position(handled), unreadable };
    if (end !== undefined) return;
  }
  yield { runs: [], end: 'complete', position: position(handled) };
}
