import type { CallContext } from '../store/event-store';
import { coverOf, patternMatcher } from '../store/patterns';
import { parseStreamName } from '../store/values';
import { directGetBatch, leaderGet } from './api';
import { CommitAssembler, type StoredCommit } from './commit-assembler';
import { isCheck, readPart, unreadable, type StoredPart } from './commit-codec';
import type { StoredMessage } from './message';
import { nameOf, patiently, type StoreContext } from './store-context';

/** Which part of the log to read: streams by pattern (none: all), sequences (after, through]. */
export interface LogRange {
  readonly patterns: readonly string[];
  readonly after: bigint;
  /** The leader has come so far. */
  readonly through: bigint;
}

/** Commits in the order of the scan, those of a step together. */
export interface LogPage {
  readonly commits: readonly StoredCommit[];
  /** Forward: what lies up to here has been given; backward: what lies from here on. */
  readonly covered: bigint;
  readonly last: boolean;
}

/**
 * The commits whose positions are in the range, in pages bounded in bytes; the next page is fetched while the current one
 * is in use. Complete or an error, like `scanSubject`. A commit or a step that has not come to its end is left out.
 */
export async function* logForward(
  context: StoreContext,
  range: LogRange,
  call: CallContext,
  fetchBytes = (): number => context.limits.fetchBytesMax,
): AsyncGenerator<LogPage, void> {
  const { after, through } = range;
  const source = messageSource(context, range.patterns, call);
  const fetch = (from: bigint): Promise<Fetched> => source.fetch(from, through, fetchBytes());
  const assembler = new CommitAssembler(2 * context.limits.appendBytesMax);
  let page = await fetch(after + 1n);
  const start = startOfFirst(source, page.messages);
  if (start !== undefined && start <= after) page = await fetch(start);
  let held: StoredCommit[] = []; // of a step whose end has not been passed
  for (let covered = after; ;) {
    const next = page.covered < through ? fetch(page.covered + 1n) : undefined;
    // A failure while nobody waits must not end the process; it is met at the next turn.
    next?.catch(() => undefined);
    const commits = held;
    try {
      for (const message of page.messages) {
        const commit = source.wants(message) ? assembler.add(source.toPart(message)) : undefined;
        if (commit !== undefined) commits.push(commit);
      }
    } catch (error) {
      // What comes before it is good, and may be all that is wanted.
      yield { commits, covered: commits.at(-1)?.sequence ?? covered, last: false };
      throw error;
    }
    held = splitOff(commits, page.covered);
    covered = (held[0]?.from ?? assembler.pendingFrom ?? page.covered + 1n) - 1n;
    yield { commits, covered, last: next === undefined };
    if (next === undefined) return;
    page = await next;
  }
}

/** Takes from the end of some commits those of a step that is not covered to its end. */
function splitOff(commits: StoredCommit[], covered: bigint): StoredCommit[] {
  let at = commits.length;
  while ((commits[at - 1]?.position ?? 0n) > covered) at--;
  return commits.splice(at);
}

/** Where the first commit of a page begins. */
function startOfFirst(source: MessageSource, messages: readonly StoredMessage[]): bigint | undefined {
  const first = messages.find((message) => source.wants(message));
  try {
    const part = first && source.toPart(first);
    return part?.from;
  } catch {
    return undefined; // it is met again
  }
}

const firstSpan = 256n;
const spanGrowth = 4n;

/**
 * The same from the end to the beginning. JetStream reads forward only, so it reads windows of the log, each as long as
 * the one before suggests.
 */
export async function* logBackward(
  context: StoreContext,
  range: LogRange,
  call: CallContext,
  spanAtFirst = firstSpan,
): AsyncGenerator<LogPage, void> {
  const { after, through } = range;
  const { fetchBytesMax, fetchMessagesMax } = context.limits;
  const source = messageSource(context, range.patterns, call);
  let end = through;
  let span = spanAtFirst;
  while (end > after) {
    const start = end - span > after ? end - span + 1n : after + 1n;
    const window = await readWindow(source, start, end, span > 1n ? 2 * fetchBytesMax : Infinity);
    if (window === undefined) {
      span = span / spanGrowth || 1n;
      continue;
    }
    const { commits, error, next } = await commitsOf(context, source, window.messages, start);
    splitOff(commits, through);
    end = next;
    if (commits.length > 0 || error !== undefined || end <= after)
      yield { commits: commits.reverse(), covered: end + 1n, last: error === undefined && end <= after };
    if (error !== undefined) throw error;
    const isSparse =
      window.bytes < fetchBytesMax / Number(spanGrowth) &&
      window.messages.length < fetchMessagesMax / Number(spanGrowth);
    if (isSparse) span *= spanGrowth;
  }
}

interface Window {
  readonly messages: readonly StoredMessage[];
  readonly bytes: number;
}

/** undefined: it has more bytes. */
async function readWindow(
  source: MessageSource,
  start: bigint,
  end: bigint,
  bytesMax = Infinity,
): Promise<Window | undefined> {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (let from = start; from <= end;) {
    const page = await source.fetch(from, end);
    for (const message of page.messages) {
      messages.push(message);
      bytes += message.body.length;
    }
    if (bytes > bytesMax) return undefined;
    from = page.covered + 1n;
  }
  return { messages, bytes };
}

interface WindowCommits {
  readonly commits: StoredCommit[];
  /** Met before these commits. */
  readonly error: Error | undefined;
  /** Where the next window ends. */
  readonly next: bigint;
}

/** The commits of a window in ascending order, with the whole of the one that begins before it. */
async function commitsOf(
  context: StoreContext,
  source: MessageSource,
  messages: readonly StoredMessage[],
  start: bigint,
): Promise<WindowCommits> {
  const commitBytesMax = 2 * context.limits.appendBytesMax;
  const from = startOfFirst(source, messages) ?? start;
  const before = from < start ? await readWindow(source, from, start - 1n) : undefined;
  let assembler = new CommitAssembler(commitBytesMax);
  let commits: StoredCommit[] = [];
  let error: Error | undefined;
  for (const message of before === undefined ? messages : [...before.messages, ...messages]) {
    if (!source.wants(message)) continue;
    try {
      const commit = assembler.add(source.toPart(message));
      if (commit !== undefined) commits.push(commit);
    } catch (caught) {
      [error, commits, assembler] = [caught as Error, [], new CommitAssembler(commitBytesMax)];
    }
  }
  return { commits, error, next: (from < start ? from : start) - 1n };
}

interface Fetched {
  readonly messages: readonly StoredMessage[];
  /** All messages up to here are in this page or one before. */
  readonly covered: bigint;
}

interface MessageSource {
  fetch(from: bigint, through: bigint, bytesMax?: number): Promise<Fetched>;
  /** Whether a fetched message is asked for. */
  wants(message: StoredMessage): boolean;
  /** Throws UnreadableCommitError. */
  toPart(message: StoredMessage): StoredPart;
}

/** The server looks for one subject only: with several patterns for the narrowest that covers all of them. */
function messageSource(context: StoreContext, patterns: readonly string[], call: CallContext): MessageSource {
  const { prefix } = context;
  const subject = `${prefix}.${coverOf(patterns)}`;
  const matches = patternMatcher(patterns.length > 1 ? patterns : []);
  return {
    fetch: (from, through, bytesMax = context.limits.fetchBytesMax) =>
      fetchPage(context, subject, { from, through, bytesMax }, call),
    wants(message) {
      const name = nameOf(context, message.subject);
      return !isCheck(name) && matches(name);
    },
    toPart: (message) => toPart(nameOf(context, message.subject), message),
  };
}

/** A message of the log as a part of a commit, whatever its subject. Throws UnreadableCommitError. */
export function toPart(name: string, message: StoredMessage): StoredPart {
  const stream = parseStreamName(name);
  if (stream === undefined)
    throw unreadable(name, message.sequence, 'its subject is not the name of a stream');
  return readPart(stream, message);
}

async function fetchPage(
  context: StoreContext,
  subject: string,
  page: { readonly from: bigint; readonly through: bigint; readonly bytesMax: number },
  call: CallContext,
): Promise<Fetched> {
  const { pool, log, limits } = context;
  const { from, through, bytesMax } = page;
  // A short range needs no large batch, whose surplus would be read from disk for nothing.
  const batch = Math.min(Number(through - from + 1n), limits.fetchMessagesMax);
  return patiently(context, subject, call, async (options) => {
    const lookup = { seq: Number(from), next_by_subj: subject, batch, max_bytes: bytesMax };
    const { messages, more } = await directGetBatch(pool.read(), log, lookup, options);
    const last = messages.at(-1)?.sequence;
    if (last !== undefined && last >= through)
      return { messages: messages.filter(({ sequence }) => sequence <= through), covered: through };
    if (last !== undefined && (more || log.replicas > 1)) return { messages, covered: last };
    // There is no more, says the replica that answered: one that lags behind cannot know.
    const next =
      log.replicas === 1
        ? undefined
        : await leaderGet(pool.read(), log, { seq: Number(from), next_by_subj: subject }, options);
    const isKnown = next === undefined || next.sequence > through;
    return isKnown ? { messages, covered: through } : undefined;
  });
}
