import type { Log } from '../../store/log';
import type { SegmentView } from '../segments/segment-view';
import type { ReplicaIndex } from './replica-index';

/** The open files of a replica. A rebuild replaces them. */
export interface ReplicaFiles {
  readonly segments: SegmentView;
  readonly index: ReplicaIndex;
  /** The source of records whose segments were removed. */
  readonly log: Log;
}
