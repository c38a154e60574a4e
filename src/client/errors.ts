/** How the call ended on the wire. */
export interface CallEnd {
  /** The number of the gRPC status. */
  readonly status: number;
  /** What gRPC reported, if anything. */
  readonly cause?: unknown;
}

/**
 * Every error that a call fails with, but for two: the reason of an aborted signal is thrown as it is, and arguments
 * that cannot be sent are a TypeError or a RangeError. `code` tells the errors apart and never changes its meaning;
 * the message is for people.
 */
export abstract class SluiceError extends Error {
  abstract readonly code: string;
  /** The number of the gRPC status that the call ended with, for instance 10 for ABORTED. */
  readonly status: number;

  constructor(message: string, end: CallEnd) {
    super(message, end);
    this.name = new.target.name;
    this.status = end.status;
  }
}

/** One field at fault. */
export interface FieldViolation {
  /** Its path in the request as the contract names it, such as `events[3].content_type`. */
  readonly field: string;
  /** What is wrong, with the limit and what was found. */
  readonly description: string;
}

/**
 * The request can never succeed as it is. Nothing was stored. Also where anything but the gateway refuses a call that stores
 * nothing as too much (RESOURCE_EXHAUSTED), for instance an answer that is larger than the client takes.
 */
export class InvalidRequestError extends SluiceError {
  readonly code = 'INVALID_REQUEST';
  constructor(
    message: string,
    end: CallEnd,
    /** Every field at fault, up to a bound. */
    readonly violations: readonly FieldViolation[],
  ) {
    super(message, end);
  }
}

/** A stream that is not at the expected version. */
export interface VersionConflict {
  readonly stream: string;
  readonly expected: bigint;
  readonly actual: bigint;
}

/** The stream is not at the expected version. Nothing was stored. Read again, decide again, append again. */
export class VersionConflictError extends SluiceError {
  readonly code = 'VERSION_CONFLICT';
  constructor(
    message: string,
    end: CallEnd,
    readonly stream: string,
    readonly expected: bigint,
    readonly actual: bigint,
    /** This conflict and the others of `appendMulti`, up to a bound. */
    readonly conflicts: readonly VersionConflict[],
  ) {
    super(message, end);
  }
}

/** The commit id belongs to a commit that is not this one. Nothing was stored. */
export class CommitIdReuseError extends SluiceError {
  readonly code = 'COMMIT_ID_REUSE';
  constructor(
    message: string,
    end: CallEnd,
    readonly commitId: string,
    /** The stream of the stored commit that has this id. */
    readonly stream: string,
    /** The position of that commit. */
    readonly position: bigint,
  ) {
    super(message, end);
  }
}

/**
 * The store cannot be reached, and nothing was stored. STORE_UNAVAILABLE: the gateway answered, but has no connection
 * to NATS, or is stopping. REPLICA_FILLING: it has not read the whole log yet, which reads need. UNAVAILABLE: there is no
 * connection to the gateway.
 */
export class UnavailableError extends SluiceError {
  constructor(
    message: string,
    end: CallEnd,
    readonly code: 'STORE_UNAVAILABLE' | 'REPLICA_FILLING' | 'UNAVAILABLE',
    /** When it makes sense to try again, in milliseconds from now. */
    readonly retryDelayMs: number,
  ) {
    super(message, end);
  }
}

/**
 * The append was sent, and its answer was lost: it may or may not be stored. Appending the same events with the same
 * commit id and the same expected version is safe: it stores them at most once and gives the first result.
 */
export class OutcomeUnknownError extends SluiceError {
  readonly code = 'OUTCOME_UNKNOWN';
  constructor(
    message: string,
    end: CallEnd,
    readonly stream: string,
    readonly commitId: string,
  ) {
    super(message, end);
  }
}

/** A bound of the gateway or a quota of the store is reached. Nothing was stored. */
export class OverloadedError extends SluiceError {
  readonly code = 'OVERLOADED';
  constructor(
    message: string,
    end: CallEnd,
    /** When it makes sense to try again, in milliseconds from now. */
    readonly retryDelayMs: number,
  ) {
    super(message, end);
  }
}

/**
 * The store has no room for more. Nothing was stored, and sending it again does not help until somebody has made room; reads
 * go on.
 */
export class StoreFullError extends SluiceError {
  readonly code = 'STORE_FULL';
}

/** NATS refuses to store it, since somebody has set the store so that it cannot. Nothing was stored. */
export class StoreRefusedError extends SluiceError {
  readonly code = 'STORE_REFUSED';
}

/** A stored message is not a commit of its stream. Other streams are not affected. */
export class UnreadableCommitError extends SluiceError {
  readonly code = 'UNREADABLE_COMMIT';
  constructor(
    message: string,
    end: CallEnd,
    readonly stream: string,
    /** The position of the message. */
    readonly position: bigint,
  ) {
    super(message, end);
  }
}

/** The caller, or the gateway at NATS, is not allowed to do this. Nothing was stored. */
export class NotPermittedError extends SluiceError {
  readonly code = 'NOT_PERMITTED';
}

/** The deadline passed before the answer was there. Nothing was stored. */
export class DeadlineExceededError extends SluiceError {
  readonly code = 'DEADLINE_EXCEEDED';
}

/** The call was ended before it was answered: by the gateway, or because the client is closed. */
export class CancelledError extends SluiceError {
  readonly code = 'CANCELLED';
}

/** A read ended well but not with all that it announced: something between client and gateway is broken. */
export class IncompleteReadError extends SluiceError {
  readonly code = 'INCOMPLETE_READ';
}

/** Anything else: a bug in the gateway or the client, or a gateway that does not know the call; see `status`. */
export class InternalError extends SluiceError {
  readonly code = 'INTERNAL';
}

/** All errors of this client; switching over `code` tells them apart. */
export type AnySluiceError =
  | InvalidRequestError
  | VersionConflictError
  | CommitIdReuseError
  | UnavailableError
  | OutcomeUnknownError
  | OverloadedError
  | StoreFullError
  | StoreRefusedError
  | UnreadableCommitError
  | NotPermittedError
  | DeadlineExceededError
  | CancelledError
  | IncompleteReadError
  | InternalError;
