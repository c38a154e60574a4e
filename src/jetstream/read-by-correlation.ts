import type { CallContext, CommitSlice, CorrelationQuery, CorrelationRead, Page } from '../store/event-store';
import { UnreadableCommitError } from '../store/errors';
import { parseStreamName, position } from '../store/values';
import { directGet } from './direct-get';
import { CommitAssembler, type StoredCommit } from './commit-assembler';
import { readPart } from './commit-codec';
import { findPositions, type KeyIndex } from './key-index';
import type { StoredMessage } from './message';
import { select } from './select';
import { nameOf, patiently, type StoreContext } from './store-context';

/** Commits fetched at once: each may have up to one message of the server's limit, and more if it has parts. */
const fetchesMax = 8;

/** All events with a correlation id: the index tells where to look, the log tells what is there. */
export async function readByCorrelation(
  index: KeyIndex,
  query: CorrelationQuery,
  call: CallContext,
): Promise<CorrelationRead> {
  const { positions, through } = await findPositions(index, query.correlationId, call);
  const { health } = index;
  if (health.isCut && !query.skipUnreadable) throw health.missing();
  await index.durability.through(through);
  return { position: position(through), pages: pages(index, query, { positions, through }, call) };
}

async function* pages(
  index: KeyIndex,
  query: CorrelationQuery,
  { positions, through }: { readonly positions: readonly bigint[]; readonly through: bigint },
  call: CallContext,
): AsyncGenerator<Page, void> {
  let left = query.maxCount;
  for (let at = 0; at < positions.length; at += fetchesMax) {
    const fetched = positions.slice(at, at + fetchesMax).map((sequence) => commitAt(index, sequence, call));
    const commits: CommitSlice[] = [];
    const unreadable: UnreadableCommitError[] = [];
    for (const commit of await Promise.all(fetched.map((one) => orUnreadable(one, query)))) {
      if (commit instanceof UnreadableCommitError) {
        unreadable.push(commit);
        continue;
      }
      // A step that is being written lies beyond the end.
      if (commit === undefined || commit.position > through) continue;
      const slice = select(commit, { ...all, ...query, countMax: left });
      if (slice === undefined) continue;
      commits.push(slice);
      if (left === undefined) continue;
      left -= BigInt(slice.eventCount);
      if (left > 0n) continue;
      yield { commits, end: 'maxCount', unreadable };
      return;
    }
    const done = at + fetchesMax >= positions.length;
    if (done || commits.length + unreadable.length > 0)
      yield { commits, end: done ? 'complete' : undefined, unreadable };
  }
  if (positions.length === 0) yield { commits: [], end: 'complete' };
}

async function orUnreadable<T>(
  fetched: Promise<T>,
  { skipUnreadable }: CorrelationQuery,
): Promise<T | UnreadableCommitError> {
  return fetched.catch((error: unknown) => {
    if (skipUnreadable && error instanceof UnreadableCommitError) return error;
    throw error;
  });
}

const all = { fromVersion: 1n, toVersion: undefined, reverse: false };

/** The commit whose last message has this sequence. */
export async function commitAt(
  context: StoreContext,
  sequence: bigint,
  call: CallContext,
): Promise<StoredCommit | undefined> {
  const last = await messageAt(context, sequence, call);
  const stream = parseStreamName(nameOf(context, last.subject));
  if (stream === undefined) return undefined;
  const part = readPart(stream, last);
  const assembler = new CommitAssembler(2 * context.limits.appendBytesMax);
  for (let before = part.parts - 1; before > 0; before--) {
    assembler.add(readPart(stream, await messageAt(context, sequence - BigInt(before), call)));
  }
  return assembler.add(part);
}

/** A message of the log that is known to be stored. */
export function messageAt(
  context: StoreContext,
  sequence: bigint,
  call: CallContext,
): Promise<StoredMessage> {
  return patiently(context, `sequence ${sequence.toString()}`, call, (options) =>
    directGet(context.pool.read(), context.log, { seq: Number(sequence) }, options),
  );
}
