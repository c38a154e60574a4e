import type {
  CallContext,
  CorrelationQuery,
  EventRun,
  ListStreamsQuery,
  Page,
  ReadStreamQuery,
  StreamSummary,
} from '../../src/store/event-store';
import { check, commitsOf, keep, matches, toRun, type Commit } from './model-log';
import { headNow, hiddenNow, rulesOf } from './model-rules';

const commitsPerPage = 64;
const namesPerPage = 64;

/** The commits of one stream, reduced to the requested events, in the order of the read. */
export function readCommits(log: readonly Commit[], query: ReadStreamQuery, now: () => bigint): Commit[] {
  const { fromVersion, toVersion, fromTime, toTime, eventTypes } = query;
  const backward = query.direction === 'backward';
  const [lowest, highest] = backward ? [toVersion, fromVersion] : [fromVersion, toVersion];
  const isHidden = hiddenNow(log, now);
  const chosen = commitsOf(log, query.stream)
    .filter(
      ({ time }) => (fromTime === undefined || time >= fromTime) && (toTime === undefined || time <= toTime),
    )
    .map((commit) =>
      keep(
        commit,
        (event) =>
          !isHidden(commit, event) &&
          event.version >= lowest &&
          (highest === 0n || event.version <= highest) &&
          (eventTypes.size === 0 || eventTypes.has(event.type)),
      ),
    );
  if (!backward) return chosen;
  return chosen.map((commit) => ({ ...commit, events: commit.events.toReversed() })).toReversed();
}

/** The commits of all streams, reduced to the requested events. */
export function correlated(
  log: readonly Commit[],
  { correlationId, eventTypes, visible = ['>'] }: CorrelationQuery,
  now: () => bigint,
): Commit[] {
  const isHidden = hiddenNow(log, now);
  const isVisible = ({ stream }: Commit): boolean => visible.some((pattern) => matches(pattern, stream));
  return log
    .filter(isVisible)
    .map((commit) =>
      keep(
        commit,
        (event) =>
          !isHidden(commit, event) &&
          event.correlationId === correlationId &&
          (eventTypes.size === 0 || eventTypes.has(event.type)),
      ),
    );
}

/** The first `maxCount` events of the commits, in pages; the last page says how the read ended. */
// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
export async function* pages(
  commits: readonly Commit[],
  maxCount: bigint | undefined,
  call: CallContext,
): AsyncGenerator<Page, void> {
  const runs: EventRun[] = [];
  let left = maxCount === undefined ? Infinity : Number(maxCount);
  for (const commit of commits) {
    const events = commit.events.slice(0, left);
    left -= events.length;
    if (events.length === 0) continue;
    runs.push(toRun({ ...commit, events }));
  }
  const end = left === 0 ? 'maxCount' : 'complete';
  let from = 0;
  for (; from + commitsPerPage < runs.length; from += commitsPerPage) {
    check(call);
    yield { runs: runs.slice(from, from + commitsPerPage), end: undefined };
  }
  check(call);
  yield { runs: runs.slice(from), end };
}

// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
export async function* listPages(
  log: readonly Commit[],
  { patterns, visible = ['>'], after, maxCount, includeDeleted }: ListStreamsQuery,
  now: () => bigint,
  call: CallContext,
): AsyncGenerator<readonly StreamSummary[], void> {
  // Names are ASCII, so the order of sort() is byte order.
  const names = [...new Set(log.map(({ stream }) => stream))]
    .filter((name) => [patterns, visible].every((some) => some.some((pattern) => matches(pattern, name))))
    .filter((name) => name > after)
    .filter((name) => includeDeleted || !rulesOf(commitsOf(log, name)).isDeleted)
    .sort()
    .slice(0, maxCount === undefined ? undefined : Number(maxCount));
  for (let from = 0; from < names.length; from += namesPerPage) {
    check(call);
    yield names
      .slice(from, from + namesPerPage)
      .map((stream) => ({ stream, ...headNow(log, stream, now), unreadable: false }));
  }
}
