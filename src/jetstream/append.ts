import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CommitIdReuseError,
  DeadlineExceededError,
  OutcomeUnknownError,
  StoreUnavailableError,
  VersionConflictError,
} from '../store/errors';
import type { AppendCommand, AppendResult, CallContext } from '../store/event-store';
import { position, unixNanos, version, type StreamName } from '../store/values';
import { bodyBytesLimit, prepare, type Job } from './append-job';
import { positionOf, readPart, toMessages, type StoredCommit, type StoredPart } from './commit-codec';
import { toStoreError } from './errors';
import { commitWithVersion } from './find-commit';
import { lastPart, toHead } from './head';
import type { HeadCache, KnownHead } from './head-cache';
import { publishAtomically } from './publish';
import { commitAt, messageAt } from './read-by-correlation';
import type { RecentKeys } from './recent-keys';
import { subjectOf, type StoreContext } from './store-context';
import type { StreamQueues } from './stream-queues';

/** What the appends of one gateway share. */
export interface Appender extends StoreContext {
  readonly heads: HeadCache;
  readonly queues: StreamQueues;
  readonly recent: RecentKeys;
}

const attemptTimeoutMs = 2_000;
/** Never aborted. */
const unattended = new AbortController().signal;
setMaxListeners(0, unattended);
const retryPauseMs = 20;

/**
 * Stores the events as one commit, or nothing. Appends to one stream take turns. Not an async function, which would keep
 * the events, large beside their encoded form, until the end.
 */
export function append(appender: Appender, command: AppendCommand, call: CallContext): Promise<AppendResult> {
  const deadlineMs = Math.min(call.deadlineMs, Date.now() + appender.limits.appendTimeoutMs);
  const bounded = { ...call, deadlineMs };
  return new Promise((resolve) => {
    resolve(
      command.events.length === 0
        ? checkOnly(appender, command, bounded)
        : store(appender, prepare(appender, command), bounded, command.withCommitTime === true),
    );
  });
}

async function store(
  appender: Appender,
  job: Job,
  call: CallContext,
  withCommitTime: boolean,
): Promise<AppendResult> {
  const { deadlineMs } = call;
  const result = await appender.queues.run(job.stream, job.bytes, call, () =>
    // Once sent, an append runs to its end even if the caller has gone: the next one needs what it finds out.
    untilDecided(appender, job, { signal: unattended, deadlineMs }),
  );
  if (!withCommitTime || result.commitTime !== undefined) return result;
  const { timeNanos } = await messageAt(appender, result.position, call).catch((cause: unknown) => {
    // What fails here by itself says "nothing was stored", which is not so.
    throw new OutcomeUnknownError(job.stream, job.commitId, { cause });
  });
  return { ...result, commitTime: unixNanos(timeNanos) };
}

/** Without events only the check runs. */
async function checkOnly(
  appender: Appender,
  command: AppendCommand,
  call: CallContext,
): Promise<AppendResult> {
  const head = toHead(await lastPart(appender, command.stream, 'leader', call));
  checkVersion(command.stream, command.expectedVersion, head.version);
  return { ...head, firstVersion: version(0n), replayed: false, commitId: undefined };
}

/** Throws VersionConflictError. */
function checkVersion(stream: StreamName, expected: bigint | undefined, actual: bigint): void {
  if (expected === undefined || expected === actual) return;
  throw new VersionConflictError(stream, version(expected), version(actual));
}

/** An attempt whose answer is lost: it may be stored right after `base`, or still be. */
interface Doubt {
  readonly base: KnownHead;
  readonly cause: unknown;
}

/**
 * Publishes on top of the head that is known, and where that was wrong or the answer is lost, finds out and
 * decides: stored, stored by an earlier call, conflict, or another attempt.
 */
async function untilDecided(appender: Appender, job: Job, call: CallContext): Promise<AppendResult> {
  const { heads, pool } = appender;
  const cached = heads.get(job.stream);
  let known = job.expected === undefined || job.expected === cached?.version ? cached : undefined;
  let tried: KnownHead | undefined;
  let doubt: Doubt | undefined;
  while (Date.now() < call.deadlineMs) {
    if (known === undefined) {
      const looked = await whenReachable(doubt, () => lookAgain(appender, job, doubt, call));
      if (looked === 'unreachable') continue;
      if ('replayed' in looked) return looked;
      known = looked;
      if (known.sequence !== doubt?.base.sequence) doubt = undefined;
      checkVersion(job.stream, job.expected, known.version);
      // Refused on this very head before: another commit is on its way.
      if (known.sequence === tried?.sequence) await sleep(retryPauseMs);
    }
    const messages = toMessages(
      subjectOf(appender, job.stream),
      job.encoded,
      { firstVersion: known.version + 1n, previous: known.sequence, commitId: job.commitId },
      bodyBytesLimit(appender),
    );
    const timeoutMs = Math.max(1, Math.min(attemptTimeoutMs, call.deadlineMs - Date.now()));
    const outcome = await publishAtomically(pool.append(), messages, timeoutMs);
    if (outcome.kind === 'stored')
      return stored(appender, job, known, { parts: messages.length, sequence: outcome.sequence });
    heads.delete(job.stream);
    if (outcome.kind === 'duplicate') {
      const found = await whenReachable(doubt, () =>
        findDuplicate(appender, job, outcome.sequence, doubt, call),
      );
      if (found !== 'unreachable') return found;
    }
    if (outcome.kind === 'failed' && doubt === undefined) throw outcome.cause;
    if (outcome.kind === 'lost') doubt = { base: known, cause: outcome.cause };
    tried = known;
    known = undefined;
  }
  if (doubt !== undefined) throw new OutcomeUnknownError(job.stream, job.commitId, { cause: doubt.cause });
  throw new DeadlineExceededError('the deadline passed before the append was decided; nothing was stored');
}

function stored(
  appender: Appender,
  job: Job,
  known: KnownHead,
  { parts, sequence }: { readonly parts: number; readonly sequence: bigint },
): AppendResult {
  const firstVersion = known.version + 1n;
  const lastVersion = known.version + BigInt(job.encoded.length);
  appender.heads.set(job.stream, { version: lastVersion, sequence });
  appender.recent.add({ from: sequence - BigInt(parts - 1), to: sequence }, job.keyHashes);
  return {
    version: version(lastVersion),
    firstVersion: version(firstVersion),
    position: position(sequence),
    commitTime: undefined,
    replayed: false,
    commitId: job.commitId,
  };
}

/**
 * Finds something out about an attempt in doubt. While the store is away an error would say "nothing was stored", which
 * may be a lie: then the question is left open.
 */
async function whenReachable<T>(
  doubt: Doubt | undefined,
  findOut: () => Promise<T>,
): Promise<T | 'unreachable'> {
  try {
    return await findOut();
  } catch (error) {
    if (doubt === undefined || !(toStoreError(error) instanceof StoreUnavailableError)) throw error;
    await sleep(retryPauseMs);
    return 'unreachable';
  }
}

/** The head as the leader knows it now, or the result of this commit if that is stored already. */
async function lookAgain(
  appender: Appender,
  job: Job,
  doubt: Doubt | undefined,
  call: CallContext,
): Promise<KnownHead | AppendResult> {
  const head = await lastPart(appender, job.stream, 'leader', call);
  if (head === undefined) return { version: 0n, sequence: 0n };
  const earlier = await findEarlier(appender, job, head, doubt, call);
  return earlier ?? { version: head.lastVersion, sequence: head.sequence };
}

/** This commit, if it is already stored: by an attempt in doubt, or by an earlier call with the same commit id. */
async function findEarlier(
  appender: Appender,
  job: Job,
  head: StoredPart,
  doubt: Doubt | undefined,
  call: CallContext,
): Promise<AppendResult | undefined> {
  const { stream, expected, commitId } = job;
  const follows = async (base: bigint, replayed: boolean): Promise<AppendResult | undefined> => {
    if (head.lastVersion <= base) return undefined;
    const commit = await commitWithVersion(appender, stream, base + 1n, head, call);
    const same = commit?.firstVersion === base + 1n && commit.commitId === commitId;
    return same ? toResult(job, commit, replayed) : undefined;
  };
  if (doubt !== undefined) {
    const own = await follows(doubt.base.version, false);
    if (own !== undefined) return own;
  }
  if (!job.repeatable) return undefined;
  if (expected !== undefined) return follows(expected, true);
  if (head.commitId !== commitId) return undefined;
  const commit = await commitWithVersion(appender, stream, head.lastVersion, head, call);
  return commit && toResult(job, commit, true);
}

/**
 * The commit that the store remembers by its id. Throws VersionConflictError or CommitIdReuseError if it is not a
 * repetition of this one.
 */
async function findDuplicate(
  appender: Appender,
  job: Job,
  sequence: bigint,
  doubt: Doubt | undefined,
  call: CallContext,
): Promise<AppendResult> {
  const { stream, expected, commitId } = job;
  const message = await messageAt(appender, sequence, call);
  const owner = message.subject.slice(appender.prefix.length + 1);
  const end = positionOf(readPart(owner, message));
  const commit = owner === stream ? await commitAt(appender, end, call) : undefined;
  if (commit === undefined || (expected !== undefined && commit.firstVersion !== expected + 1n)) {
    // The version counts first, though a server may look at the id before it.
    const head = toHead(await lastPart(appender, stream, 'leader', call));
    checkVersion(stream, expected, head.version);
    throw new CommitIdReuseError(commitId, owner, position(end));
  }
  return toResult(job, commit, doubt === undefined);
}

function toResult({ commitId }: Job, commit: StoredCommit, replayed: boolean): AppendResult {
  return {
    version: version(commit.lastVersion),
    firstVersion: version(commit.firstVersion),
    position: commit.position,
    commitTime: unixNanos(commit.timeNanos),
    replayed,
    commitId,
  };
}
