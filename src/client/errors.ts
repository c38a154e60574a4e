import type { GroupErrorCode } from './group-error-codes';
import { SluiceError, withCode, type CallEnd } from './sluice-error';
import type { StreamErrorCode } from './stream-error-codes';

export { SluiceError, type CallEnd, type SluiceErrorCode } from './sluice-error';

/** A field of a request that is not valid. */
export interface FieldViolation {
  /** Its path in the request, as in the contract: `events[3].content_type`, for instance. */
  readonly field: string;
  /** What is wrong, with the limit and what was found. */
  readonly description: string;
}

/**
 * The request can never succeed as it is. Nothing was stored. A call that stores nothing also fails with this error when
 * something between client and gateway, or the client itself, refuses it as too large (RESOURCE_EXHAUSTED): a response that
 * exceeds the client's limit, for instance.
 */
export class InvalidRequestError extends withCode('INVALID_REQUEST') {
  /** Every field that is not valid; the list is truncated if it is long. */
  readonly violations: readonly FieldViolation[];

  constructor(end: CallEnd, violations: readonly FieldViolation[]) {
    super(end);
    this.violations = violations;
  }
}

/** A stream that is not as expected. */
export interface VersionConflict {
  readonly stream: string;
  readonly expected: bigint | 'exists';
  readonly actual: bigint;
}

/** The stream is not as expected. Nothing was stored. Read it again, decide again, append again. */
export class VersionConflictError extends withCode('VERSION_CONFLICT') {
  readonly stream: string;
  readonly expected: bigint | 'exists';
  readonly actual: bigint;
  /** This conflict and the others of an `appendMulti`; the list is truncated if it is long. */
  readonly conflicts: readonly VersionConflict[];

  constructor(end: CallEnd, conflict: VersionConflict, conflicts: readonly VersionConflict[]) {
    super(end);
    this.stream = conflict.stream;
    this.expected = conflict.expected;
    this.actual = conflict.actual;
    this.conflicts = conflicts;
  }
}

/** An event was stored that the query of the condition selects. Nothing was stored. Read again, decide again, append again. */
export class AppendConditionFailedError extends withCode('APPEND_CONDITION_FAILED') {
  /** The item of the query that selects the event, from 0. */
  readonly item: number;
  /** The position of the event. */
  readonly position: bigint;
  readonly eventId: string;

  constructor(end: CallEnd, match: Pick<AppendConditionFailedError, 'item' | 'position' | 'eventId'>) {
    super(end);
    this.item = match.item;
    this.position = match.position;
    this.eventId = match.eventId;
  }
}

/** Others have appended in each of 20 rounds between the look at the condition and the append. Nothing was stored. */
export class ConditionContendedError extends withCode('CONDITION_CONTENDED') {
  constructor(
    end: CallEnd,
    /** Wait this many milliseconds before the next attempt. */
    readonly retryDelayMs: number,
  ) {
    super(end);
  }
}

/** The commit id belongs to another commit. Nothing was stored. */
export class CommitIdReuseError extends withCode('COMMIT_ID_REUSE') {
  readonly commitId: string;
  /** The stream of the stored commit that has this id; empty: the caller may not read it. */
  readonly stream: string;
  /** The position of that commit; 0: the caller may not read its stream. */
  readonly position: bigint;

  constructor(end: CallEnd, commit: Pick<CommitIdReuseError, 'commitId' | 'stream' | 'position'>) {
    super(end);
    this.commitId = commit.commitId;
    this.stream = commit.stream;
    this.position = commit.position;
  }
}

/**
 * The store cannot be reached. Nothing was stored. STORE_UNAVAILABLE: the gateway responds, but it has no connection to NATS
 * or is stopping. REPLICA_FILLING: the gateway has not yet read the whole log, which reads need. UNAVAILABLE: the client has no
 * connection to the gateway.
 */
export class UnavailableError extends SluiceError {
  constructor(
    end: CallEnd,
    readonly code: 'STORE_UNAVAILABLE' | 'REPLICA_FILLING' | 'UNAVAILABLE',
    /** Wait this many milliseconds before the next attempt. */
    readonly retryDelayMs: number,
  ) {
    super(end);
  }
}

/**
 * The append was sent, but its response was lost: it may or may not be stored. Append the same events again, with the same
 * commit id and the same expected version: they are stored at most once, and the result is that of the first append.
 */
export class OutcomeUnknownError extends withCode('OUTCOME_UNKNOWN') {
  readonly stream: string;
  readonly commitId: string;

  constructor(end: CallEnd, commit: Pick<OutcomeUnknownError, 'stream' | 'commitId'>) {
    super(end);
    this.stream = commit.stream;
    this.commitId = commit.commitId;
  }
}

/** A limit of the gateway or a quota of the store is reached. Nothing was stored. */
export class OverloadedError extends withCode('OVERLOADED') {
  /** Wait this many milliseconds before the next attempt. */
  readonly retryDelayMs: number;

  constructor(end: CallEnd, retryDelayMs: number) {
    super(end);
    this.retryDelayMs = retryDelayMs;
  }
}

/**
 * The store is full. Nothing was stored, and a retry does not help until an operator has made space. Reads still work.
 */
export class StoreFullError extends withCode('STORE_FULL') {}

/** NATS refuses to store the commit because of how the store is configured. Nothing was stored. */
export class StoreRefusedError extends withCode('STORE_REFUSED') {}

/** The `storeId` of the request is not that of the store: positions of one store mean nothing in another. */
export class StoreMismatchError extends withCode('STORE_MISMATCH') {
  /** The id in the request. */
  readonly expected: string;
  /** The id of the store; empty: the store has no id. */
  readonly actual: string;

  constructor(end: CallEnd, ids: { readonly expectedStoreId: string; readonly actualStoreId: string }) {
    super(end);
    this.expected = ids.expectedStoreId;
    this.actual = ids.actualStoreId;
  }
}

/** A stored message is not a commit of its stream. Other streams are not affected. */
export class UnreadableCommitError extends withCode('UNREADABLE_COMMIT') {
  constructor(
    end: CallEnd,
    readonly stream: string,
    /** The position of the message. */
    readonly position: bigint,
  ) {
    super(end);
  }
}

/** NATS does not allow this to the gateway, or a proxy refuses the call. Nothing was stored. */
export class NotPermittedError extends withCode('NOT_PERMITTED') {}

/** The gateway, or a proxy before it, does not accept who calls. Nothing was stored. Log in again. */
export class UnauthenticatedError extends withCode('UNAUTHENTICATED') {
  constructor(
    end: CallEnd,
    /** `missing`: there is no credential; the token function may have failed, and `cause` is then its error. */
    readonly reason: 'missing' | 'expired' | 'invalid',
  ) {
    super(end);
  }
}

/** The caller is known, but not allowed to do this. Nothing was stored. */
export class AccessDeniedError extends withCode('ACCESS_DENIED') {
  constructor(
    end: CallEnd,
    /** What is not granted, such as `append`. */
    readonly action: string,
    /** The stream, pattern or group as it was sent; empty: the store as a whole, or several streams. */
    readonly subject: string,
  ) {
    super(end);
  }
}

/** The caller uses as much as it may. Nothing was stored. */
export class QuotaExceededError extends withCode('QUOTA_EXCEEDED') {
  constructor(
    end: CallEnd,
    /** The name of the limit, such as `appends_per_s`. */
    readonly limit: string,
    /** Wait this many milliseconds before the next attempt. */
    readonly retryDelayMs: number,
  ) {
    super(end);
  }
}

/** The deadline passed before the response arrived. Nothing was stored. */
export class DeadlineExceededError extends withCode('DEADLINE_EXCEEDED') {}

/** The call ended before its response: the gateway ended it, or the client was closed. */
export class CancelledError extends withCode('CANCELLED') {}

/** A read ended without an error, but not with all that was announced: something between client and gateway is broken. */
export class IncompleteReadError extends withCode('INCOMPLETE_READ') {}

/** A call of a consumer group failed; docs/errors.md explains the codes. Nothing was changed. */
export class GroupError extends SluiceError {
  constructor(
    end: CallEnd,
    readonly code: GroupErrorCode,
  ) {
    super(end);
  }
}

/** Versions of a stream, from the first one to the last one. */
export interface VersionRange {
  readonly fromVersion: bigint;
  readonly toVersion: bigint;
}

/**
 * A stream cannot be used like this, and nothing was stored. STREAM_NOT_FOUND: it never had an event. STREAM_TOMBSTONED: it takes
 * no more events. VERSION_BEYOND_END: it ends before the version of a `truncate` or an `erase`. ERASE_SPLITS_COMMIT: an `erase` does not
 * cover whole commits. STORE_IMMUTABLE: the store does not permit to remove anything.
 */
export class StreamError extends SluiceError {
  constructor(
    end: CallEnd,
    readonly code: StreamErrorCode,
    /** Empty for STORE_IMMUTABLE. */
    readonly stream: string,
    /** With ERASE_SPLITS_COMMIT: the smallest range around that of the call that covers whole commits. */
    readonly wholeCommits?: VersionRange,
  ) {
    super(end);
  }
}

/** Anything else: a bug in the gateway or the client, or a gateway that does not know the call; see `status`. */
export class InternalError extends withCode('INTERNAL') {}

/** Every error of this client; a `switch` over `code` narrows it. `isSluiceError` finds out whether a caught value is one. */
export type AnySluiceError =
  | AccessDeniedError
  | AppendConditionFailedError
  | CancelledError
  | CommitIdReuseError
  | ConditionContendedError
  | DeadlineExceededError
  | GroupError
  | IncompleteReadError
  | InternalError
  | InvalidRequestError
  | NotPermittedError
  | OutcomeUnknownError
  | OverloadedError
  | QuotaExceededError
  | StoreFullError
  | StoreRefusedError
  | StoreMismatchError
  | StreamError
  | UnauthenticatedError
  | UnavailableError
  | UnreadableCommitError
  | VersionConflictError;

/** Whether a caught value is an error of this client. */
export function isSluiceError(error: unknown): error is AnySluiceError {
  return error instanceof SluiceError;
}
