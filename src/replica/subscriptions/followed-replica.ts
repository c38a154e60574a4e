import type { Waiters } from '../apply/waiters';
import type { ReadableReplica } from '../reads/readable-replica';
import type { CatchUps } from './catch-up-budget';

/** A replica as subscriptions use it. */
export interface FollowedReplica extends ReadableReplica {
  /** The segments have all messages up to here. */
  readonly received: bigint;
  /** The index has all messages up to here. */
  readonly applied: bigint;
  readonly waiters: Waiters;
  readonly catchUps: CatchUps;
  /** Throws if a rebuild has replaced the files. */
  throwIfReplaced(files: ReadableReplica['files']): void;
  /** The error for the caller of a read that failed. Damaged files are removed and made again. */
  toStoreError(error: unknown): unknown;
}
