import { eventCorrelationId, eventSpans } from '../store/commit-record';
import { StoreUnavailableError, UnreadableCommitError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import { parseStreamName } from '../store/values';
import { isCheck, lastSequence, outsideStore, readPart } from './commit-codec';
import { logHead } from './head';
import type { IndexCache } from './index-cache';
import { commitKey, hashKey, hashKeys } from './index-record';
import type { IndexStream } from './index-stream';
import { storedMessage, type StoredMessage } from './message';
import type { CommitKeys, RecentKeys, Stretch } from './recent-keys';
import { scanSubject } from './scan';
import { endless, everything, nameOf, pause, type StoreContext } from './store-context';

/**
 * The index of keys, a companion stream of the log (docs/storage.md). Entries move one way: from the log's
 * tail, which is not indexed yet, to `fresh` records, one for each stretch of the log, to 256 buckets by hash, and from a large
 * bucket to its 256 cells.
 */
export interface KeyIndex extends StoreContext, IndexStream {
  readonly recent: RecentKeys;
  readonly cache: IndexCache;
  /** The end of the log, as of after the call: what lies between the index and there is in `recent`, unless it is too much. */
  readonly tail: (call: CallContext) => Promise<bigint>;
}

/** So many are taken out of `recent` at a time. */
const knownMessagesMax = 4_096;
/** More of a tail than this is not kept in `recent`, which must have room for what comes. */
const tailPartMax = 0.5;
/** An index that has not gone on for so long is not waited for. It stands still while it is merged. */
const standstillMs = 5_000;
const lookMs = 100;

/** Gives the end of the log, and sees to it that `recent` knows the tail. */
export async function readTail(index: KeyIndex): Promise<bigint> {
  // Of an index that has not been read yet the tail would be the whole log.
  if (index.cache.lastSequence === 0n) await index.cache.refresh(endless);
  const { sequence: through } = await logHead(index, endless);
  const { doubts } = index.health;
  const tail = { from: index.cache.covered + 1n, to: through };
  if (isLarge(index, through - tail.from)) return through;
  for (const gap of index.recent.gaps(tail))
    for await (const commits of keysBetween(index, gap, endless))
      for (const keys of commits) if (doubts === index.health.doubts) index.recent.add(keys);
  return through;
}

/** Where to look for a key: positions of commits in order, and how far the log has been covered. */
export async function findPositions(
  index: KeyIndex,
  key: string,
  call: CallContext,
): Promise<{ positions: readonly bigint[]; through: bigint }> {
  const { cache, recent, health } = index;
  const { doubts } = health;
  const hash = hashKey(key);
  const [indexed, through] = await Promise.all([cache.positions(hash, call), index.tail(call)]);
  // In one go with the gaps: what `recent` forgets meanwhile is one.
  const found = new Set([...indexed.positions, ...recent.positions(hash)]);
  const gaps = recent.gaps({ from: indexed.covered + 1n, to: through });
  const missing = gaps.reduce((sum, { from, to }) => sum + to + 1n - from, 0n);
  if (isLarge(index, missing) && (await comesNear(index, through, call)))
    return findPositions(index, key, call);
  for (const gap of gaps)
    for await (const commits of keysBetween(index, gap, call))
      for (const { position, hashes } of commits) if (hashes.includes(hash)) found.add(position);
  // Some of it may be of what the log was before it went back.
  if (doubts !== health.doubts) return findPositions(index, key, call);
  const positions = [...found].sort((a, b) => (a < b ? -1 : 1));
  return { positions, through };
}

/** Whether so much of the log is more than `recent` takes in for everybody. */
function isLarge({ limits }: KeyIndex, messages: bigint): boolean {
  return Number(messages) > tailPartMax * limits.recentCommitsMax;
}

/**
 * Waits while the index, which is made from the log again, comes near to a position: callers that all read the rest of
 * the log would keep it from that. False: it has not gone on for a while. Throws StoreUnavailableError at the deadline of the call.
 */
async function comesNear(index: KeyIndex, through: bigint, call: CallContext): Promise<boolean> {
  const { cache } = index;
  let { covered } = cache;
  let goesOnUntilMs = Date.now() + standstillMs;
  while (isLarge(index, through - cache.covered)) {
    if (cache.covered !== covered) goesOnUntilMs = Date.now() + standstillMs;
    ({ covered } = cache);
    if (Date.now() > goesOnUntilMs) return false;
    const pauseMs = Math.min(lookMs, call.deadlineMs - Date.now());
    if (pauseMs <= 0) {
      const left = (through - covered).toString();
      throw new StoreUnavailableError(`the index is made from the log: ${left} messages are left`);
    }
    await pause(pauseMs, call);
  }
  return true;
}

/**
 * The keys of the log after one sequence through another, in order, and of every message that the log has there. For the one who
 * lets `recent` forget.
 */
export async function* keysInLog(
  index: KeyIndex,
  after: bigint,
  through: bigint,
  call: CallContext,
): AsyncGenerator<readonly CommitKeys[], void> {
  const { recent } = index;
  for (let next = after + 1n; next <= through;) {
    // At once with what is taken: `recent` goes on while that is in use.
    const [gap] = recent.gaps({ from: next, to: through });
    if (gap?.from === next) {
      yield* keysBetween(index, gap, call);
      next = gap.to + 1n;
      continue;
    }
    const to = gap === undefined ? through : gap.from - 1n;
    const known = recent.known({ from: next, to }, knownMessagesMax);
    if (known.length === 0) throw new Error('what is no gap is not known');
    yield known;
    next += BigInt(known.length);
  }
}

async function* keysBetween(
  index: KeyIndex,
  { from, to }: Stretch,
  call: CallContext,
): AsyncGenerator<CommitKeys[], void> {
  for await (const messages of scanSubject(index, everything, from, to, call))
    yield messages.map((message) => keysIn(index, storedMessage(message)));
}

/** A foreign message has none, and it must not stop the index. */
function keysIn(context: StoreContext, message: StoredMessage): CommitKeys {
  const { sequence } = message;
  const none = { sequence, position: sequence, hashes: [] };
  const name = nameOf(context, message.subject);
  const stream = parseStreamName(name);
  if (stream === undefined) {
    if (!isCheck(name)) context.health.noteUnreadable(outsideStore(name, sequence));
    return none;
  }
  try {
    const part = readPart(stream, message);
    const keys = eventSpans(part.body).map((span) => eventCorrelationId(part.body, span));
    if (part.part === 1) keys.push(commitKey(part.commitId));
    return { sequence, position: lastSequence(part), hashes: hashKeys(keys) };
  } catch (error) {
    if (error instanceof UnreadableCommitError) context.health.noteUnreadable(error);
    return none;
  }
}
