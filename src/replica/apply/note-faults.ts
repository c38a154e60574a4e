import { damageError, isDamage, type LogEntry, type LogFaults } from '../../store/log';

/** Notes what is among the entries in the place of a commit. */
export function noteFaults(faults: LogFaults, groups: readonly (readonly LogEntry[])[]): void {
  for (const [entry] of groups) {
    if (entry === undefined || !isDamage(entry)) continue;
    if (entry.kind !== 'lost' || faults.isIncomplete) faults.noteUnreadable(damageError(entry));
  }
}
