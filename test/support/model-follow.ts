import { on, type EventEmitter } from 'node:events';
import { InvalidRequestError, StoreMismatchError } from '../../src/store/errors';
import type {
  AllPage,
  AllRead,
  CallContext,
  EventFilter,
  EventRun,
  ReadAllQuery,
  SubscribeQuery,
  SubscriptionUpdate,
} from '../../src/store/event-store';
import type { EventQuery } from '../../src/store/event-query';
import { position, type Position } from '../../src/store/values';
import { check, keep, matches, toRun, type Commit } from './model-log';
import { hiddenLive, hiddenNow, type IsHidden } from './model-rules';

/** The answers of the model about the whole store. */
export function readAllOf(
  log: readonly Commit[],
  query: ReadAllQuery,
  now: () => bigint,
  call: CallContext,
): AllRead {
  checkStore(query.storeId);
  const head = log.at(-1)?.position ?? position(0n);
  return {
    position: head,
    storeId: modelStoreId,
    pages: allPages([...log], hiddenNow(log, now), query, call),
  };
}

/** Of every model, whose positions all begin with 1. */
export const modelStoreId = 'model';

function checkStore(storeId: string): void {
  if (storeId !== '' && storeId !== modelStoreId) throw new StoreMismatchError(storeId, modelStoreId);
}

/** Commits in order, in groups: a commit, or those of one transaction. */
function groupsOf(commits: readonly Commit[]): Commit[][] {
  const groups = new Map<Position, Commit[]>();
  for (const commit of commits) groups.set(commit.position, [...(groups.get(commit.position) ?? []), commit]);
  return [...groups.values()];
}

/** One group a page, so that a reader can continue from every position. */
// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
async function* allPages(
  log: readonly Commit[],
  isHidden: IsHidden,
  query: ReadAllQuery,
  call: CallContext,
): AsyncGenerator<AllPage, void> {
  const { direction, afterPosition, afterCount, toPosition, fromTime, toTime, maxCount, filter } = query;
  const backward = direction === 'backward';
  const inRange = (backward ? log.toReversed() : log).filter(({ position: at, time }) => {
    const isBeyond =
      afterPosition === undefined ||
      (backward ? at < afterPosition : at > afterPosition) ||
      (afterCount !== undefined && at === afterPosition);
    const isBefore = toPosition === 0n || (backward ? at >= toPosition : at <= toPosition);
    return isBeyond && isBefore && time >= (fromTime ?? 0n) && (toTime === undefined || time <= toTime);
  });
  let given = 0n;
  let at = afterPosition ?? (backward ? toPosition : position(0n));
  // What is stored there later is not read yet.
  if (afterCount !== undefined && !backward && at > 0n) at = position(at - 1n);
  for (const group of groupsOf(inRange)) {
    check(call);
    const runs = skip(
      afterCount !== undefined && group[0]?.position === afterPosition ? afterCount : 0n,
      group.map((commit) => wantedOf(commit, filter, backward)),
      isHidden,
    );
    const eventCount = BigInt(runs.reduce((sum, run) => sum + run.eventCount, 0));
    const isTooMany = maxCount !== undefined && given + eventCount > maxCount;
    if (isTooMany && given > 0n) {
      yield { runs: [], position: at, end: 'maxCount' };
      return;
    }
    at = (group[0] as Commit).position;
    if (runs.length === 0) continue;
    given += eventCount;
    const isFull = maxCount !== undefined && given >= maxCount;
    yield { runs, position: at, end: isFull ? 'maxCount' : undefined };
    if (isFull) return;
  }
  yield { runs: [], position: at, end: 'complete' };
}

/** The events of the commits of one position that are not hidden, without the first ones. */
function skip(count: bigint, commits: readonly Commit[], isHidden: IsHidden): EventRun[] {
  let left = Number(count);
  return commits.flatMap((commit) => {
    const readable = commit.events.filter((event) => !isHidden(commit, event));
    const events = readable.slice(left);
    left = Math.max(0, left - readable.length);
    return events.length === 0 ? [] : [toRun({ ...commit, events })];
  });
}

/** The selected events of a commit, in the order of the read. */
function wantedOf(
  commit: Commit,
  { patterns, visible = ['>'], eventTypes, eventTypePrefixes, query }: EventFilter,
  backward = false,
): Commit {
  if (![patterns, visible].every((some) => some.some((pattern) => matches(pattern, commit.stream))))
    return { ...commit, events: [] };
  const all = eventTypes.size + eventTypePrefixes.length === 0;
  const { events } = keep(
    commit,
    ({ type, tags }) =>
      (all || eventTypes.has(type) || eventTypePrefixes.some((prefix) => type.startsWith(prefix))) &&
      (query === undefined || queriedItem(query, { type, tags }) >= 0),
  );
  return { ...commit, events: backward ? events.toReversed() : events };
}

/** The first item of a query that an event matches, by its index; -1: it matches none. */
export function queriedItem(
  { items }: EventQuery,
  event: { readonly type: string; readonly tags: readonly string[] },
): number {
  return items.findIndex(({ eventTypes, tags }) => {
    if (eventTypes.size > 0 && !eventTypes.has(event.type)) return false;
    return tags.filter((tag) => !event.tags.includes(tag)).length === 0;
  });
}

/** What a subscription follows. */
interface Followed {
  readonly log: readonly Commit[];
  readonly grown: EventEmitter;
  readonly now: () => bigint;
}

/** Searches the log again whenever it has grown. */
export async function* follow(
  { log, grown, now }: Followed,
  query: SubscribeQuery,
  call: CallContext,
  stop: AbortSignal,
): AsyncGenerator<SubscriptionUpdate, void> {
  const { start, filter } = query;
  checkStore(query.storeId);
  const head = log.at(-1)?.position ?? position(0n);
  checkStart(log, query, head);
  let at: Position = start.kind === 'position' ? start.after : position(0n);
  const isWithin = start.kind === 'position' && start.afterCount !== undefined && at > 0n;
  if (isWithin) at = position(at - 1n);
  if (start.kind === 'now') at = head;
  const growth = on(grown, 'commit', { signal: AbortSignal.any([call.signal, stop]) });
  yield { kind: 'checkpoint', position: isWithin ? undefined : at, storeId: modelStoreId };
  for (let caughtUp = false; ;) {
    const isHidden = caughtUp ? hiddenLive(log) : hiddenNow(log, now);
    for (const group of groupsOf(log.filter((one) => one.position > at))) {
      at = (group[0] as Commit).position;
      const runs = skip(
        isWithin && start.after === at ? start.afterCount : 0n,
        group.map((commit) => wantedOf(fromStart(commit, start), filter)),
        isHidden,
      );
      if (runs.length > 0) yield { kind: 'events', runs, position: at };
    }
    if (!caughtUp) yield { kind: 'caughtUp', position: at };
    caughtUp = true;
    await growth.next().catch(() => undefined);
    if (stop.aborted) return;
    check(call);
  }
}

function checkStart(log: readonly Commit[], { start, startMustExist }: SubscribeQuery, head: Position): void {
  if (!startMustExist) return;
  const afterEnd = (field: string): Error =>
    new InvalidRequestError([{ field, description: 'is after the end' }]);
  if (start.kind === 'position' && start.after > head) throw afterEnd('after_position');
  if (start.kind !== 'version') return;
  const last = log.findLast(({ stream }) => stream === start.stream)?.lastVersion ?? 0n;
  if (start.after > last) throw afterEnd('after_version');
}

function fromStart(commit: Commit, start: SubscribeQuery['start']): Commit {
  if (start.kind === 'position') return keep(commit, () => commit.time >= (start.fromTime ?? 0n));
  return start.kind === 'version' ? keep(commit, ({ version }) => version > start.after) : commit;
}
