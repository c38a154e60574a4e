import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import { CommitAssembler, type StoredCommit } from './commit-assembler';
import { firstSequence, readPart, unreadable, type StoredPart } from './commit-codec';
import { directGetBatch, type Batch } from './direct-get';
import type { RequestOptions } from './link';
import { partAtOrAfter } from './locate';
import { storedMessage, upTo, type StoredMessage } from './message';
import { patiently, subjectOf, type LogContext, type StoreContext } from './store-context';

/** How a scan begins. */
export interface ScanStart {
  /** The first page, if it was asked for already; it counts only if it comes and is not empty. */
  readonly page?: Promise<Batch['messages']> | undefined;
  /** So many messages are probably enough: no more are asked for before somebody wants them. */
  readonly messagesMax?: number | undefined;
  /** Whether what comes with the last page from beyond the end is wanted. */
  readonly beyond?: boolean;
}

/**
 * The messages of a subject from one sequence through another, which must exist, in pages bounded in bytes; the
 * next page is fetched while the current one is in use. Complete or an error: a replica that has not come so far
 * is asked again until `readProgressTimeoutMs` have passed.
 */
export async function* scanSubject(
  context: LogContext,
  subject: string,
  from: bigint,
  through: bigint,
  call: CallContext,
  start: ScanStart = {},
): AsyncGenerator<Batch['messages'], void> {
  const { messagesMax = Infinity, beyond = false } = start;
  let page = await firstPage(context, subject, from, through, call, start);
  for (;;) {
    const newest = page.at(-1);
    const last: bigint = newest === undefined ? through : storedMessage(newest).sequence;
    if (last >= through) {
      yield beyond ? page : upTo(page, through);
      return;
    }
    const fetchNext = (): Promise<Batch['messages']> => fetchPage(context, subject, last + 1n, through, call);
    const early = messagesMax === Infinity ? fetchNext() : undefined;
    // A failure while nobody waits must not end the process; it is met at the next turn.
    early?.catch(() => undefined);
    yield page;
    page = await (early ?? fetchNext());
  }
}

async function firstPage(
  context: LogContext,
  subject: string,
  from: bigint,
  through: bigint,
  call: CallContext,
  { page, messagesMax }: ScanStart,
): Promise<Batch['messages']> {
  const early = await page?.catch(() => undefined);
  if (early !== undefined && early.length > 0) return early;
  return fetchPage(context, subject, from, through, call, messagesMax);
}

async function fetchPage(
  context: LogContext,
  subject: string,
  from: bigint,
  through: bigint,
  call: CallContext,
  messagesMax = Infinity,
): Promise<Batch['messages']> {
  // A short range needs no large batch, whose surplus would be read from disk for nothing.
  const batch = Math.min(Number(through - from + 1n), messagesMax, context.limits.fetchMessagesMax);
  return patiently(context, subject, call, async (options) => {
    const messages = await askPage(context, subject, from, batch, options);
    return messages.length > 0 ? messages : undefined;
  });
}

/** One page of a subject, as the replica that answers knows it. */
export async function askPage(
  { pool, log, limits }: LogContext,
  subject: string,
  from: bigint,
  batch: number,
  options: RequestOptions,
): Promise<Batch['messages']> {
  const lookup = { seq: Number(from), next_by_subj: subject, batch, max_bytes: limits.fetchBytesMax };
  return (await directGetBatch(pool.read(), log, lookup, options)).messages;
}

/** Where commits are read forward, both ends inclusive. */
export interface CommitRange extends ScanStart {
  readonly from: bigint;
  /** The sequence of the last part of a commit. */
  readonly through: bigint;
  /** The first commit must have the first version. */
  readonly isStart?: boolean;
  /** `from` may lie within a commit, which is left out then. */
  readonly midCommit?: boolean;
}

/** The commits of a stream in order. Throws UnreadableCommitError on a foreign message or a gap. */
export async function* commitsForward(
  context: StoreContext,
  stream: StreamName,
  range: CommitRange,
  call: CallContext,
): AsyncGenerator<readonly StoredCommit[], void> {
  const { from, through } = range;
  const assembler = new CommitAssembler(2 * context.limits.appendBytesMax);
  let mayBeCut = range.midCommit === true;
  let previous: StoredCommit | undefined;
  const take = (message: StoredMessage): StoredCommit | undefined => {
    const part = readPart(stream, message);
    if (mayBeCut && part.part > 1) return undefined;
    mayBeCut = false;
    const commit = assembler.add(part);
    if (commit === undefined) return undefined;
    const first = range.isStart === true ? 1n : undefined;
    const next = previous === undefined ? first : previous.lastVersion + 1n;
    if (next !== undefined && commit.firstVersion !== next)
      throw unreadable(stream, commit.position, `version ${next.toString()} is missing before it`);
    return (previous = commit);
  };
  for await (const page of scanSubject(context, subjectOf(context, stream), from, through, call, range)) {
    const commits: StoredCommit[] = [];
    try {
      for (const message of page) {
        const commit = take(storedMessage(message));
        if (commit !== undefined) commits.push(commit);
      }
    } catch (error) {
      // What comes before it is good, and may be all that is wanted.
      yield commits;
      throw error;
    }
    yield commits;
  }
}

const firstWindowCommits = 16;
const windowCommits = 256;

/**
 * The commits of a stream in reverse order, from the one that ends with a part down to the first. JetStream reads
 * forward only, so it reads windows of the log that end at the last commit known to exist, each sized by how dense
 * the stream was in the window before, and the first also by how many commits are probably enough.
 */
export async function* commitsBackward(
  context: StoreContext,
  stream: StreamName,
  from: StoredPart,
  call: CallContext,
  commitsMax = firstWindowCommits,
): AsyncGenerator<readonly StoredCommit[], void> {
  let end = from.sequence;
  let nextVersion = from.lastVersion;
  let gap = from.previous === undefined || from.previous === 0n ? 1n : end - from.previous;
  if (from.parts === 1) {
    // It is at hand already.
    const commit = new CommitAssembler(Infinity).add(from) as StoredCommit;
    yield [commit];
    end = commit.previous;
    nextVersion = commit.firstVersion - 1n;
  }
  let wanted = BigInt(Math.min(commitsMax, windowCommits));
  while (end > 0n) {
    const start = end > gap * wanted ? end - gap * wanted + 1n : 1n;
    const commits = await window(context, stream, start, end, call);
    const first = commits[0] as StoredCommit;
    gap = (end - start) / BigInt(commits.length) + 1n;
    wanted = BigInt(windowCommits);
    commits.reverse();
    for (const commit of commits) {
      if (commit.lastVersion !== nextVersion) {
        throw unreadable(stream, commit.position, `version ${nextVersion.toString()} is missing after it`);
      }
      nextVersion = commit.firstVersion - 1n;
    }
    yield commits;
    end = first.previous;
  }
  if (nextVersion !== 0n) {
    throw unreadable(stream, from.sequence, `version ${nextVersion.toString()} is missing before it`);
  }
}

/** The last commits that lie in [start, end], at least one, at most two pages of them. */
async function window(
  context: StoreContext,
  stream: StreamName,
  start: bigint,
  end: bigint,
  call: CallContext,
): Promise<StoredCommit[]> {
  const bytesMax = 2 * context.limits.fetchBytesMax;
  let range: CommitRange = { from: start, through: end, midCommit: true };
  for (;;) {
    const commits: StoredCommit[] = [];
    let bytes = 0;
    for await (const page of commitsForward(context, stream, range, call)) {
      commits.push(...page);
      bytes = commits.reduce((sum, { record }) => sum + record.length, 0);
      if (bytes > bytesMax) break;
    }
    const last = commits.at(-1);
    if (last !== undefined && last.sequence >= end) return commits;
    if (last !== undefined) {
      // Denser than thought: take the later half.
      range = { ...range, from: last.sequence + (end - last.sequence) / 2n + 1n };
      continue;
    }
    // All of it lies within the commit that ends here.
    const part = await partAtOrAfter(context, stream, range.from, call);
    if (part === undefined || part.sequence > end || range.midCommit !== true)
      throw unreadable(stream, end, 'it is gone');
    range = { from: firstSequence(part), through: end };
  }
}
