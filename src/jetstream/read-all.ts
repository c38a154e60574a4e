import type { AllPage, AllRead, CallContext, CommitSlice, ReadAllQuery, ReadEnd } from '../store/event-store';
import { position, type UnixNanos } from '../store/values';
import { directGetBatch } from './api';
import { stepsOf, type StoredCommit } from './commit-assembler';
import { logHead, type LogHead } from './head';
import { formatTime, storedMessage } from './message';
import { logBackward, logForward, type LogRange } from './scan-log';
import { inTime, selectAll, type Selection } from './select';
import { everything, patiently, type StoreContext } from './store-context';

/** Reads the log as it is now: the read goes up to its end, which is asked for first. */
export async function readAll(
  context: StoreContext,
  query: ReadAllQuery,
  call: CallContext,
): Promise<AllRead> {
  const head = await logHead(context, call);
  await context.durability.through(head.sequence);
  return { position: position(head.sequence), pages: pages(context, query, head, call) };
}

async function* pages(
  context: StoreContext,
  query: ReadAllQuery,
  head: LogHead,
  call: CallContext,
): AsyncGenerator<AllPage, void> {
  const { direction, filter, maxCount } = query;
  const forward = direction === 'forward';
  const range = await rangeOf(context, query, head, call);
  if (range.after >= range.through) {
    yield { commits: [], end: 'complete', position: query.afterPosition ?? position(0n) };
    return;
  }
  const filtered = filter.patterns.length + filter.eventTypes.size + filter.eventTypePrefixes.length > 0;
  const span = maxCount !== undefined && !filtered && maxCount < 256n ? maxCount : undefined;
  const source = forward ? logForward(context, range, call) : logBackward(context, range, call, span);
  const selection = { ...selectionOf(query), countMax: undefined };
  let left = maxCount;
  let handled = forward ? range.after : range.through + 1n;
  for await (const { commits, covered, last } of source) {
    const slices: CommitSlice[] = [];
    let end: ReadEnd | undefined;
    for (const step of stepsOf(commits)) {
      const newest = step.at(forward ? -1 : 0) as StoredCommit;
      if (isPast(query, newest)) end = 'complete';
      const chosen = end === undefined && inTime(query, newest) ? selectAll(step, selection) : [];
      const eventCount = BigInt(chosen.reduce((sum, slice) => sum + slice.eventCount, 0));
      if (left !== undefined && left < eventCount && left !== maxCount) end = 'maxCount';
      if (end !== undefined) break;
      handled = newest.position;
      slices.push(...chosen);
      if (left === undefined || eventCount === 0n) continue;
      left -= eventCount;
      if (left > 0n) continue;
      end = 'maxCount';
      break;
    }
    if (end === undefined) handled = covered;
    if (last) end ??= 'complete';
    yield { commits: slices, end, position: position(handled) };
    if (end !== undefined) return;
  }
}

function selectionOf({ filter, direction }: ReadAllQuery): Omit<Selection, 'countMax'> {
  const { eventTypes, eventTypePrefixes } = filter;
  const reverse = direction === 'backward';
  return { fromVersion: 1n, toVersion: undefined, eventTypes, eventTypePrefixes, reverse };
}

/** What lies outside the times asked for is left out as far as one question can tell. */
async function rangeOf(
  context: StoreContext,
  query: ReadAllQuery,
  head: LogHead,
  call: CallContext,
): Promise<LogRange> {
  const { fromTime, toTime, toPosition, afterPosition } = query;
  const { patterns } = query.filter;
  if (query.direction === 'forward') {
    const through = toPosition === 0n || toPosition > head.sequence ? head.sequence : toPosition;
    const after = afterPosition ?? 0n;
    if (fromTime === undefined || after >= through) return { patterns, after, through };
    const first = await firstSince(context, fromTime, head, call);
    return { patterns, after: first - 1n > after ? first - 1n : after, through };
  }
  const after = toPosition === 0n ? 0n : toPosition - 1n;
  const isWithin = afterPosition !== undefined && afterPosition <= head.sequence;
  const through = isWithin ? afterPosition - 1n : head.sequence;
  if (toTime === undefined || after >= through) return { patterns, after, through };
  const late = await firstSince(context, (toTime + 1n) as UnixNanos, head, call);
  return { patterns, after, through: late - 1n < through ? late - 1n : through };
}

/** The sequence of the first message at or after a time; the one beyond the end if there is none. */
export async function firstSince(
  context: StoreContext,
  time: UnixNanos,
  head: LogHead,
  call: CallContext,
): Promise<bigint> {
  if (head.timeNanos < time) return head.sequence + 1n;
  const lookup = { start_time: formatTime(time), next_by_subj: everything, batch: 1 };
  return patiently(context, 'a time', call, async (options) => {
    const { messages } = await directGetBatch(context.pool.read(), context.log, lookup, options);
    return messages[0] && storedMessage(messages[0]).sequence;
  });
}

/** Whether this commit and all that follow it in the direction of the read lie outside the times asked for. */
function isPast({ direction, fromTime, toTime }: ReadAllQuery, { timeNanos }: StoredCommit): boolean {
  return direction === 'forward'
    ? toTime !== undefined && timeNanos > toTime
    : fromTime !== undefined && timeNanos < fromTime;
}
