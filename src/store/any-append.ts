import type { AppendCondition } from './append-condition';
import type { CommitId } from './values';

/** What every append has, to one stream or to several. */
export interface AnyAppend {
  /** undefined: the caller does not ask for idempotency. */
  readonly commitId: CommitId | undefined;
  /** undefined: none. */
  readonly condition?: AppendCondition | undefined;
  /** Nothing is stored: the result is what the append would have, without position, commit id and time. Absent: it is stored. */
  readonly validateOnly?: boolean;
  /** Bytes that its events take when they are stored, at most; absent: nobody has counted them. */
  readonly bytes?: number;
}
