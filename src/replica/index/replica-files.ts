import type { Log } from '../../store/log';
import type { Segments } from '../segments/segments';
import type { ReplicaIndex } from './replica-index';

/** The open files of a replica. After a rebuild there are other ones. */
export interface ReplicaFiles {
  readonly segments: Segments;
  readonly index: ReplicaIndex;
  /** Has the records whose segments were removed. */
  readonly log: Log;
}
