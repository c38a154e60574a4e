import type { CallContext } from '../../store/event-store';
import type { LogFaults } from '../../store/log';
import type { Sequence } from '../../store/values';
import type { ReplicaFiles } from '../index/replica-files';

/** A replica as reads use it. */
export interface ReadableReplica {
  /** The files as of now; a rebuild replaces them. */
  readonly files: ReplicaFiles;
  readonly faults: LogFaults;
  /** The id of the store; "": the store has no id. */
  readonly storeId: string;
  /**
   * `leader`: waits until the replica has all that the log had when the call began. `anyReplica`: waits only while the replica
   * is being filled. Returns the last position that the replica has. Throws ReplicaFillingError and StoreUnavailableError.
   */
  catchUp(consistency: 'leader' | 'anyReplica', call: CallContext): Promise<Sequence>;
}
