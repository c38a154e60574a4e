import { isDeepStrictEqual } from 'node:util';
import {
  CommitIdReuseError,
  EraseSplitsCommitError,
  StreamNotFoundError,
  StreamTombstonedError,
  VersionBeyondEndError,
  VersionConflictError,
} from '../../src/store/errors';
import type { ControlCommand, ControlResult } from '../../src/store/control-command';
import type { Erasure, StreamDescription } from '../../src/store/stream-rules';
import { uuidV7 } from '../../src/uuid';
import { version, type CommitId, type StreamName } from '../../src/store/values';
import { endOf, isMet } from './model-append';
import { commitsOf, erased, headOf, type Commit } from './model-log';
import { descriptionOf, rulesOf } from './model-rules';

/** Stores a control at the end of the log of the model, unless it would change nothing. */
export function control(log: Commit[], command: ControlCommand, now: () => bigint): ControlResult {
  const { stream, expected } = command;
  const earlier = earlierControl(log, command);
  if (earlier !== undefined) return resultOf(log, earlier, now, true);
  const { version: actual } = headOf(commitsOf(log, stream).at(-1));
  if (expected !== undefined && !isMet(expected, actual))
    throw new VersionConflictError({ stream, expected, actual });
  const known = log.find(({ id }) => id === command.commitId);
  if (known !== undefined) throw new CommitIdReuseError(known.id, known.stream, known.position);
  checkControl(commitsOf(log, stream), command);
  const { at, time } = endOf(log, now);
  const commit: Commit = {
    id: command.commitId ?? (uuidV7() as CommitId),
    stream,
    firstVersion: actual + 1n,
    lastVersion: actual,
    position: at,
    time,
    events: [],
    control: command.control,
  };
  if (!changes(commitsOf(log, stream), commit)) {
    const description = described(log, stream, now);
    const { position } = description;
    return { stream: description, position, changed: false, replayed: false, commitId: undefined };
  }
  log.push(commit);
  const { control: asked } = commit;
  if (asked?.kind === 'erase')
    for (const one of covered(log, stream, asked)) log[log.indexOf(one)] = erased(one);
  return resultOf(log, commit, now, false);
}

/** The commits of a stream that have events within a range. */
function covered(log: readonly Commit[], stream: StreamName, { fromVersion, toVersion }: Erasure): Commit[] {
  return commitsOf(log, stream).filter(
    ({ events, firstVersion, lastVersion }) =>
      events.length > 0 && firstVersion <= toVersion && lastVersion >= fromVersion,
  );
}

/** The same control, stored by an earlier call with the commit id. */
function earlierControl(log: readonly Commit[], command: ControlCommand): Commit | undefined {
  const { stream, expected, commitId } = command;
  const known = log.filter(({ id }) => id === commitId);
  const [commit] = known;
  if (commit?.stream !== stream || known.length !== 1) return undefined;
  if (expected !== undefined && !isMet(expected, commit.firstVersion - 1n)) return undefined;
  if (isDeepStrictEqual(commit.control, command.control)) return commit;
  throw new CommitIdReuseError(commit.id, commit.stream, commit.position);
}

/** Throws unless the control makes sense for the stream. */
function checkControl(commits: readonly Commit[], { stream, control: asked }: ControlCommand): void {
  const { version: actual } = headOf(commits.at(-1));
  if (actual === 0n) throw new StreamNotFoundError(stream);
  if (asked.kind === 'erase') {
    checkErasure(commits, stream, asked);
    return;
  }
  if (rulesOf(commits).isTombstoned && asked.kind !== 'tombstone') throw new StreamTombstonedError(stream);
  if (asked.kind === 'truncate' && asked.before > actual + 1n)
    throw new VersionBeyondEndError(stream, asked.before, version(actual));
}

function checkErasure(commits: readonly Commit[], stream: StreamName, asked: Erasure): void {
  const { version: actual } = headOf(commits.at(-1));
  if (asked.toVersion > actual) throw new VersionBeyondEndError(stream, asked.toVersion, version(actual));
  const [first, last] = [covered(commits, stream, asked).at(0), covered(commits, stream, asked).at(-1)];
  const [from, to] = [version(first?.firstVersion ?? 0n), version(last?.lastVersion ?? 0n)];
  if (from !== asked.fromVersion || to !== asked.toVersion)
    throw new EraseSplitsCommitError(stream, from, to);
}

/** Whether the stream is not like this already. */
function changes(commits: readonly Commit[], commit: Commit): boolean {
  if (commit.control?.kind === 'erase')
    return covered(commits, commit.stream, commit.control).some(({ isErased }) => !isErased);
  return !isDeepStrictEqual(rulesOf([...commits, commit]), rulesOf(commits));
}

function resultOf(log: Commit[], commit: Commit, now: () => bigint, replayed: boolean): ControlResult {
  const { stream, position, id: commitId } = commit;
  return { stream: described(log, stream, now), position, changed: true, replayed, commitId };
}

/** What a stream is now. Throws StreamNotFoundError. */
export function described(log: readonly Commit[], stream: StreamName, now: () => bigint): StreamDescription {
  const found = descriptionOf(stream, commitsOf(log, stream), now());
  if (found === undefined) throw new StreamNotFoundError(stream);
  return found;
}
