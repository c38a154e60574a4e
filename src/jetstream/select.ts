import { eventCorrelationId, eventSpans, eventType, type EventSpan } from '../store/commit-record';
import type { CommitSlice } from '../store/event-store';
import { unixNanos, type UnixNanos } from '../store/values';
import type { StoredCommit } from './commit-assembler';

/** Which events of a commit to keep. */
export interface Selection {
  /** Inclusive. */
  readonly fromVersion: bigint;
  /** Inclusive; undefined: no bound. */
  readonly toVersion: bigint | undefined;
  /** Empty, and no prefixes: all types. */
  readonly eventTypes: ReadonlySet<string>;
  /** More types, by how they begin. */
  readonly eventTypePrefixes?: readonly string[];
  readonly correlationId?: string;
  readonly reverse: boolean;
  /** At most this many events; undefined: no bound. */
  readonly countMax: bigint | undefined;
}

/** The selected events of a commit, or undefined if there are none. An untouched commit is not copied. */
export function select(commit: StoredCommit, selection: Selection): CommitSlice | undefined {
  const eventCount = Number(commit.lastVersion - commit.firstVersion) + 1;
  const whole =
    !selection.reverse || eventCount === 1
      ? commit.firstVersion >= selection.fromVersion &&
        (selection.toVersion === undefined || commit.lastVersion <= selection.toVersion) &&
        (selection.countMax === undefined || BigInt(eventCount) <= selection.countMax) &&
        hasAllTypes(selection) &&
        selection.correlationId === undefined
      : false;
  if (whole) return slice(commit, commit.record, eventCount);
  const spans = chosenSpans(commit, selection);
  if (spans.length === 0) return undefined;
  return slice(
    commit,
    Buffer.concat(spans.map(({ frame, end }) => commit.record.subarray(frame, end))),
    spans.length,
  );
}

/** The selected events of some commits. */
export function selectAll(commits: readonly StoredCommit[], selection: Selection): CommitSlice[] {
  return commits.flatMap((commit) => select(commit, selection) ?? []);
}

/** Whether a commit was taken in within the times asked for, both inclusive. */
export function isWithinTimes(
  { fromTime, toTime }: { readonly fromTime: UnixNanos | undefined; readonly toTime: UnixNanos | undefined },
  { timeNanos }: StoredCommit,
): boolean {
  return (fromTime === undefined || timeNanos >= fromTime) && (toTime === undefined || timeNanos <= toTime);
}

function chosenSpans(commit: StoredCommit, selection: Selection): EventSpan[] {
  const { fromVersion, toVersion, correlationId, countMax } = selection;
  const allTypes = hasAllTypes(selection);
  const spans = eventSpans(commit.record).filter((span, index) => {
    const version = commit.firstVersion + BigInt(index);
    return (
      version >= fromVersion &&
      (toVersion === undefined || version <= toVersion) &&
      (allTypes || isWanted(eventType(commit.record, span), selection)) &&
      (correlationId === undefined || eventCorrelationId(commit.record, span) === correlationId)
    );
  });
  if (selection.reverse) spans.reverse();
  return countMax === undefined || BigInt(spans.length) <= countMax
    ? spans
    : spans.slice(0, Number(countMax));
}

function hasAllTypes({ eventTypes, eventTypePrefixes }: Selection): boolean {
  return eventTypes.size === 0 && (eventTypePrefixes === undefined || eventTypePrefixes.length === 0);
}

function isWanted(type: string, { eventTypes, eventTypePrefixes = [] }: Selection): boolean {
  return eventTypes.has(type) || eventTypePrefixes.some((prefix) => type.startsWith(prefix));
}

function slice(commit: StoredCommit, events: Uint8Array, eventCount: number): CommitSlice {
  return { position: commit.position, commitTime: unixNanos(commit.timeNanos), events, eventCount };
}
