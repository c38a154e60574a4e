import type { Log } from '../../store/log';
import type { SegmentView } from '../segments/segment-view';
import type { ReplicaIndex } from './replica-index';
import type { StreamVersions } from './stream-versions';

/** The open files of a replica. A rebuild replaces them. */
export interface ReplicaFiles {
  readonly segments: SegmentView;
  readonly index: ReplicaIndex;
  /** undefined: another process writes the files. */
  readonly versions?: StreamVersions;
  /** The source of records whose segments were removed. */
  readonly log: Log;
}
