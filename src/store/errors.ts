import type { QueryMatch } from './append-condition';
import type { Expectation } from './expectation';
import type { RefusingBound } from './refusing-bounds';
import { beginning, type CommitId, type Position, type StreamName, type Version } from './values';

/** What an event store may throw; anything else is a bug. Each subclass has a code of its own. */
export abstract class StoreError extends Error {
  abstract readonly code: AnyStoreError['code'];
}

/** A field that is wrong. `field` is its path in the request, such as `events[3].metadata`. */
export interface FieldViolation {
  readonly field: string;
  /** What is wrong, with the limit and what was found. */
  readonly description: string;
}

/** The request can never succeed as it is. Nothing was stored. */
export class InvalidRequestError extends StoreError {
  readonly code = 'INVALID_REQUEST';
  constructor(readonly violations: readonly FieldViolation[]) {
    super(violations.map(({ field, description }) => `${field}: ${description}`).join('; '));
  }
}

/** A stream that is not as expected. */
export interface VersionConflict {
  readonly stream: StreamName;
  readonly expected: Expectation;
  readonly actual: Version;
}

/** Streams are not as expected. Nothing was stored. */
export class VersionConflictError extends StoreError {
  readonly code = 'VERSION_CONFLICT';
  readonly stream: StreamName;
  readonly expected: Expectation;
  readonly actual: Version;
  /** The error is about the first conflict; `others` are further conflicts of the same call. */
  constructor(
    { stream, expected, actual }: VersionConflict,
    readonly others: readonly VersionConflict[] = [],
  ) {
    const more = others.length === 0 ? '' : `; conflicts in all: ${(others.length + 1).toString()}`;
    const expectation =
      expected === 'exists' ? 'but must exist' : `not at the expected ${expected.toString()}`;
    super(`stream ${stream} is at version ${actual.toString()}, ${expectation}${more}`);
    [this.stream, this.expected, this.actual] = [stream, expected, actual];
  }
}

/** An event has been stored that the condition of the append rules out. Nothing was stored. */
export class AppendConditionError extends StoreError {
  readonly code = 'APPEND_CONDITION_FAILED';
  constructor(readonly match: QueryMatch) {
    const { item, position, eventId } = match;
    super(
      `item ${item.toString()} of the query selects event ${eventId} at position ${position.toString()}, which was stored since`,
    );
  }
}

/** Others have appended in each round between the look at the condition and the append. Nothing was stored. */
export class ConditionContendedError extends StoreError {
  readonly code = 'CONDITION_CONTENDED';
  constructor(rounds: number) {
    super(`others have appended in each of ${rounds.toString()} rounds; nothing was stored`);
  }
}

/** The commit id belongs to a commit that is not this one. Nothing was stored. */
export class CommitIdReuseError extends StoreError {
  readonly code = 'COMMIT_ID_REUSE';
  constructor(
    readonly commitId: CommitId,
    /** "": the caller must not learn it. */
    readonly stream: string,
    readonly position: Position,
  ) {
    const place = stream === '' ? '' : ` on stream ${stream} at position ${position.toString()}`;
    super(`commit id ${commitId} already belongs to a commit${place}`);
  }

  /** The same error for a caller that must not learn where the commit is. */
  withoutStream(): CommitIdReuseError {
    return new CommitIdReuseError(this.commitId, '', beginning);
  }
}

/** The store cannot be reached. Nothing was stored. */
export class StoreUnavailableError extends StoreError {
  readonly code = 'STORE_UNAVAILABLE';
}

/** The gateway is still filling its replica of the log. Nothing was stored. */
export class ReplicaFillingError extends StoreError {
  readonly code = 'REPLICA_FILLING';
  constructor(
    readonly applied: Position,
    readonly end: Position,
    readonly retryMs: number,
  ) {
    super(
      `the gateway is still reading the log: it is at position ${applied.toString()} of ${end.toString()}`,
    );
  }
}

/** The commit was sent, and the gateway could not find out in time whether it is stored. */
export class OutcomeUnknownError extends StoreError {
  readonly code = 'OUTCOME_UNKNOWN';
  constructor(
    readonly stream: StreamName,
    readonly commitId: CommitId,
    options?: ErrorOptions,
  ) {
    super(
      `the answer to commit ${commitId} on stream ${stream} was lost; retry with the same commit id to find out`,
      options,
    );
  }
}

/** A bound of the gateway or a quota of the store is reached. Nothing was stored. */
export class OverloadedError extends StoreError {
  readonly code = 'OVERLOADED';
  constructor(
    readonly bound: RefusingBound,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The store has no space for more. Nothing was stored, and nothing will be until an operator makes space. */
export class StoreFullError extends StoreError {
  readonly code = 'STORE_FULL';
}

/** NATS refuses to store this because of a setting of the store. Nothing was stored. */
export class StoreRefusedError extends StoreError {
  readonly code = 'STORE_REFUSED';
  constructor(
    message: string,
    /** The number of the error in nats-server's errors.json. */
    readonly natsError: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The positions of the request belong to another store. */
export class StoreMismatchError extends StoreError {
  readonly code = 'STORE_MISMATCH';
  constructor(
    readonly expected: string,
    /** "": the store has no id. */
    readonly actual: string,
  ) {
    const found = actual === '' ? 'a store without an id' : `store ${actual}`;
    super(`the positions of the request belong to store ${expected}, and this is ${found}`);
  }
}

/** A stored message is not a commit of its stream. Other streams are not affected. */
export class UnreadableCommitError extends StoreError {
  readonly code = 'UNREADABLE_COMMIT';
  constructor(
    readonly stream: string,
    readonly position: Position,
    readonly reason: string,
    message = `the message at position ${position.toString()} is not a commit of stream ${stream}: ${reason}`,
  ) {
    super(message);
  }

  /** The same error for a reader of many streams, with how to continue after the message. */
  withHint(): UnreadableCommitError {
    const { stream, position, reason } = this;
    const hint = `to continue, set after_position to ${position.toString()}, or skip_unreadable`;
    return new UnreadableCommitError(stream, position, reason, `${this.message}; ${hint}`);
  }
}

/** The stream never had an event. Nothing was stored. */
export class StreamNotFoundError extends StoreError {
  readonly code = 'STREAM_NOT_FOUND';
  constructor(readonly stream: StreamName) {
    super(`stream ${stream} never had an event`);
  }
}

/** The stream was tombstoned: it takes no more events and no more controls. Nothing was stored. */
export class StreamTombstonedError extends StoreError {
  readonly code = 'STREAM_TOMBSTONED';
  constructor(readonly stream: StreamName) {
    super(`stream ${stream} was tombstoned, and takes no more events`);
  }
}

/** The version is after the end of the stream. Nothing was stored. */
export class VersionBeyondEndError extends StoreError {
  readonly code = 'VERSION_BEYOND_END';
  constructor(
    readonly stream: StreamName,
    readonly asked: Version,
    readonly actual: Version,
  ) {
    super(`stream ${stream} ends at version ${actual.toString()}, before version ${asked.toString()}`);
  }
}

/** An erasure would split commits. Nothing was stored. */
export class EraseSplitsCommitError extends StoreError {
  readonly code = 'ERASE_SPLITS_COMMIT';
  constructor(
    readonly stream: StreamName,
    /** The first version of the smallest range around what was asked for that splits no commit. */
    readonly fromVersion: Version,
    /** The last version of it. */
    readonly toVersion: Version,
  ) {
    super(
      `events that were appended together are erased together: of stream ${stream}, erase versions ${fromVersion.toString()} to ${toVersion.toString()}`,
    );
  }
}

/** The store does not permit that messages are removed. Nothing was stored. */
export class StoreImmutableError extends StoreError {
  readonly code = 'STORE_IMMUTABLE';
}

/** NATS does not permit the gateway's user to do this. */
export class NotPermittedError extends StoreError {
  readonly code = 'NOT_PERMITTED';
}

/** The deadline passed before the call had a result. Nothing was stored. */
export class DeadlineExceededError extends StoreError {
  readonly code = 'DEADLINE_EXCEEDED';
}

/** The caller went away. */
export class CancelledError extends StoreError {
  readonly code = 'CANCELLED';
}

/** Every kind of StoreError; the compiler refuses a subclass that is missing here. */
export type AnyStoreError =
  | InvalidRequestError
  | VersionConflictError
  | AppendConditionError
  | ConditionContendedError
  | CommitIdReuseError
  | StoreUnavailableError
  | ReplicaFillingError
  | OutcomeUnknownError
  | OverloadedError
  | StoreFullError
  | StoreRefusedError
  | StoreMismatchError
  | UnreadableCommitError
  | StreamNotFoundError
  | StreamTombstonedError
  | VersionBeyondEndError
  | EraseSplitsCommitError
  | StoreImmutableError
  | NotPermittedError
  | DeadlineExceededError
  | CancelledError;

export function isStoreError(error: unknown): error is AnyStoreError {
  return error instanceof StoreError;
}
