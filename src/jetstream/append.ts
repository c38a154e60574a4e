import { CommitIdReuseError, OutcomeUnknownError, VersionConflictError } from '../store/errors';
import type { AppendCommand, AppendResult, CallContext } from '../store/event-store';
import { position, unixNanos, version, type CommitId, type StreamName } from '../store/values';
import { bodyBytesLimit, checkStillFits, prepare, type Job } from './append-job';
import type { StoredCommit } from './commit-assembler';
import { lastSequence, readPart, toMessages, type StoredPart } from './commit-codec';
import { IdSearch } from './find-by-id';
import { commitAfter, commitWithVersion } from './find-commit';
import { lastPart, lastPartToAppend, toHead } from './head';
import { expectedHead, type HeadCache, type KnownHead } from './head-cache';
import type { IdMemory } from './id-memory';
import type { KeyIndex } from './key-index';
import type { OutgoingMessage } from './publish';
import { commitAt, messageAt } from './read-by-correlation';
import { hasSameContent } from './same-content';
import { nameOf, subjectOf, unattended, withDeadline } from './store-context';
import type { StreamQueues } from './stream-queues';
import { untilDecided, type Proposal } from './until-decided';

/** What the appends of one gateway share. */
export interface Appender extends KeyIndex {
  readonly heads: HeadCache;
  readonly queues: StreamQueues;
  readonly ids: IdMemory;
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
    call.place?.fail();
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
  const proposal = new AppendProposal(appender, job, toItsEnd);
  const decideIt = (): Promise<AppendResult> => decide(appender, proposal, toItsEnd);
  const decided = appender.queues.run([job.stream], job.bytes, call, decideIt, () => {
    proposal.lookEarly();
  });
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
  const { timeNanos } = await messageAt(appender, result.position, call).catch((cause: unknown) => {
    // What fails here by itself says "nothing was stored", which is not so.
    throw new OutcomeUnknownError(stream, commitId, { cause });
  });
  return { ...result, commitTime: unixNanos(timeNanos) };
}

/** Outside of the turn: the next append to the stream need not wait for it. undefined: it is durable. */
export function whenDurable(
  { durability, queues }: Appender,
  { stream, commitId }: Pick<Job, 'stream' | 'commitId'>,
  sequence: bigint,
  deadlineMs: number,
): Promise<void> | undefined {
  return durability.through(sequence, deadlineMs, queues.isBusy)?.catch((cause: unknown) => {
    throw new OutcomeUnknownError(stream, commitId, { cause });
  });
}

function decide(appender: Appender, proposal: AppendProposal, call: CallContext): Promise<AppendResult> {
  return proposal.isNew() ? untilDecided(appender, proposal, call) : unlessStored(appender, proposal, call);
}

async function unlessStored(
  appender: Appender,
  proposal: AppendProposal,
  call: CallContext,
): Promise<AppendResult> {
  return (await proposal.findById(undefined)) ?? untilDecided(appender, proposal, call);
}

/** Without events only the check runs. It counts as an append, but needs no turn on its stream. */
async function checkOnly(
  appender: Appender,
  { stream, expectedVersion }: AppendCommand,
  call: CallContext,
): Promise<AppendResult> {
  const head = await appender.queues.run([], 0, call, async () => {
    const found = toHead(await lastPart(appender, stream, 'leader', call));
    checkVersion(stream, expectedVersion, found.version);
    return found;
  });
  await appender.durability.through(head.position, call.deadlineMs);
  return { ...head, firstVersion: version(0n), replayed: false, commitId: undefined };
}

/** Throws VersionConflictError. */
function checkVersion(stream: StreamName, expected: bigint | undefined, actual: bigint): void {
  if (expected === undefined || expected === actual) return;
  throw new VersionConflictError({ stream, expected: version(expected), actual: version(actual) });
}

class AppendProposal implements Proposal<KnownHead, AppendResult> {
  private readonly search: IdSearch;

  constructor(
    private readonly appender: Appender,
    private readonly job: Job,
    private readonly call: CallContext,
  ) {
    this.search = new IdSearch(appender, job.commitId, call);
  }

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
    const head = await lastPartToAppend(appender, job.stream, call);
    const result =
      head &&
      ((await findEarlier(appender, job, head, doubted, call)) ??
        (await this.found(await this.search.findSince(head.sequence), doubted)));
    if (result !== undefined) return { result };
    const base = { version: head?.lastVersion ?? 0n, sequence: head?.sequence ?? 0n };
    checkVersion(job.stream, job.expected, base.version);
    return { base };
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

  stored(base: KnownHead, sequence: bigint, { length: parts }: readonly OutgoingMessage[]): AppendResult {
    return stored(this.appender, this.job, base, { parts, sequence });
  }

  duplicate(sequence: bigint | undefined, doubted: KnownHead | undefined): Promise<AppendResult | undefined> {
    if (sequence === undefined) return this.findById(doubted);
    return findDuplicate(this.appender, this.job, sequence, doubted, this.call);
  }

  /**
   * Looks for an earlier call while the append waits for its turn. Whatever is stored until then is at another version of the
   * stream than the one that is expected.
   */
  lookEarly(): void {
    const { appender, job } = this;
    if (!job.repeatable || job.expected === undefined || appender.ids.isTrusted(job.commitId)) return;
    this.search.begin();
  }

  /** Whether no earlier call can have stored it that the server would not know. */
  isNew(): boolean {
    const { appender, job, search } = this;
    const isCovered = appender.ids.covers(job.commitId);
    return !search.hasBegun && (isCovered || !job.repeatable);
  }

  async findById(doubted: KnownHead | undefined): Promise<AppendResult | undefined> {
    return this.found(await this.search.find(), doubted);
  }

  private async found(
    commit: StoredCommit | undefined,
    doubted: KnownHead | undefined,
  ): Promise<AppendResult | undefined> {
    return commit && findDuplicate(this.appender, this.job, commit.sequence, doubted, this.call);
  }

  forget(): void {
    this.appender.heads.delete(this.job.stream);
  }
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
  const keys = { sequence, position: sequence, hashes: job.keyHashes };
  appender.recent.add(keys, sequence - BigInt(parts - 1));
  return {
    version: version(lastVersion),
    firstVersion: version(firstVersion),
    position: position(sequence),
    commitTime: undefined,
    replayed: false,
    commitId: job.commitId,
  };
}

/** This commit, if it is already stored: by an attempt in doubt, or by an earlier call with the same commit id. */
async function findEarlier(
  appender: Appender,
  job: Job,
  head: StoredPart,
  doubted: KnownHead | undefined,
  call: CallContext,
): Promise<AppendResult | undefined> {
  const { stream, expected, commitId } = job;
  const follows = async (base: bigint, replayed: boolean): Promise<AppendResult | undefined> => {
    const commit = await commitAfter(appender, { stream, base, commitId }, head, call);
    return commit && toResult(job, commit, replayed);
  };
  if (doubted !== undefined) {
    const own = await follows(doubted.version, false);
    if (own !== undefined) return own;
  }
  if (!job.repeatable) return undefined;
  if (expected !== undefined) return follows(expected, true);
  if (head.commitId !== commitId) return undefined;
  const commit = await commitWithVersion(appender, stream, head.lastVersion, head, call);
  return commit && toResult(job, commit, true);
}

/**
 * The commit that is stored under the id, with a message at this sequence. Throws VersionConflictError or
 * CommitIdReuseError if it is not a repetition of this one.
 */
async function findDuplicate(
  appender: Appender,
  job: Job,
  sequence: bigint,
  doubted: KnownHead | undefined,
  call: CallContext,
): Promise<AppendResult> {
  const { stream, expected, commitId } = job;
  const message = await messageAt(appender, sequence, call);
  const owner = nameOf(appender, message.subject);
  const part = readPart(owner, message);
  const commit = owner === stream ? await commitAt(appender, lastSequence(part), call) : undefined;
  if (commit === undefined || (expected !== undefined && commit.firstVersion !== expected + 1n)) {
    // The version counts first, though a server may look at the id before it.
    const head = toHead(await lastPartToAppend(appender, stream, call));
    checkVersion(stream, expected, head.version);
    throw new CommitIdReuseError(commitId, owner, position(part.position));
  }
  return toResult(job, commit, doubted === undefined);
}

/** Throws CommitIdReuseError if it is another commit than that of the job. */
function toResult(job: Job, commit: StoredCommit, replayed: boolean): AppendResult {
  const { stream, commitId } = job;
  if (commit.stream !== stream || commit.inStep || !hasSameContent(job, commit.record))
    throw new CommitIdReuseError(commitId, commit.stream, commit.position);
  return {
    version: version(commit.lastVersion),
    firstVersion: version(commit.firstVersion),
    position: commit.position,
    commitTime: unixNanos(commit.timeNanos),
    replayed,
    commitId,
  };
}
