import type { CallContext } from '../store/event-store';
import type { UnreadableCommitError } from '../store/errors';
import type { StoredCommit } from './commit-assembler';
import { CommitReader } from './commit-reader';
import { LogSource, type Fetched } from './log-source';
import { storedMessage, type StoredMessage } from './message';
import type { StoreContext } from './store-context';

/** Which part of the log to read: streams by pattern (none: all), sequences (after, through]. */
export interface LogRange {
  readonly patterns: readonly string[];
  readonly after: bigint;
  /** The leader has come so far. */
  readonly through: bigint;
  /** What cannot be read is passed over, and named in the pages; otherwise it ends the scan with its error. */
  readonly skips: boolean;
}

/** Commits in the order of the scan, those of a step together. */
export interface LogPage {
  readonly commits: readonly StoredCommit[];
  /** Forward: what lies up to here has been given; backward: what lies from here on. */
  readonly covered: bigint;
  readonly last: boolean;
  /** What was passed over, in the order of the scan. */
  readonly unreadable: readonly UnreadableCommitError[];
}

/**
 * The commits whose positions are in the range, in pages bounded in bytes; the next two are fetched while one is in use.
 * Complete or an error, like `scanSubject`. A commit or a step that has not come to its end is left out.
 */
export async function* logForward(
  context: StoreContext,
  range: LogRange,
  call: CallContext,
  fetchBytes = (): number => context.limits.fetchBytesMax / 2,
): AsyncGenerator<LogPage, void> {
  const { after, through } = range;
  const source = new LogSource(context, range.patterns, call);
  const fetch = (from: bigint): Promise<Fetched> => source.fetch(from, through, fetchBytes());
  const follow = async (page: Promise<Fetched | undefined>): Promise<Fetched | undefined> => {
    const covered = (await page)?.covered ?? through;
    return covered < through ? fetch(covered + 1n) : undefined;
  };
  let page: Fetched | undefined;
  let start: bigint;
  [page, start] = await Promise.all([fetch(after + 1n), source.startOfStep(after + 1n)]);
  const first = startOfFirst(source, storedMessages(page));
  if (first !== undefined && first < start) start = first;
  if (start <= after) page = await fetch(start);
  else start = after + 1n;
  const reader = new CommitReader(context, source, start, {
    after,
    skips: range.skips,
    tellsOutside: range.skips,
  });
  let next = follow(Promise.resolve(page));
  let held: StoredCommit[] = []; // of a step whose end has not been passed
  for (let covered = after; page !== undefined;) {
    const afterNext = follow(next);
    // A failure while nobody waits must not end the process; it is met at the next turn.
    afterNext.catch(() => undefined);
    const commits = held;
    try {
      for (const message of storedMessages(page)) reader.add(message, commits);
      reader.passTo(page.covered + 1n, commits);
    } catch (error) {
      // What comes before it is good, and may be all that is wanted.
      yield { commits, covered: commits.at(-1)?.position ?? covered, last: false, unreadable: [] };
      throw error;
    }
    held = splitOff(commits, page.covered);
    covered = (held[0]?.from ?? reader.pendingFrom ?? page.covered + 1n) - 1n;
    yield { commits, covered, last: page.covered >= through, unreadable: reader.passedOver(covered) };
    page = await next;
    next = afterNext;
  }
}

/** Takes from the end of some commits those of a step that is not covered to its end. */
function splitOff(commits: StoredCommit[], covered: bigint): StoredCommit[] {
  let at = commits.length;
  while ((commits[at - 1]?.position ?? 0n) > covered) at--;
  return commits.splice(at);
}

/** Where the first commit of a page begins. */
function startOfFirst(source: LogSource, messages: Iterable<StoredMessage>): bigint | undefined {
  for (const message of messages) {
    if (!source.wants(message)) continue;
    try {
      const part = source.toPart(message);
      if (part !== undefined) return part.from;
    } catch {
      return undefined; // it is met again
    }
  }
  return undefined;
}

function* storedMessages({ messages }: Fetched): Generator<StoredMessage, void> {
  for (const message of messages) yield storedMessage(message);
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
  const source = new LogSource(context, range.patterns, call);
  let end = through;
  let span = spanAtFirst;
  while (end > after) {
    const start = end - span > after ? end - span + 1n : after + 1n;
    const window = await readWindow(source, start, end, span > 1n ? 2 * fetchBytesMax : Infinity);
    if (window === undefined) {
      span = span / spanGrowth || 1n;
      continue;
    }
    const from = start === after + 1n ? await source.startOfStep(start) : start;
    const found = await commitsOf(context, source, { ...window, start, from, end }, range);
    splitOff(found.commits, through);
    end = found.next;
    const commits = found.commits.reverse();
    const unreadable = found.unreadable.reverse();
    const [latest] = unreadable;
    const error = range.skips ? undefined : latest;
    if (error !== undefined) {
      const behind = commits.filter((commit) => commit.from > error.position);
      yield { commits: behind, covered: error.position + 1n, last: false, unreadable: [] };
      throw error;
    }
    if (commits.length + unreadable.length > 0 || end <= after)
      yield { commits, covered: end + 1n, last: end <= after, unreadable };
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
  source: LogSource,
  start: bigint,
  end: bigint,
  bytesMax = Infinity,
): Promise<Window | undefined> {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (let from = start; from <= end;) {
    const page = await source.fetch(from, end);
    for (const message of storedMessages(page)) {
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
  readonly unreadable: UnreadableCommitError[];
  /** Where the next window ends. */
  readonly next: bigint;
}

/** What a window has, in ascending order, with the whole of the commit that begins before it. */
async function commitsOf(
  context: StoreContext,
  source: LogSource,
  window: {
    readonly messages: readonly StoredMessage[];
    readonly start: bigint;
    /** Where the first commit may begin that ends in the window. */
    readonly from: bigint;
    readonly end: bigint;
  },
  { after, skips: tellsOutside }: LogRange,
): Promise<WindowCommits> {
  const { messages, start, end } = window;
  const firstCommit = startOfFirst(source, messages) ?? start;
  const from = firstCommit < window.from ? firstCommit : window.from;
  const before = from < start ? await readWindow(source, from, start - 1n) : undefined;
  const first = before === undefined ? start : from;
  const reader = new CommitReader(context, source, first, { after, skips: true, tellsOutside });
  const commits: StoredCommit[] = [];
  for (const message of [...(before?.messages ?? []), ...messages]) reader.add(message, commits);
  reader.passTo(end + 1n, commits);
  return { commits, unreadable: reader.passedOver(end), next: first - 1n };
}
