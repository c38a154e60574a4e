import { noVersion, position } from '../../store/values';
import {
  isDamage,
  type LogCommit,
  type LogControl,
  type LogEntry,
  type UnreadableEntry,
} from '../../store/log';

/**
 * Splits a group that contains damage, since what is left of a transaction is not a transaction: each entry becomes a group of
 * its own, and each commit is torn. A group without damage stays as it is.
 */
export function splitIfTorn(group: readonly LogEntry[]): readonly (readonly LogEntry[])[] {
  if (group.length === 1 || !group.some(isDamage)) return [group];
  return group.map((entry) => ['isTorn' in entry ? { ...entry, isTorn: true } : entry]);
}

/** What takes the place of a commit whose versions its stream has already, or of a control of an earlier version. */
export function duplicateOf(
  { stream, sequence, timeNanos }: LogCommit | LogControl,
  reason: string,
): UnreadableEntry {
  return {
    kind: 'unreadable',
    stream,
    position: position(sequence),
    timeNanos,
    claimedVersion: noVersion,
    reason,
  };
}
