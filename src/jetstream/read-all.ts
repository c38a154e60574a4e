import type { AllPage, AllRead, CallContext, CommitSlice, ReadAllQuery, ReadEnd } from '../store/event-store';
import { UnreadableCommitError } from '../store/errors';
import { position } from '../store/values';
import { stepsOf, type StoredCommit } from './commit-assembler';
import { logHead } from './head';
import type { LogMark } from './log-mark';
import { logBackward, logForward, type LogPage, type LogRange } from './scan-log';
import { isWithinTimes, selectAll, type Selection } from './select';
import type { StoreContext } from './store-context';

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
  head: LogMark,
  call: CallContext,
): AsyncGenerator<AllPage, void> {
  const { direction, filter, maxCount } = query;
  const forward = direction === 'forward';
  const range = rangeOf(query, head);
  if (range.after >= range.through) {
    yield { commits: [], end: 'complete', position: query.afterPosition ?? position(0n), unreadable: [] };
    return;
  }
  const filtered = filter.patterns.length + filter.eventTypes.size + filter.eventTypePrefixes.length > 0;
  const span = maxCount !== undefined && !filtered && maxCount < 256n ? maxCount : undefined;
  const source = forward ? logForward(context, range, call) : logBackward(context, range, call, span);
  const selection = { ...selectionOf(query), countMax: undefined };
  let left = maxCount;
  let handled = forward ? range.after : range.through + 1n;
  for await (const { commits, covered, last, unreadable } of withWayOn(source)) {
    const slices: CommitSlice[] = [];
    let end: ReadEnd | undefined;
    for (const step of stepsOf(commits)) {
      const newest = step.at(forward ? -1 : 0) as StoredCommit;
      const chosen = isWithinTimes(query, newest) ? selectAll(step, selection) : [];
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
    const told = unreadable.filter((one) => (forward ? one.position <= handled : one.position >= handled));
    yield { commits: slices, end, position: position(handled), unreadable: told };
    if (end !== undefined) return;
  }
}

function selectionOf({ filter, direction }: ReadAllQuery): Omit<Selection, 'countMax'> {
  const { eventTypes, eventTypePrefixes } = filter;
  const reverse = direction === 'backward';
  return { fromVersion: 1n, toVersion: undefined, eventTypes, eventTypePrefixes, reverse };
}

function rangeOf(
  { direction, filter, toPosition, afterPosition, skipUnreadable: skips }: ReadAllQuery,
  { sequence: head }: LogMark,
): LogRange {
  const { patterns } = filter;
  if (direction === 'forward') {
    const through = toPosition === 0n || toPosition > head ? head : toPosition;
    return { patterns, after: afterPosition ?? 0n, through, skips };
  }
  const after = toPosition === 0n ? 0n : toPosition - 1n;
  const isWithin = afterPosition !== undefined && afterPosition <= head;
  return { patterns, after, through: isWithin ? afterPosition - 1n : head, skips };
}

/** A reader of the whole store is told how to go on. */
async function* withWayOn(pages: AsyncGenerator<LogPage, void>): AsyncGenerator<LogPage, void> {
  try {
    yield* pages;
  } catch (error) {
    throw error instanceof UnreadableCommitError ? error.withWayOn() : error;
  }
}
