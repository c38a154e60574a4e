import { CommitIdReuseError, VersionConflictError, type VersionConflict } from '../store/errors';
import type { AppendMultiCommand, AppendMultiResult, CallContext } from '../store/event-store';
import { position, version, type StreamName } from '../store/values';
import { whenDurable, type Appender } from './append';
import { bodyBytesLimit, checkStillFits, prepareMulti, type MultiJob, type StreamJob } from './append-job';
import type { StoredCommit } from './commit-assembler';
import { asStep, checkMessage, toMessages, type StoredPart } from './commit-codec';
import { IdSearch } from './find-by-id';
import { commitAfter } from './find-commit';
import { lastPartToAppend } from './head';
import { expectedHead, type KnownHead } from './head-cache';
import type { OutgoingMessage } from './publish';
import { readStep, stepAt, type StepSpan } from './read-step';
import { hasSameContent } from './same-content';
import { subjectOf, unattended, withDeadline } from './store-context';
import { untilDecided, type Proposal } from './until-decided';

/** The heads of the streams of a step: those that it writes, then those that it checks. */
type Heads = readonly KnownHead[];

/** Stores the events of all streams in one step, or nothing. It takes its turn on all streams that it writes. */
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
  await whenDurable(appender, { stream: written[0] as StreamName, commitId }, result.position, deadlineMs);
  return result;
}

async function decide(appender: Appender, job: MultiJob, call: CallContext): Promise<AppendMultiResult> {
  const search = new IdSearch(appender, job.commitId, call);
  const isCovered = appender.ids.covers(job.commitId);
  const earlier = isCovered || !job.repeatable ? undefined : await search.find();
  return earlier === undefined
    ? untilDecided(appender, proposalOf(appender, job, search, call), call)
    : findDuplicate(appender, job, earlier.sequence, undefined, call);
}

/** This step, if it was stored by an earlier call and there is no place where it must be. */
async function findById(
  appender: Appender,
  job: MultiJob,
  search: IdSearch,
  call: CallContext,
): Promise<AppendMultiResult | undefined> {
  if (!job.repeatable || job.appends.some(({ expected }) => expected !== undefined)) return undefined;
  const commit = await search.find();
  return commit && repeated(appender, job, commit, false, call);
}

/** This step, if another gateway has stored it since it was looked for. */
async function findSince(
  appender: Appender,
  job: MultiJob,
  search: IdSearch,
  heads: readonly (StoredPart | undefined)[],
  call: CallContext,
): Promise<AppendMultiResult | undefined> {
  const last = heads.reduce(
    (max, head) => (head !== undefined && head.sequence > max ? head.sequence : max),
    0n,
  );
  const commit = await search.findSince(last);
  return commit && findDuplicate(appender, job, commit.sequence, undefined, call);
}

function proposalOf(
  appender: Appender,
  job: MultiJob,
  search: IdSearch,
  call: CallContext,
): Proposal<Heads, AppendMultiResult> {
  const { heads } = appender;
  const all = [...job.appends, ...job.checks];
  return {
    stream: all[0]?.stream as StreamName,
    commitId: job.commitId,
    known() {
      const known = all.map(({ stream, expected }) => expectedHead(appender, stream, expected));
      return known.every((head) => head !== undefined) ? known : undefined;
    },
    async look(doubted) {
      const parts = await Promise.all(all.map(({ stream }) => lastPartToAppend(appender, stream, call)));
      const result =
        (await findEarlier(appender, job, parts, doubted, call)) ??
        (await findSince(appender, job, search, parts, call));
      if (result !== undefined) return { result };
      try {
        checkVersions(job, parts);
      } catch (conflict) {
        // Of a stream that is only checked, if no version tells where the step would be.
        const earlier = await findById(appender, job, search, call);
        if (earlier === undefined) throw conflict;
        return { result: earlier };
      }
      return {
        base: parts.map((part) => ({ version: part?.lastVersion ?? 0n, sequence: part?.sequence ?? 0n })),
      };
    },
    isSame: (one, other) => one.every(({ sequence }, index) => sequence === other[index]?.sequence),
    messages: (base) => stepMessages(appender, job, base),
    stored: (base, sequence, messages) => stored(appender, job, base, { sequence, messages }),
    async duplicate(sequence, doubted) {
      const at = sequence ?? (await search.find())?.sequence;
      return at === undefined ? undefined : findDuplicate(appender, job, at, doubted, call);
    },
    forget() {
      for (const { stream } of all) heads.delete(stream);
    },
  };
}

/** The checks come first: the last message, which is that of the position, has events. */
function stepMessages(appender: Appender, job: MultiJob, base: Heads): OutgoingMessage[] {
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
  return appends.length + checks.length === 1 ? writing : asStep([...checking, ...writing], commitId);
}

function stored(
  appender: Appender,
  { commitId, appends }: MultiJob,
  base: Heads,
  { sequence, messages }: { readonly sequence: bigint; readonly messages: readonly OutgoingMessage[] },
): AppendMultiResult {
  const from = sequence - BigInt(messages.length - 1);
  let next = 0;
  const streams = appends.map(({ stream, encoded, keyHashes }, index) => {
    const { version: before } = base[index] as KnownHead;
    const lastVersion = before + BigInt(encoded.length);
    const last = messages.findLastIndex(({ subject }) => subject === subjectOf(appender, stream));
    const to = from + BigInt(last);
    appender.heads.set(stream, { version: lastVersion, sequence: to });
    appender.recent.add({ sequence: to, position: to, hashes: keyHashes }, from + BigInt(next));
    next = last + 1;
    return { stream, version: version(lastVersion), firstVersion: version(before + 1n) };
  });
  return { position: position(sequence), streams, replayed: false, commitId };
}

/** Throws VersionConflictError for all streams that are not at the version expected. */
function checkVersions({ appends, checks }: MultiJob, heads: readonly (StoredPart | undefined)[]): void {
  const conflicts = [...appends, ...checks].flatMap(({ stream, expected }, index): VersionConflict[] => {
    const actual = heads[index]?.lastVersion ?? 0n;
    if (expected === undefined || expected === actual) return [];
    return [{ stream, expected: version(expected), actual: version(actual) }];
  });
  const [first, ...others] = conflicts;
  if (first !== undefined) throw new VersionConflictError(first, others);
}

/** This step, if it is already stored: by an attempt in doubt, or by an earlier call with the same commit id. */
async function findEarlier(
  appender: Appender,
  job: MultiJob,
  heads: readonly (StoredPart | undefined)[],
  doubted: Heads | undefined,
  call: CallContext,
): Promise<AppendMultiResult | undefined> {
  const { commitId, appends, repeatable } = job;
  const isDoubted = doubted !== undefined;
  // On all streams: the step may be stored while one head after another is asked for.
  for (const [index, { stream, expected }] of appends.entries()) {
    const head = heads[index];
    if (head === undefined) continue;
    const bases = [doubted?.[index]?.version, repeatable ? expected : undefined];
    for (const base of bases) {
      if (base === undefined) continue;
      const commit = await commitAfter(appender, { stream, base, commitId }, head, call);
      if (commit !== undefined) return repeated(appender, job, commit, isDoubted, call);
    }
    if (repeatable && expected === undefined && head.commitId === commitId)
      return repeated(appender, job, head, false, call);
  }
  return undefined;
}

/** The result of a step that is stored. Throws CommitIdReuseError if it is not this one. */
async function repeated(
  appender: Appender,
  job: MultiJob,
  step: StepSpan,
  isOwn: boolean,
  call: CallContext,
): Promise<AppendMultiResult> {
  return toResult(job, step, await readStep(appender, step, call), isOwn);
}

/** Throws CommitIdReuseError if the commits of the step are not those of the job. */
function toResult(
  { appends, commitId }: MultiJob,
  step: StepSpan,
  commits: readonly StoredCommit[],
  isOwn: boolean,
): AppendMultiResult {
  const isSame =
    isPlaceOf(appends, commits) &&
    appends.every((append, index) => hasSameContent(append, (commits[index] as StoredCommit).record));
  if (!isSame) throw new CommitIdReuseError(commitId, commits[0]?.stream ?? '', position(step.position));
  const streams = appends.map(({ stream }, index) => ({
    stream,
    version: version(commits[index]?.lastVersion ?? 0n),
    firstVersion: version(commits[index]?.firstVersion ?? 0n),
  }));
  return { position: position(step.position), streams, replayed: !isOwn, commitId };
}

/** Whether the commits are on the streams of the appends, at the versions that they expect. */
function isPlaceOf(appends: readonly StreamJob[], commits: readonly StoredCommit[]): boolean {
  return (
    commits.length === appends.length &&
    appends.every(({ stream, expected }, index) => {
      const commit = commits[index];
      return commit?.stream === stream && (expected === undefined || commit.firstVersion === expected + 1n);
    })
  );
}

/**
 * The step that is stored under the id, with a message at this sequence. Throws VersionConflictError or
 * CommitIdReuseError if it is not a repetition of this one.
 */
async function findDuplicate(
  appender: Appender,
  job: MultiJob,
  sequence: bigint,
  doubted: Heads | undefined,
  call: CallContext,
): Promise<AppendMultiResult> {
  const step = await stepAt(appender, sequence, call);
  const commits = await readStep(appender, step, call);
  if (!isPlaceOf(job.appends, commits)) {
    // The version counts first, though a server may look at the id before it.
    const all = [...job.appends, ...job.checks];
    checkVersions(job, await Promise.all(all.map(({ stream }) => lastPartToAppend(appender, stream, call))));
  }
  return toResult(job, step, commits, doubted !== undefined);
}
