import type { FillingProgress } from '../../store/store-info';
import type { Sequence } from '../../store/values';
import type { CommitIdFilter } from '../index/commit-id-filter';
import type { ReplicaFiles } from '../index/replica-files';
import type { CommitWaiters } from './commit-waiters';
import type { Continuity } from './continuity';
import type { Known, LogComparer } from './log-comparer';
import type { Readiness } from './readiness';
import type { RecentFailure } from './recent-failure';
import type { ReplicaState } from './state';

/** How far the files of a replica are. */
export interface ReplicaProgress extends Pick<ReplicaState, 'applied' | 'last' | 'lost'> {
  /** The segments have all messages up to here. */
  readonly received: Sequence;
  /** Events received since this was opened. */
  readonly eventsReceived: number;
  /** Whether batches cannot be written. */
  readonly isFailing: boolean;
  /** The commit ids that were received. */
  readonly ids: Pick<CommitIdFilter, 'mayContain'>;
  /**
   * Resolves when the index has all messages up to a sequence; undefined: it has them. Rejects while batches cannot be written,
   * after a time, and when the signal aborts.
   */
  waitUntilApplied(sequence: bigint, signal: AbortSignal, timeoutMs?: number): Promise<void> | undefined;
}

/** The open files of a replica, and how far they are. */
export interface OpenReplica {
  readonly files: ReplicaFiles;
  readonly applier: ReplicaProgress;
  /** Of the log. */
  readonly identity: string;
}

/** Keeps a replica equal to its log, or learns of the process that does. */
export interface ReplicaKeeper {
  readonly waiters: CommitWaiters;
  readonly comparer: LogComparer;
  readonly continuity: Continuity;
  readonly readiness: Readiness;
  /** undefined: the replica is not open yet, or is being rebuilt. */
  readonly opened: OpenReplica | undefined;
  /** The end of the log when it was last requested. */
  end: bigint;
  /** Whether the gateway has no permission to follow the log. */
  readonly isRefused: boolean;
  /** Why new commits do not arrive. */
  readonly followFailure: Pick<RecentFailure, 'current' | 'recent'>;
  /** undefined: the replica is filled, or is not open yet. */
  readonly progress: FillingProgress | undefined;
  /** Resolves when the replica is filled, after a time, when the signal aborts, or when it cannot be filled. */
  whenFilled(ms: number, signal: AbortSignal): Promise<void>;
  /** The error for a request that cannot wait until the replica is filled. */
  fillingError(): Error;
  /** The log was replaced, or has gone back to an earlier state. */
  onOtherLog(mismatch: string): void;
  /** Removes the files and creates new ones. */
  rebuild(cause: unknown): void;
  close(): Promise<void>;
}

/** What an open replica has received of its log. */
export function knownOf({ identity, applier: { received: applied, last, lost } }: OpenReplica): Known {
  return { identity, applied, last, lost };
}
