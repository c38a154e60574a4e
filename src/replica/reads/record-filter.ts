import type { UnreadableCommitError } from '../../store/errors';
import { errorOf, nameOf, type RecordHeader } from '../segments/record';

/** What a reader over all streams asks for. */
export interface Wanted {
  readonly matches: (stream: string) => boolean;
  /** What cannot be read is passed over, and told. */
  readonly skips: boolean;
  /** Whether messages are missing that nobody has accepted to be. */
  readonly isCut: boolean;
}

/** Whether a reader takes a record, or passes it by; or what it is told. */
export function meet(
  bytes: Buffer,
  header: RecordHeader,
  { matches, skips, isCut }: Wanted,
): 'take' | 'pass' | UnreadableCommitError {
  const { kind, isTorn } = header;
  // What is gone may have been of any stream.
  if (kind === 'lost') return isCut ? errorOf(bytes, header) : 'pass';
  if (isTorn || (kind === 'foreign' && !skips) || !matches(nameOf(bytes, header))) return 'pass';
  return kind === 'commit' ? 'take' : errorOf(bytes, header);
}
