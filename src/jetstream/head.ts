import type { CallContext, StreamHead } from '../store/event-store';
import { position, unixNanos, version, type StreamName } from '../store/values';
import { streamInfo, type StreamInfo } from './api';
import { checkRecord } from './commit-assembler';
import { readPart, type StoredPart } from './commit-codec';
import { directGet, leaderGet } from './direct-get';
import type { Link } from './link';
import type { LogMark } from './log-mark';
import { parseTime } from './message';
import { sharedByKey } from './shared';
import { endless, subjectOf, within, type StoreContext } from './store-context';

/**
 * The last message of a stream for an append. Its events are looked at as well. Not on the connection of the appends, which
 * would wait while megabytes come. Throws UnreadableCommitError.
 */
export async function lastPartToAppend(
  context: StoreContext,
  stream: StreamName,
  call: CallContext,
): Promise<StoredPart | undefined> {
  const last = await askLastPart(context, stream, leaderGet, call);
  if (last !== undefined) checkRecord(last);
  return last;
}

/** Throws UnreadableCommitError also if there is none, and it may be gone. */
async function askLastPart(
  context: StoreContext,
  stream: StreamName,
  get: typeof leaderGet,
  call: CallContext,
): Promise<StoredPart | undefined> {
  const { pool, log, limits, health, largeHeads } = context;
  const lookup = { last_by_subj: subjectOf(context, stream) };
  const last = await largeHeads.ask(stream, call, async () => {
    const message = await get(pool.read(), log, lookup, within(call, limits.requestTimeoutMs));
    return message === undefined ? undefined : readPart(stream, message);
  });
  if (last !== undefined) return last;
  if (!health.isCurrent) await logHead(context, call);
  const doubt = health.doubtOf(stream);
  if (doubt !== undefined) throw doubt;
  return undefined;
}

/** The end of the log as its leader knows it; 0 if nothing was ever stored. */
export async function logHead(context: StoreContext, call: CallContext): Promise<LogMark> {
  const { state } = await logInfo(context, context.pool.read(), call);
  return { sequence: BigInt(state.last_seq), timeNanos: parseTime(state.last_ts) };
}

/** What the leader of the log says of it; the health of the log knows it too. */
export async function logInfo(
  { log, limits, health }: StoreContext,
  link: Link,
  call: CallContext,
): Promise<StreamInfo> {
  const { end } = health;
  const info = await streamInfo(link, log.name, undefined, within(call, limits.requestTimeoutMs));
  health.noteInfo(info, end);
  return info;
}

/** The last message of a stream for a reader, from the leader of the log or from any replica; undefined if there is none. */
export async function lastPart(
  context: StoreContext,
  stream: StreamName,
  consistency: 'leader' | 'anyReplica',
  call: CallContext,
): Promise<StoredPart | undefined> {
  if (consistency === 'leader') return context.lastPartOf(stream, call);
  return askLastPart(context, stream, directGet, call);
}

/** Readers who ask for the last message of the same stream at the same time share the answer. */
export function lastPartsForReaders(context: () => StoreContext): StoreContext['lastPartOf'] {
  return sharedByKey((stream) => askLastPart(context(), stream, leaderGet, endless));
}

/** The last message of a stream from the leader of the log; its events are looked at as well. Throws UnreadableCommitError. */
export async function soundLastPart(
  context: StoreContext,
  stream: StreamName,
  call: CallContext,
): Promise<StoredPart | undefined> {
  const last = await lastPart(context, stream, 'leader', call);
  if (last !== undefined) checkRecord(last);
  return last;
}

export const emptyHead: StreamHead = { version: version(0n), position: position(0n), commitTime: undefined };

/** The head that a stream has with this as its last commit. */
export function toHead(
  last: Pick<StoredPart, 'lastVersion' | 'position' | 'timeNanos'> | undefined,
): StreamHead {
  if (last === undefined) return emptyHead;
  return {
    version: version(last.lastVersion),
    position: position(last.position),
    commitTime: unixNanos(last.timeNanos),
  };
}
