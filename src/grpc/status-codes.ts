import { status } from '@grpc/grpc-js';
import type { AuthError } from '../auth/errors';
import type { StoreError } from '../store/errors';
import type { CallEnd } from '../tracing/call-span';
import type { Failure } from './failure';

/** The gRPC status of each error; docs/errors.md has the same table. */
export const statusOf = {
  INVALID_REQUEST: status.INVALID_ARGUMENT,
  VERSION_CONFLICT: status.ABORTED,
  APPEND_CONDITION_FAILED: status.ABORTED,
  CONDITION_CONTENDED: status.ABORTED,
  COMMIT_ID_REUSE: status.ALREADY_EXISTS,
  STORE_UNAVAILABLE: status.UNAVAILABLE,
  REPLICA_FILLING: status.UNAVAILABLE,
  OUTCOME_UNKNOWN: status.UNKNOWN,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
  STORE_FULL: status.RESOURCE_EXHAUSTED,
  STORE_REFUSED: status.FAILED_PRECONDITION,
  STORE_MISMATCH: status.FAILED_PRECONDITION,
  UNREADABLE_COMMIT: status.DATA_LOSS,
  STREAM_NOT_FOUND: status.NOT_FOUND,
  STREAM_TOMBSTONED: status.FAILED_PRECONDITION,
  VERSION_BEYOND_END: status.OUT_OF_RANGE,
  ERASE_SPLITS_COMMIT: status.FAILED_PRECONDITION,
  STORE_IMMUTABLE: status.FAILED_PRECONDITION,
  NOT_PERMITTED: status.PERMISSION_DENIED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
  INTERNAL: status.INTERNAL,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  ACCESS_DENIED: status.PERMISSION_DENIED,
  QUOTA_EXCEEDED: status.RESOURCE_EXHAUSTED,
  GROUP_NOT_FOUND: status.NOT_FOUND,
  GROUP_EXISTS: status.ALREADY_EXISTS,
  GROUP_CHANGED: status.ABORTED,
  GROUP_HAS_MEMBERS: status.FAILED_PRECONDITION,
  GROUP_AHEAD_OF_STORE: status.FAILED_PRECONDITION,
  GROUP_STATE_UNREADABLE: status.FAILED_PRECONDITION,
  POSITION_BEYOND_END: status.OUT_OF_RANGE,
  MEMBER_EXISTS: status.ALREADY_EXISTS,
  MEMBER_STALLED: status.DEADLINE_EXCEEDED,
  DELIVERY_NOT_HELD: status.FAILED_PRECONDITION,
} satisfies Record<StoreError['code'] | AuthError['code'] | Failure['code'], status>;

/** How a call ends for its trace; undefined: it succeeds. */
export function callEndOf(failure: Failure | undefined): CallEnd {
  return failure === undefined
    ? { status: status.OK, reason: undefined }
    : { status: statusOf[failure.code], reason: failure.code };
}
