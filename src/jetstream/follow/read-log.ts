import { setMaxListeners } from 'node:events';
import { StoreUnavailableError, UnreadableCommitError } from '../../store/errors';
import type { LogEntry, LogSlice } from '../../store/log';
import { readPart } from '../log/commit-codec';
import { messageAt } from '../log/entry-at';
import { nameOf, type LogAccess } from '../log/log-access';
import { createSemaphore } from '../nats/semaphore';
import { followLog, type DurableLog } from './follow-log';

/** Each has a consumer of its own while it reads, with some megabytes under way. */
const readsMax = 2;
const room = createSemaphore(readsMax);

/** Entries after a sequence, about so many bytes of them, and no further than to another sequence. */
export function readLog(
  log: DurableLog,
  after: bigint,
  through: bigint,
  bytesMax: number,
): Promise<LogSlice> {
  return room.with(1, undefined, () => readStretch(log, after, through, bytesMax));
}

async function readStretch(
  log: DurableLog,
  after: bigint,
  through: bigint,
  bytesMax: number,
): Promise<LogSlice> {
  const begin = await wholeAfter(log.access, after);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const groups: (readonly LogEntry[])[] = [];
  let reached = after;
  let bytes = 0;
  const receive = (more: readonly (readonly LogEntry[])[], at: bigint): Promise<void> => {
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
  const sink = { receive, onStarted: () => undefined, onProgress: () => undefined, isAwaited: () => true };
  const timer = setTimeout(() => {
    stop.abort(new Error('late'));
  }, log.access.limits.readProgressTimeoutMs);
  const reason = await followLog(log, { sequence: begin, last: undefined }, sink, stop.signal).finally(() => {
    clearTimeout(timer);
  });
  if (reached === after) throw new StoreUnavailableError(`the log cannot be read: ${reason}`);
  return { groups, upTo: reached };
}

/** After which sequence to begin, so that what is after the given one is whole: that may be within a commit or a transaction. */
async function wholeAfter(log: LogAccess, after: bigint): Promise<bigint> {
  const message = await messageAt(log, after + 1n);
  if (message === undefined) return after;
  try {
    return readPart(nameOf(log, message.subject), message).from - 1n;
  } catch (error) {
    if (error instanceof UnreadableCommitError) return after;
    throw error;
  }
}

export function positionOf([entry]: readonly LogEntry[]): bigint {
  return entry?.position ?? 0n;
}
