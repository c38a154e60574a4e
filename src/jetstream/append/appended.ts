import {
  CommitIdReuseError,
  StreamTombstonedError,
  VersionConflictError,
  type VersionConflict,
} from '../../store/errors';
import type { AppendMultiResult, CallContext } from '../../store/event-store';
import { isAsExpected } from '../../store/expectation';
import type { ViewedCommit } from '../../store/log';
import { isSameControl, noRules, rulesAfter, type StreamRules } from '../../store/stream-rules';
import {
  position,
  unixNanos,
  versionAfter,
  sequenceAfter,
  noVersion,
  type CommitId,
  type Sequence,
  type UnixNanos,
  type Version,
} from '../../store/values';
import type { OutgoingMessage } from '../nats/publish';
import type { Heads } from './heads';
import type { Base, KnownHead } from './next';
import { hasSameContent, mayHaveHad } from './same-content';
import type { StoredCommits } from './stored-commits';
import { isWritten, type StreamPart, type Transaction } from './transaction';

/** A transaction that is stored. */
export interface Appended extends AppendMultiResult {
  readonly commitId: CommitId;
  /** undefined: not known. */
  readonly commitTime: UnixNanos | undefined;
  /** Whether nothing was stored, since nothing had to be. Default: false. */
  readonly isUnneeded?: boolean;
}

interface Knowledge {
  readonly heads: Heads;
  readonly commits: StoredCommits;
}

/** The result of a transaction that was just stored on top of a base; its last message has this sequence. */
export function storedNow(
  { heads, commits }: Knowledge,
  transaction: Transaction,
  base: Base,
  sent: { readonly sequence: Sequence; readonly messages: readonly OutgoingMessage[] },
): Appended {
  const { parts, commitId } = transaction;
  const { sequence, messages } = sent;
  let streams: AppendMultiResult['streams'] = [];
  // The streams lie one after another, the last one at the end.
  let end = messages.length;
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index] as StreamPart;
    if (!isWritten(part)) continue;
    const { version: before } = base[index] as KnownHead;
    const last = versionAfter(before, BigInt(part.events.length));
    heads.note(part.stream, {
      version: last,
      sequence: sequenceAfter(sequence, BigInt(end - messages.length)),
      rules: part.control && rulesAfter(base[index]?.rules ?? noRules, last, part.control),
    });
    streams = [{ stream: part.stream, version: last, firstVersion: versionAfter(before, 1n) }, ...streams];
    if (index > 0) end = beginOf(messages, end);
  }
  commits.noteStored(transaction, sequence);
  return {
    position: position(sequence),
    streams,
    commitTime: undefined,
    replayed: false,
    commitId,
  };
}

/** Where the messages begin that have the subject of the one before `end`. */
function beginOf(messages: readonly OutgoingMessage[], end: number): number {
  const subject = messages[end - 1]?.subject;
  let begin = end - 1;
  while (begin > 0 && messages[begin - 1]?.subject === subject) begin--;
  return begin;
}

/** Throws VersionConflictError for all streams that are not as expected. */
export function checkVersions(
  parts: readonly Pick<StreamPart, 'stream' | 'expected'>[],
  heads: readonly { readonly version: Version }[],
): void {
  const conflicts = parts.flatMap(({ stream, expected }, index): VersionConflict[] => {
    const actual = heads[index]?.version ?? noVersion;
    if (expected === undefined || isAsExpected(actual, expected)) return [];
    return [{ stream, expected, actual }];
  });
  const [first, ...others] = conflicts;
  if (first !== undefined) throw new VersionConflictError(first, others);
}

/** Throws StreamTombstonedError if events would go to a stream that was tombstoned. */
export function checkTombstones(
  parts: readonly Pick<StreamPart, 'stream' | 'events'>[],
  heads: readonly { readonly rules?: StreamRules | undefined }[],
): void {
  parts.forEach(({ stream, events }, index) => {
    if (events.length > 0 && heads[index]?.rules?.isTombstoned === true)
      throw new StreamTombstonedError(stream);
  });
}

/** Throws the reason for which a stream that does not exist may not be created. */
export function checkNewStreams(
  parts: readonly StreamPart[],
  heads: readonly { readonly version: Version }[],
): void {
  parts.forEach(({ newStreamRefusal }, index) => {
    if (newStreamRefusal !== undefined && heads[index]?.version === noVersion) throw newStreamRefusal;
  });
}

/**
 * The result of a transaction whose commit id belongs to these commits. Throws VersionConflictError or CommitIdReuseError if they
 * are not what it would store. `doubted`: the base of the attempt in doubt.
 */
export async function replay(
  { heads, commits: known }: Knowledge,
  transaction: Transaction,
  commits: readonly ViewedCommit[],
  { doubted, call }: { readonly doubted: Base | undefined; readonly call: CallContext },
): Promise<Appended> {
  const { parts, commitId } = transaction;
  const written = parts.filter(isWritten);
  const isInPlace = areInPlace(written, commits);
  // The version counts first.
  if (!isInPlace) checkVersions(parts, await heads.current(parts, call));
  const [first] = commits as readonly [ViewedCommit, ...ViewedCommit[]];
  const isSame =
    isInPlace &&
    (transaction.request === 'appendMulti' || !first.inTransaction) &&
    written.every((part, index) => isStoredAs(part, commits[index] as ViewedCommit));
  if (!isSame) throw new CommitIdReuseError(commitId, first.stream, first.position);
  known.noteFound(first.position);
  return {
    position: first.position,
    streams: commits.map(({ lastVersion, firstVersion }, index) => ({
      stream: (written[index] as StreamPart).stream,
      version: lastVersion,
      firstVersion,
    })),
    commitTime: unixNanos(first.timeNanos),
    replayed: doubted?.[0]?.version !== versionAfter(first.firstVersion, -1n),
    commitId,
  };
}

function isStoredAs({ events, control }: StreamPart, commit: ViewedCommit): boolean {
  // Of its contents nothing is left to compare.
  if (commit.isRemoved === true)
    return BigInt(events.length) === commit.lastVersion - commit.firstVersion + 1n;
  if (!isSameControl(control, commit.control)) return false;
  return commit.isErased === true ? mayHaveHad(events, commit.events) : hasSameContent(events, commit.events);
}

/** Whether the commits are on the streams that are written, at the versions that these expect. */
function areInPlace(written: readonly StreamPart[], commits: readonly ViewedCommit[]): boolean {
  return (
    commits.length === written.length &&
    written.every(({ stream, expected }, index) => {
      const commit = commits[index];
      return commit?.stream === stream && isAsExpected(versionAfter(commit.firstVersion, -1n), expected);
    })
  );
}
