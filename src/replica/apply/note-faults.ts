import { damageError, isDamage, type LogEntry, type LogFaults } from '../../store/log';

/** Notes all damage among new entries of the log. */
export function noteFaults(faults: LogFaults, groups: readonly (readonly LogEntry[])[]): void {
  // Damage is always alone in its group.
  for (const [entry] of groups) {
    if (entry === undefined || !isDamage(entry)) continue;
    if (entry.kind !== 'lost' || faults.isIncomplete) faults.noteUnreadable(damageError(entry));
  }
}
