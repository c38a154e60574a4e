import { StoreUnavailableError } from '../store/errors';
import type { CallContext, StreamHead } from '../store/event-store';
import { position, unixNanos, version, type StreamName, type UnixNanos } from '../store/values';
import { directGet, directGetBatch, leaderGet, streamInfo, throughTime } from './api';
import { firstSequence, readPart, unreadable, type StoredPart } from './commit-codec';
import type { Link } from './link';
import { partAtOrAfter } from './locate';
import { parseTime, storedMessage } from './message';
import { sharedByKey } from './shared';
import { endless, subjectOf, within, type LogContext, type StoreContext } from './store-context';

/** The end of the log: a sequence and a time, 0 if nothing was ever stored. */
export interface LogHead {
  readonly sequence: bigint;
  readonly timeNanos: bigint;
}

/** The last message of a stream for an append, which shall not wait behind bulk reads. */
export function lastPartToAppend(
  context: StoreContext,
  stream: StreamName,
  call: CallContext,
): Promise<StoredPart | undefined> {
  return askLastPart(context, stream, context.pool.append(), leaderGet, call);
}

async function askLastPart(
  context: StoreContext,
  stream: StreamName,
  link: Link,
  get: typeof leaderGet,
  call: CallContext,
): Promise<StoredPart | undefined> {
  const lookup = { last_by_subj: subjectOf(context, stream) };
  const message = await get(link, context.log, lookup, within(call, context.limits.requestTimeoutMs));
  return message && readPart(stream, message);
}

/** The end of the log as its leader knows it. */
export async function logHead({ pool, log, limits }: LogContext, call: CallContext): Promise<LogHead> {
  const options = within(call, limits.requestTimeoutMs);
  const { state } = await streamInfo(pool.read(), log.name, undefined, options);
  const sequence = BigInt(state.last_seq);
  return { sequence, timeNanos: sequence === 0n ? 0n : parseTime(state.last_ts) };
}

/** The last message of a stream for a reader, from the leader of the log or from any replica; undefined if there is none. */
export async function lastPart(
  context: StoreContext,
  stream: StreamName,
  consistency: 'leader' | 'anyReplica',
  call: CallContext,
): Promise<StoredPart | undefined> {
  if (consistency === 'leader') return context.lastPartOf(stream, call);
  return askLastPart(context, stream, context.pool.read(), directGet, call);
}

/**
 * NATS gives the last message of a stream whole, which can be megabytes. So the questions of readers go over their own
 * connection, those who ask for the same stream at the same time share one, and after a large answer as much time is left to
 * others.
 */
export function lastPartsForReaders(context: () => StoreContext): StoreContext['lastPartOf'] {
  return sharedByKey(
    (stream) => askLastPart(context(), stream, context().pool.read(), leaderGet, endless),
    (part, tookMs) => (part !== undefined && part.body.length > largeBytes ? tookMs : 0),
  );
}

/** What takes the gateway's thread for a while. */
const largeBytes = 256 << 10;

/** So far may a replica lag behind before a question about the past is given up. */
const lagMessagesMax = 1_000;

/** The last message of the last commit of a stream at a time, inclusive; undefined if there was none. */
export async function lastPartAsOf(
  context: StoreContext,
  stream: StreamName,
  asOf: UnixNanos,
  call: CallContext,
): Promise<StoredPart | undefined> {
  const lookup = { multi_last: [subjectOf(context, stream)], up_to_time: throughTime(asOf), batch: 1 };
  const options = within(call, context.limits.requestTimeoutMs);
  const { messages } = await directGetBatch(context.pool.read(), context.log, lookup, options);
  const [message] = messages.map(storedMessage);
  let last = message && readPart(stream, message);
  if (context.pool.read().isAlone) return completeCommit(context, stream, last, call);
  // The replica that answered may lag behind: go on to the first message that is too late, or the leader's end.
  for (let lag = 0; lag < lagMessagesMax; lag++) {
    const next = await partAtOrAfter(context, stream, (last?.sequence ?? 0n) + 1n, call);
    if (next === undefined || next.timeNanos > asOf) return completeCommit(context, stream, last, call);
    last = next;
  }
  throw new StoreUnavailableError('the replica that answered lags far behind');
}

/** A commit is taken in with its last part: until then the commit before it is the last one. */
async function completeCommit(
  context: StoreContext,
  stream: StreamName,
  last: StoredPart | undefined,
  call: CallContext,
): Promise<StoredPart | undefined> {
  if (last === undefined || last.part === last.parts) return last;
  const first = await partAtOrAfter(context, stream, firstSequence(last), call);
  if (first?.previous === undefined)
    throw unreadable(stream, last.sequence, 'the start of its commit is gone');
  return first.previous === 0n ? undefined : partAtOrAfter(context, stream, first.previous, call);
}

export const emptyHead: StreamHead = { version: version(0n), position: position(0n), commitTime: undefined };

export function toHead(part: StoredPart | undefined): StreamHead {
  if (part === undefined) return emptyHead;
  return {
    version: version(part.lastVersion),
    position: position(part.position),
    commitTime: unixNanos(part.timeNanos),
  };
}
