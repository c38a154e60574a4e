import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailableError } from '../../store/errors';
import { identityOf, isDamage, type LogCursor, type LogEntry, type LogSink } from '../../store/log';
import { beginning, type Sequence } from '../../store/values';
import { followLog, type DurableLog } from './follow-log';

/** Gets the groups of entries, in order, up to where it has all of them, and how many messages between them were removed on purpose. */
export type OnGroups = (
  groups: readonly (readonly LogEntry[])[],
  upTo: Sequence,
  removed: bigint,
) => Promise<void>;

/** After this time without progress, a walk fails. */
const standstillMaxMs = 30_000;
const retryMs = 500;

/**
 * Gives every entry of the log up to a sequence to `onGroups`. A transaction must end there. When the consumer is lost, another one
 * continues. Throws the reason of the signal, and StoreErrors.
 */
export async function walkLog(
  log: DurableLog,
  upTo: Sequence,
  onGroups: OnGroups,
  signal: AbortSignal,
): Promise<void> {
  let cursor: LogCursor = { sequence: beginning, last: undefined };
  let movedMs = performance.now();
  const stop = new AbortController();
  const receive: LogSink['receive'] = async (groups, at, removed) => {
    if (stop.signal.aborted) return;
    const wanted = groups.filter(([entry]) => entry !== undefined && entry.position <= upTo);
    const sequence = at < upTo ? at : upTo;
    await onGroups(wanted, sequence, removed);
    cursor = { sequence, last: lastCommit(wanted) ?? cursor.last };
    movedMs = performance.now();
    if (at >= upTo) stop.abort();
  };
  const sink = { receive, onStarted: () => undefined, onProgress: () => undefined, isAwaited: () => true };
  const abort = (): void => {
    stop.abort();
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    while (cursor.sequence < upTo) {
      signal.throwIfAborted();
      const reason = await followLog(log, cursor, sink, stop.signal);
      if (stop.signal.aborted) continue;
      if (performance.now() - movedMs > standstillMaxMs)
        throw new StoreUnavailableError(`the log cannot be read: ${reason}`);
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function lastCommit(groups: readonly (readonly LogEntry[])[]): LogCursor['last'] {
  const commit = groups.flat().findLast((entry) => !isDamage(entry));
  if (commit === undefined || isDamage(commit)) return undefined;
  return { sequence: commit.sequence, identity: identityOf(commit) };
}
