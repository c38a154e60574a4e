import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { StateRecord } from '../../store/state-store';
import { isRefused } from '../nats/errors';
import type { StoredMessage } from '../nats/message';
import { followRecords } from './follow-records';
import { recordIn, type StateAccess } from './state-access';

const retryMs = 100;
const timerMsMax = 2 ** 31 - 1;

/** Visits records with a consumer, which takes a fraction of the time of reading them one by one. See `StateStore.scan`. */
export async function scanRecords(
  access: StateAccess,
  pattern: string,
  visit: (record: StateRecord) => void,
  call: CallContext,
): Promise<void> {
  call.signal.throwIfAborted();
  const scan = { isComplete: false };
  const over = new AbortController();
  const end = (): void => {
    over.abort();
  };
  const sink = {
    onMessage(message: StoredMessage) {
      const record = over.signal.aborted ? undefined : recordIn(access, message);
      if (record !== undefined) visit(record);
    },
    onVerified() {
      scan.isComplete = true;
      end();
      return Promise.resolve();
    },
  };
  const leftMs = Math.min(timerMsMax, Math.max(1, call.deadlineMs - performance.now()));
  const timer = setTimeout(end, leftMs);
  call.signal.addEventListener('abort', end, { once: true });
  try {
    while (!over.signal.aborted) {
      await followRecords({ access, patterns: [pattern] }, sink, over.signal);
      // If its consumer was lost, another one begins with all records.
      await sleep(retryMs, undefined, { signal: over.signal });
    }
  } catch (error) {
    if (isRefused(error, 'streamNotFound')) return;
    if (!over.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener('abort', end);
  }
  call.signal.throwIfAborted();
  if (!scan.isComplete)
    throw new StoreUnavailableError('the records were not all read within the time of the call');
}
