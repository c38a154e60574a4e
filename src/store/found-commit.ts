import type { StreamSelection } from './patterns';
import type { CommitId, Position, StreamName, UnixNanos, Version } from './values';

/** What was stored on one stream. */
export interface StreamAppended {
  readonly stream: StreamName;
  readonly version: Version;
  readonly firstVersion: Version;
}

export interface CommitQuery extends Pick<StreamSelection, 'visible'> {
  readonly commitId: CommitId;
}

/** Where a commit is. */
export interface FoundCommit {
  readonly position: Position;
  readonly commitTime: UnixNanos;
  /** In order, of those that are visible. `firstVersion` is 0 for a control. */
  readonly streams: readonly StreamAppended[];
}
