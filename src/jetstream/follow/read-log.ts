import { setMaxListeners } from 'node:events';
import { StoreUnavailableError, UnreadableCommitError } from '../../store/errors';
import type { LogEntry, LogSink, LogSlice } from '../../store/log';
import { beginning, sequenceAfter, type Position, type Sequence } from '../../store/values';
import { readPart } from '../log/commit-codec';
import { messageOrStubAt } from '../log/entry-at';
import { nameOf, type LogAccess } from '../log/log-access';
import { createSemaphore } from '../../collections/semaphore';
import { followLog, type DurableLog } from './follow-log';

/** Each read has its own consumer, with some megabytes in transit. */
const readsMax = 2;
const reads = createSemaphore(readsMax);

/** The entries after one sequence and up to another, about `bytesMax` of them. */
export function readLog(
  log: DurableLog,
  after: Sequence,
  upTo: Sequence,
  bytesMax: number,
): Promise<LogSlice> {
  return reads.with(1, undefined, () => readSlice(log, after, upTo, bytesMax));
}

async function readSlice(
  log: DurableLog,
  after: Sequence,
  upTo: Sequence,
  bytesMax: number,
): Promise<LogSlice> {
  const begin = await wholeAfter(log.access, after);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const groups: (readonly LogEntry[])[] = [];
  let received = after;
  let bytes = 0;
  const receive: LogSink['receive'] = (more, at) => {
    if (stop.signal.aborted) return Promise.resolve();
    for (const group of more) {
      if (bytes >= bytesMax || positionOf(group) > upTo) break;
      groups.push(group);
      received = positionOf(group);
      for (const entry of group) bytes += 'record' in entry ? entry.record.length : 0;
    }
    if (bytes < bytesMax) received = at < upTo ? at : upTo;
    if (bytes >= bytesMax || at >= upTo) stop.abort();
    return Promise.resolve();
  };
  const sink = { receive, onStarted: () => undefined, onProgress: () => undefined, isAwaited: () => true };
  const timer = setTimeout(() => {
    stop.abort(new Error('late'));
  }, log.access.limits.readProgressTimeoutMs);
  const reason = await followLog(log, { sequence: begin, last: undefined }, sink, stop.signal).finally(() => {
    clearTimeout(timer);
  });
  if (received === after) throw new StoreUnavailableError(`the log cannot be read: ${reason}`);
  return { groups, upTo: received };
}

/** The sequence to begin after, so that no commit and no transaction after the given one is cut. */
async function wholeAfter(log: LogAccess, after: Sequence): Promise<Sequence> {
  const found = await messageOrStubAt(log, sequenceAfter(after, 1n));
  if (typeof found === 'string') return after;
  const { message } = found;
  try {
    return sequenceAfter(readPart(nameOf(log, message.subject), message).from, -1n);
  } catch (error) {
    if (error instanceof UnreadableCommitError) return after;
    throw error;
  }
}

export function positionOf([entry]: readonly LogEntry[]): Position {
  return entry?.position ?? beginning;
}
