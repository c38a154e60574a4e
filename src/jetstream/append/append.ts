import { CommitIdReuseError, OutcomeUnknownError, VersionConflictError } from '../../store/errors';
import type { AppendCommand, AppendResult, CallContext } from '../../store/event-store';
import type { ViewedCommit } from '../../store/log';
import { position, unixNanos, version, type CommitId, type StreamName } from '../../store/values';
import { apiGet } from '../nats/api';
import { bodyBytesLimit } from '../log/size-limits';
import { checkStillFits, prepare, type Job } from './append-job';
import { toMessages } from '../log/commit-codec';
import { findById } from './find-by-id';
import { currentHead, type CurrentHead, type ViewedStore } from '../log/head';
import { expectedHead, type HeadCache, type KnownHead } from './head-cache';
import type { IdMemory } from './id-memory';
import type { OutgoingMessage } from '../nats/publish';
import type { RecentIds } from './recent-ids';
import { hasSameContent } from './same-content';
import { subjectOf, unattended, withDeadline, within } from '../log/store-context';
import type { StreamQueues } from './stream-queues';
import { untilDecided, type Proposal } from './until-decided';

/** What the appends of one gateway share. */
export interface Appender extends ViewedStore {
  readonly heads: HeadCache;
  readonly queues: StreamQueues;
  readonly ids: IdMemory;
  readonly recent: RecentIds;
}

/**
 * Stores the events as one commit, or nothing. Appends to one stream take turns. Not an async function, which would keep
 * the events, large beside their encoded form, until the end.
 */
export function append(appender: Appender, command: AppendCommand, call: CallContext): Promise<AppendResult> {
  const deadlineMs = Math.min(call.deadlineMs, Date.now() + appender.limits.appendTimeoutMs);
  const bounded = withDeadline(call, deadlineMs);
  if (command.events.length === 0) return checkOnly(appender, command, bounded);
  try {
    return store(appender, prepare(appender, command), bounded, command.withCommitTime === true);
  } catch (error) {
    call.orderSlot?.fail();
    const refusal = error as Error;
    return Promise.reject(refusal);
  }
}

function store(
  appender: Appender,
  job: Job,
  call: CallContext,
  withCommitTime: boolean,
): Promise<AppendResult> {
  // Once sent, an append runs to its end even if the caller has gone: the next one needs what it finds out.
  const toItsEnd = { signal: unattended, deadlineMs: call.deadlineMs };
  const decided = appender.queues.run([job.stream], job.bytes, call, () => decide(appender, job, toItsEnd));
  return decided.then((result) => {
    const syncing = whenDurable(appender, job, result.position, call.deadlineMs);
    const isComplete = !withCommitTime || result.commitTime !== undefined;
    if (syncing === undefined) return isComplete ? result : withTime(appender, job, result, call);
    return syncing.then(() => (isComplete ? result : withTime(appender, job, result, call)));
  });
}

async function withTime(
  appender: Appender,
  { stream, commitId }: Job,
  result: AppendResult,
  call: CallContext,
): Promise<AppendResult> {
  try {
    return { ...result, commitTime: unixNanos(await timeOf(appender, commitId, result.position, call)) };
  } catch (cause) {
    // What fails here by itself says "nothing was stored", which is not so.
    throw new OutcomeUnknownError(stream, commitId, { cause });
  }
}

/** When the commit with an id, whose last message has this sequence, was stored. */
async function timeOf(
  { view, pool, log, limits }: Appender,
  commitId: CommitId,
  sequence: bigint,
  call: CallContext,
): Promise<bigint> {
  if (view.isReady) {
    await view.waitUntilApplied(sequence, call);
    const [commit] = await view.commitsById(commitId);
    if (commit !== undefined) return commit.timeNanos;
  }
  const options = within(call, limits.requestTimeoutMs);
  const message = await apiGet(pool.append(), log, { seq: Number(sequence) }, options);
  if (message === undefined) throw new Error(`there is no message with sequence ${sequence.toString()}`);
  return message.timeNanos;
}

/** Outside of the turn: the next append to the stream need not wait for it. undefined: it is durable. */
export function whenDurable(
  { durability, queues }: Appender,
  { stream, commitId }: Pick<Job, 'stream' | 'commitId'>,
  sequence: bigint,
  deadlineMs: number,
): Promise<void> | undefined {
  return durability.whenDurable(sequence, deadlineMs, queues.isBusy)?.catch((cause: unknown) => {
    throw new OutcomeUnknownError(stream, commitId, { cause });
  });
}

async function decide(appender: Appender, job: Job, call: CallContext): Promise<AppendResult> {
  const earlier = findById(appender, job, call);
  const [commit] = earlier === undefined ? [] : await earlier;
  return commit === undefined
    ? untilDecided(appender, new AppendProposal(appender, job, call), call)
    : earlierResult(appender, job, commit, undefined, call);
}

/** Without events only the check runs. It counts as an append, but needs no turn on its stream. */
async function checkOnly(
  appender: Appender,
  { stream, expectedVersion }: AppendCommand,
  call: CallContext,
): Promise<AppendResult> {
  const head = await appender.queues.run([], 0, call, async () => {
    const found = await currentHead(appender, stream, call);
    checkVersion(stream, expectedVersion, found.version);
    return found;
  });
  return {
    version: version(head.version),
    position: position(head.position),
    commitTime: head.version === 0n ? undefined : unixNanos(head.timeNanos),
    firstVersion: version(0n),
    replayed: false,
    commitId: undefined,
  };
}

/** Throws VersionConflictError. */
function checkVersion(stream: StreamName, expected: bigint | undefined, actual: bigint): void {
  if (expected === undefined || expected === actual) return;
  throw new VersionConflictError({ stream, expected: version(expected), actual: version(actual) });
}

class AppendProposal implements Proposal<KnownHead, AppendResult> {
  constructor(
    private readonly appender: Appender,
    private readonly job: Job,
    private readonly call: CallContext,
  ) {}

  get stream(): StreamName {
    return this.job.stream;
  }

  get commitId(): CommitId {
    return this.job.commitId;
  }

  known(): KnownHead | undefined {
    return expectedHead(this.appender, this.job.stream, this.job.expected);
  }

  async look(
    doubted: KnownHead | undefined,
  ): Promise<{ readonly base: KnownHead } | { readonly result: AppendResult }> {
    const { appender, job, call } = this;
    const head = await currentHead(appender, job.stream, call);
    if (doubted !== undefined || job.repeatable) {
      const commit = await storedAlready(appender, job, head, doubted);
      if (commit !== undefined) return { result: await earlierResult(appender, job, commit, doubted, call) };
    }
    checkVersion(job.stream, job.expected, head.version);
    return { base: head };
  }

  isSame(one: KnownHead, other: KnownHead): boolean {
    return one.sequence === other.sequence;
  }

  messages({ version: before, sequence: previous }: KnownHead): OutgoingMessage[] {
    const { appender, job } = this;
    checkStillFits(appender, job, [job]);
    const commit = { firstVersion: before + 1n, previous, commitId: job.commitId };
    return toMessages(subjectOf(appender, job.stream), job.encoded, commit, bodyBytesLimit(appender));
  }

  stored(base: KnownHead, sequence: bigint): AppendResult {
    return stored(this.appender, this.job, base, sequence);
  }

  duplicate(sequence: bigint | undefined, doubted: KnownHead | undefined): Promise<AppendResult | undefined> {
    return findDuplicate(this.appender, this.job, sequence, doubted, this.call);
  }

  forget(): void {
    this.appender.heads.delete(this.job.stream);
  }
}

function stored(appender: Appender, job: Job, known: KnownHead, sequence: bigint): AppendResult {
  const firstVersion = known.version + 1n;
  const lastVersion = known.version + BigInt(job.encoded.length);
  appender.heads.set(job.stream, { version: lastVersion, sequence });
  if (job.repeatable) appender.recent.add(job.commitId, sequence);
  appender.view.onAcknowledged(sequence);
  return {
    version: version(lastVersion),
    firstVersion: version(firstVersion),
    position: position(sequence),
    commitTime: undefined,
    replayed: false,
    commitId: job.commitId,
  };
}

/** The commit that has the id of this one: by an attempt in doubt, or by an earlier call. */
async function storedAlready(
  { view }: Appender,
  { commitId, repeatable, expected }: Job,
  head: CurrentHead,
  doubted: KnownHead | undefined,
): Promise<ViewedCommit | undefined> {
  if (head.isViewed) return (await view.commitsById(commitId))[0];
  // Without the view only the newest commit of the stream is known.
  if (head.newest?.commitId === commitId) return head.newest;
  const mayBeBefore =
    (doubted !== undefined && doubted.sequence !== head.sequence) ||
    (repeatable && expected !== undefined && expected !== head.version);
  if (mayBeBefore) throw view.fillingError();
  return undefined;
}

/** The commit whose message the server takes this one for; undefined: the log does not have it. */
async function findDuplicate(
  appender: Appender,
  job: Job,
  sequence: bigint | undefined,
  doubted: KnownHead | undefined,
  call: CallContext,
): Promise<AppendResult | undefined> {
  const { view } = appender;
  if (sequence === undefined) await view.catchUp(call);
  else await view.waitUntilApplied(sequence, call);
  const [commit] = await view.commitsById(job.commitId);
  return commit && earlierResult(appender, job, commit, doubted, call);
}

/** The result of a commit that is stored under the id. Throws VersionConflictError or CommitIdReuseError if it is not this one. */
async function earlierResult(
  appender: Appender,
  job: Job,
  commit: ViewedCommit,
  doubted: KnownHead | undefined,
  call: CallContext,
): Promise<AppendResult> {
  const { stream, commitId, expected } = job;
  const isAtPlace =
    commit.stream === stream && (expected === undefined || commit.firstVersion === expected + 1n);
  if (!isAtPlace) {
    // The version counts first.
    const head = await currentHead(appender, stream, call);
    checkVersion(stream, expected, head.version);
  }
  if (!isAtPlace || commit.inTransaction || !hasSameContent(job, commit.events))
    throw new CommitIdReuseError(commitId, commit.stream, position(commit.position));
  appender.view.onAcknowledged(commit.position);
  return {
    version: version(commit.lastVersion),
    firstVersion: version(commit.firstVersion),
    position: position(commit.position),
    commitTime: unixNanos(commit.timeNanos),
    replayed: doubted?.version !== commit.firstVersion - 1n,
    commitId,
  };
}
