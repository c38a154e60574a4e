import type { RecordedEvent } from '../../generated/sluice/v1/event';
import type { Lifecycle, StreamHead } from '../../src/store/event-store';
import {
  erasedRangesMax,
  type ErasedRange,
  type StreamDescription,
  type StreamRules,
  type StreamState,
} from '../../src/store/stream-rules';
import { position, version, type StreamName } from '../../src/store/values';
import { commitsOf, headOf, type Commit } from './model-log';

/** What the controls of a stream say, found by a search through its commits. */
export function rulesOf(commits: readonly Commit[]): StreamRules {
  const retain = commits.map(({ control }) => control).findLast((control) => control?.kind === 'retain');
  return {
    firstVersion: version(commits.reduce((first, commit) => larger(first, hiddenBefore(commit)), 1n)),
    isDeleted: commits.findLast((commit) => commit.events.length > 0 || isEnd(commit))?.control !== undefined,
    isTombstoned: commits.some(({ control }) => control?.kind === 'tombstone'),
    maxCount: retain?.kind === 'retain' ? retain.retention.maxCount : undefined,
    maxAgeNanos: retain?.kind === 'retain' ? retain.retention.maxAgeNanos : undefined,
  };
}

function isEnd({ control }: Commit): boolean {
  return control?.kind === 'delete' || control?.kind === 'tombstone';
}

function hiddenBefore(commit: Commit): bigint {
  if (isEnd(commit)) return commit.lastVersion + 1n;
  return commit.control?.kind === 'truncate' ? commit.control.before : 1n;
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

/** Whether a reader that begins now does not get an event. */
export type IsHidden = (commit: Commit, event: RecordedEvent) => boolean;

/** What is hidden of one stream. */
function hiddenOf(commits: readonly Commit[], now: bigint): IsHidden {
  const { firstVersion, maxCount, maxAgeNanos } = rulesOf(commits);
  const { version: last } = headOf(commits.at(-1));
  return ({ time }, event) =>
    event.version < firstVersion ||
    (maxCount !== undefined && event.version + maxCount <= last) ||
    (maxAgeNanos !== undefined && time + maxAgeNanos < now);
}

/** What is hidden of all streams, judged now. */
export function hiddenNow(log: readonly Commit[], now: () => bigint): IsHidden {
  const time = now();
  return byStream(log, (commits) => hiddenOf(commits, time));
}

/** What truncations and ends of streams hide: retention never hides an event that a subscriber gets live. */
export function hiddenLive(log: readonly Commit[]): IsHidden {
  return byStream(log, (commits) => {
    const { firstVersion } = rulesOf(commits);
    return (_commit, event) => event.version < firstVersion;
  });
}

function byStream(log: readonly Commit[], hidden: (commits: readonly Commit[]) => IsHidden): IsHidden {
  const controlled = new Set(log.filter(({ control }) => control !== undefined).map(({ stream }) => stream));
  const ofStream = new Map([...controlled].map((stream) => [stream, hidden(commitsOf(log, stream))]));
  return (commit, event) => ofStream.get(commit.stream)?.(commit, event) ?? false;
}

/** The head of a stream with what can be read of it now. */
export function headNow(log: readonly Commit[], stream: StreamName, now: () => bigint): StreamHead {
  const commits = commitsOf(log, stream);
  return { ...headOf(commits.at(-1)), lifecycle: lifecycleOf(commits, now()) };
}

/** undefined: the stream never had a control. */
export function lifecycleOf(commits: readonly Commit[], now: bigint): Lifecycle | undefined {
  if (commits.every(({ control }) => control === undefined)) return undefined;
  return { state: stateOf(rulesOf(commits)), firstVersion: version(firstReadable(commits, now)) };
}

function firstReadable(commits: readonly Commit[], now: bigint): bigint {
  const isHidden = hiddenOf(commits, now);
  const readable = commits.flatMap((commit) => commit.events.filter((event) => !isHidden(commit, event)));
  return readable[0]?.version ?? headOf(commits.at(-1)).version + 1n;
}

function stateOf({ isDeleted, isTombstoned }: StreamRules): StreamState {
  if (isTombstoned) return 'tombstoned';
  return isDeleted ? 'deleted' : 'active';
}

/** What a stream is now; undefined: it never had an event. */
export function descriptionOf(
  stream: StreamName,
  commits: readonly Commit[],
  now: bigint,
): StreamDescription | undefined {
  const last = commits.at(-1);
  if (last === undefined) return undefined;
  const rules = rulesOf(commits);
  return {
    stream,
    state: stateOf(rules),
    version: version(last.lastVersion),
    firstVersion: version(firstReadable(commits, now)),
    position: last.position,
    commitTime: last.time,
    rules,
    controlPosition: commits.findLast(({ control }) => control !== undefined)?.position ?? position(0n),
    erased: erasedRanges(commits).slice(-erasedRangesMax),
  };
}

/** The model knows no principals. */
function erasedRanges(commits: readonly Commit[]): ErasedRange[] {
  return commits.flatMap(({ control, position: at, time: commitTime }) => {
    if (control?.kind !== 'erase') return [];
    const { fromVersion, toVersion, reason } = control;
    return [{ fromVersion, toVersion, reason, commitTime, principal: '', position: at }];
  });
}
