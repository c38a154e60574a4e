import { setMaxListeners } from 'node:events';
import { StoreUnavailableError, UnreadableCommitError } from '../../store/errors';
import type { LogEntry, LogStretch } from '../../store/log';
import { apiGet } from '../nats/api';
import { CommitAssembler } from './commit-assembler';
import { readPart, unreadable } from './commit-codec';
import { followLog } from '../follow/follow-log';
import { toEntry } from './log-entries';
import type { StoredMessage } from '../nats/message';
import { createRoom } from '../nats/room';
import { endless, nameOf, within, type StoreContext } from './store-context';

/** Each has a consumer of its own while it reads, with some megabytes under way. */
const readsMax = 2;
const room = createRoom(readsMax);

/** Entries after a sequence, about so many bytes of them, and no further than to another sequence. */
export function readLog(
  context: StoreContext,
  after: bigint,
  through: bigint,
  bytesMax: number,
): Promise<LogStretch> {
  return room.with(1, undefined, () => readStretch(context, after, through, bytesMax));
}

async function readStretch(
  context: StoreContext,
  after: bigint,
  through: bigint,
  bytesMax: number,
): Promise<LogStretch> {
  const begin = await wholeAfter(context, after);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const groups: (readonly LogEntry[])[] = [];
  let reached = after;
  let bytes = 0;
  const take = (more: readonly (readonly LogEntry[])[], at: bigint): Promise<void> => {
    if (stop.signal.aborted) return Promise.resolve();
    for (const group of more) {
      if (bytes >= bytesMax || positionOf(group) > through) break;
      groups.push(group);
      reached = positionOf(group);
      for (const entry of group) bytes += 'record' in entry ? entry.record.length : 0;
    }
    if (bytes < bytesMax) reached = at < through ? at : through;
    if (bytes >= bytesMax || at >= through) stop.abort();
    return Promise.resolve();
  };
  const sink = { take, started: () => undefined, progressed: () => undefined, isAwaited: () => true };
  const timer = setTimeout(() => {
    stop.abort(new Error('late'));
  }, context.limits.readProgressTimeoutMs);
  const reason = await followLog(context, { sequence: begin, last: undefined }, sink, stop.signal).finally(
    () => {
      clearTimeout(timer);
    },
  );
  if (reached === after) throw new StoreUnavailableError(`the log cannot be read: ${reason}`);
  return { groups, through: reached };
}

/** After which sequence to begin, so that what is after the given one is whole: that may be within a commit or a step. */
async function wholeAfter(context: StoreContext, after: bigint): Promise<bigint> {
  const message = await messageAt(context, after + 1n);
  if (message === undefined) return after;
  try {
    return readPart(nameOf(context, message.subject), message).from - 1n;
  } catch (error) {
    if (error instanceof UnreadableCommitError) return after;
    throw error;
  }
}

export function positionOf([entry]: readonly LogEntry[]): bigint {
  return entry?.position ?? 0n;
}

/** What ends at a sequence. */
export async function entryAt(context: StoreContext, sequence: bigint): Promise<LogEntry> {
  const last = await messageAt(context, sequence);
  if (last === undefined) {
    const reason = 'it is gone';
    return { kind: 'lost', stream: '', position: sequence, timeNanos: 0n, claimed: sequence, reason };
  }
  const name = nameOf(context, last.subject);
  const { timeNanos } = last;
  try {
    const part = readPart(name, last);
    const assembler = new CommitAssembler(2 * context.limits.appendBytesMax);
    for (let before = part.parts - 1; before > 0; before--) {
      const message = await messageAt(context, sequence - BigInt(before));
      if (message !== undefined) assembler.add(readPart(name, message));
    }
    const commit = assembler.add(part);
    if (commit !== undefined) return toEntry(commit, false);
    throw unreadable(name, sequence, 'its other parts are missing');
  } catch (error) {
    if (!(error instanceof UnreadableCommitError)) throw error;
    const { stream, reason } = error;
    return { kind: 'damage', stream, position: sequence, timeNanos, claimed: 0n, reason };
  }
}

function messageAt(context: StoreContext, sequence: bigint): Promise<StoredMessage | undefined> {
  const { pool, log, limits } = context;
  const options = within(endless, limits.requestTimeoutMs);
  return apiGet(pool.read(), log, { seq: Number(sequence) }, options);
}
