import { isDamage, type LogEntry } from '../../store/log';
import type { CommitWaiters } from './commit-waiters';

/** Wakes what waits for entries after a sequence. */
export function wakeWaiters(
  waiters: CommitWaiters,
  groups: readonly (readonly LogEntry[])[],
  before: bigint,
): void {
  for (const group of groups) {
    for (const entry of group) {
      // Lost messages may belong to any stream.
      if (isDamage(entry) && entry.kind === 'lost') waiters.wakeAll(before);
      else waiters.wake(entry.stream, before);
    }
  }
}
