"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.InternalError = exports.IncompleteReadError = exports.CancelledError = exports.DeadlineExceededError = exports.NotPermittedError = exports.UnreadableCommitError = exports.OverloadedError = exports.OutcomeUnknownError = exports.UnavailableError = exports.CommitIdReuseError = exports.VersionConflictError = exports.InvalidRequestError = exports.SluiceError = void 0;
/**
 * Every error that a call fails with, but for two: the reason of an aborted signal is thrown as it is, and arguments
 * that cannot be sent are a TypeError or a RangeError. `code` tells the errors apart and never changes its meaning;
 * the message is for people.
 */
class SluiceError extends Error {
    /** The number of the gRPC status that the call ended with, for instance 10 for ABORTED. */
    status;
    constructor(message, end) {
        super(message, end);
        this.name = new.target.name;
        this.status = end.status;
    }
}
exports.SluiceError = SluiceError;
/**
 * The request can never succeed as it is. Nothing was stored. Also for a message that is larger than gRPC takes, and
 * whatever else is refused as too much (RESOURCE_EXHAUSTED) without a word on when to try again.
 */
class InvalidRequestError extends SluiceError {
    violations;
    code = 'INVALID_REQUEST';
    constructor(message, end, 
    /** Every field at fault, up to a bound. */
    violations) {
        super(message, end);
        this.violations = violations;
    }
}
exports.InvalidRequestError = InvalidRequestError;
/** The stream is not at the expected version. Nothing was stored. Read again, decide again, append again. */
class VersionConflictError extends SluiceError {
    stream;
    expected;
    actual;
    code = 'VERSION_CONFLICT';
    constructor(message, end, stream, expected, actual) {
        super(message, end);
        this.stream = stream;
        this.expected = expected;
        this.actual = actual;
    }
}
exports.VersionConflictError = VersionConflictError;
/** The commit id belongs to a commit that is not this one. Nothing was stored. */
class CommitIdReuseError extends SluiceError {
    commitId;
    stream;
    position;
    code = 'COMMIT_ID_REUSE';
    constructor(message, end, commitId, 
    /** The stream of the stored commit that has this id. */
    stream, 
    /** The position of that commit. */
    position) {
        super(message, end);
        this.commitId = commitId;
        this.stream = stream;
        this.position = position;
    }
}
exports.CommitIdReuseError = CommitIdReuseError;
/**
 * The store cannot be reached, and nothing was stored. STORE_UNAVAILABLE: the gateway answered, but has no connection
 * to NATS, or is stopping. UNAVAILABLE: there is no connection to the gateway.
 */
class UnavailableError extends SluiceError {
    code;
    retryDelayMs;
    constructor(message, end, code, 
    /** When it makes sense to try again, in milliseconds from now. */
    retryDelayMs) {
        super(message, end);
        this.code = code;
        this.retryDelayMs = retryDelayMs;
    }
}
exports.UnavailableError = UnavailableError;
/**
 * The append was sent, and its answer was lost: it may or may not be stored. Appending the same events with the same
 * commit id and the same expected version is safe: it stores them at most once and gives the first result.
 */
class OutcomeUnknownError extends SluiceError {
    stream;
    commitId;
    code = 'OUTCOME_UNKNOWN';
    constructor(message, end, stream, commitId) {
        super(message, end);
        this.stream = stream;
        this.commitId = commitId;
    }
}
exports.OutcomeUnknownError = OutcomeUnknownError;
/** A bound of the gateway or a quota of the store is reached. Nothing was stored. */
class OverloadedError extends SluiceError {
    retryDelayMs;
    code = 'OVERLOADED';
    constructor(message, end, 
    /** When it makes sense to try again, in milliseconds from now. */
    retryDelayMs) {
        super(message, end);
        this.retryDelayMs = retryDelayMs;
    }
}
exports.OverloadedError = OverloadedError;
/** A stored message is not a commit of its stream. Other streams are not affected. */
class UnreadableCommitError extends SluiceError {
    stream;
    position;
    code = 'UNREADABLE_COMMIT';
    constructor(message, end, stream, 
    /** The position of the message. */
    position) {
        super(message, end);
        this.stream = stream;
        this.position = position;
    }
}
exports.UnreadableCommitError = UnreadableCommitError;
/** The caller, or the gateway at NATS, is not allowed to do this. Nothing was stored. */
class NotPermittedError extends SluiceError {
    code = 'NOT_PERMITTED';
}
exports.NotPermittedError = NotPermittedError;
/** The deadline passed before the answer was there. Nothing was stored. */
class DeadlineExceededError extends SluiceError {
    code = 'DEADLINE_EXCEEDED';
}
exports.DeadlineExceededError = DeadlineExceededError;
/** The call was ended before it was answered: by the gateway, or because the client is closed. */
class CancelledError extends SluiceError {
    code = 'CANCELLED';
}
exports.CancelledError = CancelledError;
/** A read ended well but not with all that it announced: something between client and gateway is broken. */
class IncompleteReadError extends SluiceError {
    code = 'INCOMPLETE_READ';
}
exports.IncompleteReadError = IncompleteReadError;
/** Anything else: a bug in the gateway or the client, or a gateway that does not know the call; see `status`. */
class InternalError extends SluiceError {
    code = 'INTERNAL';
}
exports.InternalError = InternalError;
