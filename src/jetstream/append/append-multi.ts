import { CommitIdReuseError, VersionConflictError, type VersionConflict } from '../../store/errors';
import type { AppendMultiCommand, AppendMultiResult, CallContext } from '../../store/event-store';
import type { ViewedCommit } from '../../store/log';
import { position, version, type StreamName } from '../../store/values';
import { whenDurable, type Appender } from './append';
import { bodyBytesLimit } from '../log/size-limits';
import { checkStillFits, prepareMulti, type MultiJob, type StreamJob } from './append-job';
import { asTransaction, checkMessage, toMessages } from '../log/commit-codec';
import { findById } from './find-by-id';
import { currentHead } from '../log/head';
import { expectedHead, type KnownHead } from './head-cache';
import type { OutgoingMessage } from '../nats/publish';
import { hasSameContent } from './same-content';
import { subjectOf, unattended, withDeadline } from '../log/store-context';
import { untilDecided, type Proposal } from './until-decided';

/** The heads of the streams of a transaction: those that it writes, then those that it checks. */
type Heads = readonly KnownHead[];

/** Stores the events of all streams atomically, or nothing. It takes its turn on all streams that it writes. */
export async function appendMulti(
  appender: Appender,
  command: AppendMultiCommand,
  call: CallContext,
): Promise<AppendMultiResult> {
  const deadlineMs = Math.min(call.deadlineMs, Date.now() + appender.limits.appendTimeoutMs);
  const job = prepareMulti(appender, command);
  const written = job.appends.map(({ stream }) => stream);
  // Once sent, it runs to its end even if the caller has gone: the next one needs what it finds out.
  const toItsEnd = { signal: unattended, deadlineMs };
  const result = await appender.queues.run(written, job.bytes, withDeadline(call, deadlineMs), () =>
    decide(appender, job, toItsEnd),
  );
  const { commitId } = job;
  await whenDurable(appender, { stream: streamOf(job), commitId }, result.position, deadlineMs);
  return result;
}

/** For errors about all of it. */
function streamOf({ appends }: MultiJob): StreamName {
  return appends[0]?.stream as StreamName;
}

async function decide(appender: Appender, job: MultiJob, call: CallContext): Promise<AppendMultiResult> {
  const { commitId, repeatable } = job;
  const earlier = (await findById(appender, { stream: streamOf(job), commitId, repeatable }, call)) ?? [];
  return earlier.length === 0
    ? untilDecided(appender, proposalOf(appender, job, call), call)
    : earlierResult(appender, job, earlier, undefined, call);
}

function proposalOf(
  appender: Appender,
  job: MultiJob,
  call: CallContext,
): Proposal<Heads, AppendMultiResult> {
  const { heads } = appender;
  const all = [...job.appends, ...job.checks];
  return {
    stream: streamOf(job),
    commitId: job.commitId,
    known() {
      const known = all.map(({ stream, expected }) => expectedHead(appender, stream, expected));
      return known.every((head) => head !== undefined) ? known : undefined;
    },
    async look(doubted) {
      const current = await Promise.all(all.map(({ stream }) => currentHead(appender, stream, call)));
      if (doubted !== undefined || job.repeatable) {
        const earlier = await storedAlready(appender, job, current);
        if (earlier.length > 0) return { result: await earlierResult(appender, job, earlier, doubted, call) };
      }
      checkVersions(job, current);
      return { base: current };
    },
    isSame: (one, other) => one.every(({ sequence }, index) => sequence === other[index]?.sequence),
    messages: (base) => transactionMessages(appender, job, base),
    stored: (base, sequence, messages) => stored(appender, job, base, { sequence, messages }),
    duplicate: (sequence, doubted) => findDuplicate(appender, job, sequence, doubted, call),
    forget() {
      for (const { stream } of all) heads.delete(stream);
    },
  };
}

/** The checks come first: the last message, which is that of the position, has events. */
function transactionMessages(appender: Appender, job: MultiJob, base: Heads): OutgoingMessage[] {
  const { commitId, appends, checks } = job;
  checkStillFits(appender, job, appends);
  const headOf = (index: number): KnownHead => base[index] as KnownHead;
  const checking = checks.map(({ stream }, index) =>
    checkMessage(appender.prefix, subjectOf(appender, stream), headOf(appends.length + index).sequence),
  );
  const writing = appends.flatMap(({ stream, encoded }, index) => {
    const { version: before, sequence: previous } = headOf(index);
    const commit = { firstVersion: before + 1n, previous, commitId };
    return toMessages(subjectOf(appender, stream), encoded, commit, bodyBytesLimit(appender));
  });
  // One stream alone is an ordinary commit.
  return appends.length + checks.length === 1 ? writing : asTransaction([...checking, ...writing], commitId);
}

function stored(
  appender: Appender,
  { commitId, appends, repeatable }: MultiJob,
  base: Heads,
  { sequence, messages }: { readonly sequence: bigint; readonly messages: readonly OutgoingMessage[] },
): AppendMultiResult {
  const from = sequence - BigInt(messages.length - 1);
  const streams = appends.map(({ stream, encoded }, index) => {
    const { version: before } = base[index] as KnownHead;
    const lastVersion = before + BigInt(encoded.length);
    const last = messages.findLastIndex(({ subject }) => subject === subjectOf(appender, stream));
    appender.heads.set(stream, { version: lastVersion, sequence: from + BigInt(last) });
    return { stream, version: version(lastVersion), firstVersion: version(before + 1n) };
  });
  if (repeatable) appender.recent.add(commitId, sequence);
  appender.view.onAcknowledged(sequence);
  return { position: position(sequence), streams, replayed: false, commitId };
}

/** Throws VersionConflictError for all streams that are not at the version expected. */
function checkVersions({ appends, checks }: MultiJob, heads: Heads): void {
  const conflicts = [...appends, ...checks].flatMap(({ stream, expected }, index): VersionConflict[] => {
    const actual = heads[index]?.version ?? 0n;
    if (expected === undefined || expected === actual) return [];
    return [{ stream, expected: version(expected), actual: version(actual) }];
  });
  const [first, ...others] = conflicts;
  if (first !== undefined) throw new VersionConflictError(first, others);
}

/** The commits that have the id of this transaction: by an attempt in doubt, or by an earlier call. */
async function storedAlready(
  { view }: Appender,
  { commitId }: MultiJob,
  heads: readonly { readonly isViewed: boolean }[],
): Promise<ViewedCommit[]> {
  if (heads.every(({ isViewed }) => isViewed)) return view.commitsById(commitId);
  throw view.fillingError();
}

/** Whether the commits are on the streams of the appends, at the versions that they expect. */
function isPlaceOf(appends: readonly StreamJob[], commits: readonly ViewedCommit[]): boolean {
  return (
    commits.length === appends.length &&
    appends.every(({ stream, expected }, index) => {
      const commit = commits[index];
      return commit?.stream === stream && (expected === undefined || commit.firstVersion === expected + 1n);
    })
  );
}

/** The transaction whose messages the server takes these for; undefined: the log does not have it. */
async function findDuplicate(
  appender: Appender,
  job: MultiJob,
  sequence: bigint | undefined,
  doubted: Heads | undefined,
  call: CallContext,
): Promise<AppendMultiResult | undefined> {
  if (sequence === undefined) await appender.view.catchUp(call);
  else await appender.view.waitUntilApplied(sequence, call);
  const commits = await appender.view.commitsById(job.commitId);
  return commits.length === 0 ? undefined : earlierResult(appender, job, commits, doubted, call);
}

/**
 * The result of a transaction that is stored under the id. Throws VersionConflictError or CommitIdReuseError if it is not
 * this one.
 */
async function earlierResult(
  appender: Appender,
  job: MultiJob,
  commits: readonly ViewedCommit[],
  doubted: Heads | undefined,
  call: CallContext,
): Promise<AppendMultiResult> {
  const { appends, checks, commitId } = job;
  const isAtPlace = isPlaceOf(appends, commits);
  if (!isAtPlace) {
    // The version counts first.
    const all = [...appends, ...checks];
    checkVersions(job, await Promise.all(all.map(({ stream }) => currentHead(appender, stream, call))));
  }
  const [first] = commits;
  const isSame =
    isAtPlace &&
    appends.every((append, index) => hasSameContent(append, (commits[index] as ViewedCommit).events));
  if (!isSame || first === undefined)
    throw new CommitIdReuseError(commitId, first?.stream ?? '', position(first?.position ?? 0n));
  const streams = appends.map(({ stream }, index) => ({
    stream,
    version: version(commits[index]?.lastVersion ?? 0n),
    firstVersion: version(commits[index]?.firstVersion ?? 0n),
  }));
  appender.view.onAcknowledged(first.position);
  const isOwn = doubted?.[0]?.version === first.firstVersion - 1n;
  return { position: position(first.position), streams, replayed: !isOwn, commitId };
}
