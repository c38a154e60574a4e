import type { Sequence } from '../../store/values';
import type { CommitWaiters } from '../apply/commit-waiters';
import type { ReadableReplica } from '../reads/readable-replica';
import type { CatchUpBudget } from './catch-up-budget';
import type { OpenSubscriptions } from './open-subscriptions';
import type { SharedHiding } from './shared-hiding';

/** A replica as subscriptions use it. */
export interface FollowedReplica extends ReadableReplica {
  /** The segments have all messages up to here. */
  readonly received: Sequence;
  /** The index has all messages up to here. */
  readonly applied: Sequence;
  readonly waiters: CommitWaiters;
  readonly catchUpBudget: CatchUpBudget;
  readonly subscriptions: OpenSubscriptions;
  readonly hiding: SharedHiding;
  /** Throws if a rebuild has replaced the files. */
  throwIfReplaced(files: ReadableReplica['files']): void;
  /** The error for the caller of a read that failed. Damage begins a rebuild. */
  toStoreError(error: unknown): unknown;
}
