import type { Log } from '../../store/log';
import type { Segments } from '../segments/segments';
import type { ReplicaIndex } from './replica-index';

/** The open files of a replica. A rebuild replaces them. */
export interface ReplicaFiles {
  readonly segments: Segments;
  readonly index: ReplicaIndex;
  /** The source of records whose segments were removed. */
  readonly log: Log;
}
