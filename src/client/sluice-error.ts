import type { GroupErrorCode } from './group-error-codes';
import type { StreamErrorCode } from './stream-error-codes';

/** How a call ended. */
export interface CallEnd {
  /** For people. */
  readonly message: string;
  /** The number of the gRPC status. */
  readonly status: number;
  /** What gRPC reported, if anything. */
  readonly cause?: unknown;
  /** See `SluiceError`. */
  readonly requestId?: string | undefined;
}

/** The codes of all errors. */
export type SluiceErrorCode =
  | 'INVALID_REQUEST'
  | 'VERSION_CONFLICT'
  | 'APPEND_CONDITION_FAILED'
  | 'CONDITION_CONTENDED'
  | 'COMMIT_ID_REUSE'
  | 'STORE_UNAVAILABLE'
  | 'REPLICA_FILLING'
  | 'UNAVAILABLE'
  | 'OUTCOME_UNKNOWN'
  | 'OVERLOADED'
  | 'STORE_FULL'
  | 'STORE_REFUSED'
  | 'STORE_MISMATCH'
  | 'UNREADABLE_COMMIT'
  | 'NOT_PERMITTED'
  | 'UNAUTHENTICATED'
  | 'ACCESS_DENIED'
  | 'QUOTA_EXCEEDED'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'INCOMPLETE_READ'
  | GroupErrorCode
  | StreamErrorCode
  | 'INTERNAL';

/**
 * The base of every error that a call fails with, with two exceptions: the reason of an aborted signal is thrown as it is, and
 * arguments that cannot be sent are a TypeError or a RangeError. `code` identifies the kind of error, and its meaning never
 * changes; the message is for people.
 */
export abstract class SluiceError extends Error {
  abstract readonly code: SluiceErrorCode;
  /** The number of the gRPC status that the call ended with, for instance 10 for ABORTED. */
  readonly status: number;
  /** By which the log of the gateway names the call; undefined: no gateway has ended it. */
  readonly requestId: string | undefined;

  constructor(end: CallEnd) {
    super(end.message, end);
    this.name = new.target.name;
    this.status = end.status;
    this.requestId = end.requestId;
  }
}

/** The base of the errors that always have this code. */
export function withCode<Code extends SluiceErrorCode>(
  code: Code,
): abstract new (end: CallEnd) => SluiceError & { readonly code: Code } {
  abstract class ErrorWithCode extends SluiceError {
    readonly code = code;
  }
  return ErrorWithCode;
}
