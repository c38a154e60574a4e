import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import { directGetBatch, type Batch } from './api';
import { CommitAssembler, readPart, unreadable, type StoredCommit, type StoredPart } from './commit-codec';
import { partAtOrAfter } from './locate';
import { patiently, subjectOf, type LogContext, type StoreContext } from './store-context';

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
): AsyncGenerator<Batch['messages'], void> {
  let next: Promise<Batch['messages']> | undefined = fetchPage(context, subject, from, through, call);
  while (next !== undefined) {
    const page: Batch['messages'] = await next;
    const last = page.at(-1);
    const done = last === undefined || last.sequence >= through;
    next = done ? undefined : fetchPage(context, subject, last.sequence + 1n, through, call);
    // A failure while nobody waits must not end the process; it is met at the next turn.
    next?.catch(() => undefined);
    yield done ? page.filter(({ sequence }) => sequence <= through) : page;
  }
}

async function fetchPage(
  context: LogContext,
  subject: string,
  from: bigint,
  through: bigint,
  call: CallContext,
): Promise<Batch['messages']> {
  // A short range needs no large batch, whose surplus would be read from disk for nothing.
  const span = through - from + 1n;
  const batch =
    span < BigInt(context.limits.fetchMessagesMax) ? Number(span) : context.limits.fetchMessagesMax;
  const lookup = { seq: Number(from), next_by_subj: subject, batch, max_bytes: context.limits.fetchBytesMax };
  return patiently(context, subject, call, async (options) => {
    const { messages } = await directGetBatch(context.pool.read(), context.log, lookup, options);
    return messages.length > 0 ? messages : undefined;
  });
}

/**
 * The commits of a stream in order, from the sequence of a first part through that of a last one. Throws
 * UnreadableCommitError on a foreign message or a gap.
 */
export async function* commitsForward(
  context: StoreContext,
  stream: StreamName,
  from: bigint,
  through: bigint,
  call: CallContext,
): AsyncGenerator<readonly StoredCommit[], void> {
  const assembler = new CommitAssembler(stream, 2 * context.limits.appendBytesMax);
  let previous: StoredCommit | undefined;
  for await (const messages of scanSubject(context, subjectOf(context, stream), from, through, call)) {
    const commits: StoredCommit[] = [];
    for (const message of messages) {
      const commit = assembler.add(readPart(stream, message));
      if (commit === undefined) continue;
      if (previous !== undefined && commit.firstVersion !== previous.lastVersion + 1n) {
        throw unreadable(
          stream,
          commit.position,
          `version ${(previous.lastVersion + 1n).toString()} is missing before it`,
        );
      }
      previous = commit;
      commits.push(commit);
    }
    yield commits;
  }
}

const firstWindowCommits = 16n;
const windowCommits = 256n;

/**
 * The commits of a stream in reverse order, from the one that ends at `from` down to the first. JetStream reads
 * forward only, so it reads windows of the log that end at the last commit known to exist, each sized by how dense
 * the stream was in the window before.
 */
export async function* commitsBackward(
  context: StoreContext,
  stream: StreamName,
  from: Pick<StoredPart, 'sequence' | 'lastVersion' | 'previous'>,
  call: CallContext,
): AsyncGenerator<readonly StoredCommit[], void> {
  let end = from.sequence;
  let nextVersion = from.lastVersion;
  let gap = from.previous === undefined || from.previous === 0n ? 1n : end - from.previous;
  let wanted = firstWindowCommits;
  while (end > 0n) {
    const start = end > gap * wanted ? end - gap * wanted + 1n : 1n;
    const commits = await window(context, stream, start, end, call);
    const first = commits[0] as StoredCommit;
    gap = (end - start) / BigInt(commits.length) + 1n;
    wanted = windowCommits;
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

/** The last commits that end in [start, end], at least one, at most two pages of them. */
async function window(
  context: StoreContext,
  stream: StreamName,
  start: bigint,
  end: bigint,
  call: CallContext,
): Promise<StoredCommit[]> {
  const first = await partAtOrAfter(context, stream, start, call);
  if (first === undefined) throw unreadable(stream, end, 'it is gone');
  const bytesMax = 2 * context.limits.fetchBytesMax;
  let from = first.sequence - BigInt(first.part - 1);
  for (;;) {
    const commits: StoredCommit[] = [];
    let bytes = 0;
    for await (const page of commitsForward(context, stream, from, end, call)) {
      commits.push(...page);
      bytes = commits.reduce((sum, { record }) => sum + record.length, 0);
      if (bytes > bytesMax) break;
    }
    const last = commits.at(-1);
    if (last === undefined) throw unreadable(stream, end, 'it is gone');
    if (last.position >= end) return commits;
    // Denser than thought: take the later half.
    from = await startOfLaterHalf(context, stream, last.position, end, call);
  }
}

async function startOfLaterHalf(
  context: StoreContext,
  stream: StreamName,
  read: bigint,
  end: bigint,
  call: CallContext,
): Promise<bigint> {
  const half = await partAtOrAfter(context, stream, read + (end - read) / 2n + 1n, call);
  if (half === undefined) throw unreadable(stream, end, 'it is gone');
  return half.sequence - BigInt(half.part - 1);
}
