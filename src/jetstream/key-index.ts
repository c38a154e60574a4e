import { eventCorrelationId, eventSpans } from '../store/commit-record';
import type { CallContext } from '../store/event-store';
import { parseStreamName } from '../store/values';
import { leaderGet, type StreamApi } from './api';
import { lastSequence, readPart } from './commit-codec';
import { logHead } from './head';
import {
  bucketOf,
  commitKey,
  decodeIndexRecord,
  hashKey,
  hashKeys,
  matches,
  type IndexRecord,
} from './index-record';
import { storedMessage, type StoredMessage } from './message';
import { indexPrefix } from './open-stream';
import type { CommitKeys, RecentKeys, Stretch } from './recent-keys';
import { scanSubject } from './scan';
import { everything, nameOf, within, type StoreContext } from './store-context';

/**
 * The index of keys, a companion stream of the log (docs/storage.md). Entries move one way: from the log's
 * tail, which is not indexed yet, to `fresh` records, one for each stretch of the log, to 256 buckets by hash. Who
 * reads in that order and looks at the log's tail last misses nothing, whatever moves meanwhile.
 */
export interface KeyIndex extends StoreContext {
  readonly recent: RecentKeys;
  readonly index: StreamApi;
  readonly subjects: IndexSubjects;
}

export interface IndexSubjects {
  /** Records of stretches of the log, the newest last. Its last message tells how far the index is. */
  readonly fresh: string;
  /** How far `fresh` has been merged into buckets, as a sequence of the index stream. */
  readonly merged: string;
  readonly bucket: (number: number) => string;
}

export function indexSubjects(prefix: string): IndexSubjects {
  const base = `${indexPrefix}.${prefix}.key`;
  return {
    fresh: `${base}.fresh`,
    merged: `${base}.merged`,
    bucket: (number) => `${base}.${number.toString()}`,
  };
}

/** The messages of an index subject, from the leader's point of view. */
export async function* indexMessages(
  index: KeyIndex,
  subject: string,
  call: CallContext,
): AsyncGenerator<StoredMessage, void> {
  const last = await lastIndexMessage(index, subject, call);
  if (last === undefined) return;
  const context = { pool: index.pool, log: index.index, limits: index.limits };
  for await (const messages of scanSubject(context, subject, 1n, last.sequence, call))
    for (const message of messages) yield storedMessage(message);
}

export function lastIndexMessage(
  index: KeyIndex,
  subject: string,
  call: CallContext,
): Promise<StoredMessage | undefined> {
  const options = within(call, index.limits.requestTimeoutMs);
  return leaderGet(index.pool.read(), index.index, { last_by_subj: subject }, options);
}

/** Where to look for a key: positions of commits in order, and how far the log has been covered. */
export async function findPositions(
  index: KeyIndex,
  key: string,
  call: CallContext,
): Promise<{ positions: readonly bigint[]; through: bigint }> {
  const hash = hashKey(key);
  const found = new Set<bigint>();
  let covered = 0n;
  const collect = (record: IndexRecord): void => {
    for (const position of matches(record, hash)) found.add(position);
  };
  for await (const message of indexMessages(index, index.subjects.fresh, call)) {
    const record = decodeIndexRecord(message.body);
    covered = record.through;
    collect(record);
  }
  for await (const message of indexMessages(index, index.subjects.bucket(bucketOf(hash)), call)) {
    collect(decodeIndexRecord(message.body));
  }
  const { sequence: through } = await logHead(index, call);
  await index.durability.through(through);
  const tail = { from: covered + 1n, to: through };
  const collectFrom = (commits: Iterable<CommitKeys>): void => {
    for (const { position, hashes } of commits) if (hashes.includes(hash)) found.add(position);
  };
  // In one go with the gaps, so that nothing is missed that the index writer lets go meanwhile.
  const gaps = [...index.recent.gaps(tail)];
  collectFrom(index.recent.within(tail));
  for (const gap of gaps) for await (const commits of keysBetween(index, gap, call)) collectFrom(commits);
  const positions = [...found].sort((a, b) => (a < b ? -1 : 1));
  return { positions, through };
}

/** What is to index in the log after one sequence through another, in order. For the one who lets `recent` forget. */
export async function* keysInLog(
  index: KeyIndex,
  after: bigint,
  through: bigint,
  call: CallContext,
): AsyncGenerator<Iterable<CommitKeys>, void> {
  const { recent } = index;
  let next = after + 1n;
  for (const gap of recent.gaps({ from: next, to: through })) {
    yield recent.within({ from: next, to: gap.from - 1n });
    yield* keysBetween(index, gap, call);
    next = gap.to + 1n;
  }
  yield recent.within({ from: next, to: through });
}

async function* keysBetween(
  index: KeyIndex,
  { from, to }: Stretch,
  call: CallContext,
): AsyncGenerator<CommitKeys[], void> {
  for await (const messages of scanSubject(index, everything, from, to, call))
    yield messages.flatMap((message) => keysIn(index, storedMessage(message)) ?? []);
}

/** undefined for a foreign message: it has no events, and it must not stop the index. */
function keysIn(context: StoreContext, message: StoredMessage): CommitKeys | undefined {
  const stream = parseStreamName(nameOf(context, message.subject));
  if (stream === undefined) return undefined;
  try {
    const part = readPart(stream, message);
    const keys = eventSpans(part.body).map((span) => eventCorrelationId(part.body, span));
    if (part.part === 1) keys.push(commitKey(part.commitId));
    return { sequence: part.sequence, position: lastSequence(part), hashes: hashKeys(keys) };
  } catch {
    return undefined;
  }
}
