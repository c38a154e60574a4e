import type { UnreadableCommitError } from '../../store/errors';
import type { Hiding } from './hiding';
import { errorOf, nameOf, type RecordHeader } from '../segments/record';

/** Which records a read over all streams wants. */
export interface RecordFilter {
  readonly matches: (stream: string) => boolean;
  /** Whether unreadable messages are skipped and listed instead of failing the read. */
  readonly skipsUnreadable: boolean;
  /** Whether the log has lost messages, and no operator has accepted the loss. */
  readonly isIncomplete: boolean;
}

/** What a read over all streams leaves out. */
export interface ReadFilter extends RecordFilter {
  /** undefined: nothing is hidden. */
  readonly hiding: Hiding | undefined;
}

/** Whether a read includes a record, skips it, or fails with an error. */
export function filterRecord(
  bytes: Buffer,
  header: RecordHeader,
  { matches, skipsUnreadable, isIncomplete }: RecordFilter,
): 'include' | 'skip' | UnreadableCommitError {
  const { kind, isTorn } = header;
  // Lost messages may belong to any stream.
  if (kind === 'lost') return isIncomplete ? errorOf(bytes, header) : 'skip';
  // A control has no events.
  if (kind === 'control') return 'skip';
  if (isTorn || (kind === 'foreign' && !skipsUnreadable) || !matches(nameOf(bytes, header))) return 'skip';
  return kind === 'commit' ? 'include' : errorOf(bytes, header);
}
