"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.CancelledError = exports.DeadlineExceededError = exports.NotPermittedError = exports.UnreadableCommitError = exports.OverloadedError = exports.OutcomeUnknownError = exports.StoreUnavailableError = exports.CommitIdReuseError = exports.VersionConflictError = exports.InvalidRequestError = void 0;
exports.isStoreError = isStoreError;
/** The request can never succeed as it is. Nothing was stored. */
class InvalidRequestError extends Error {
    violations;
    code = 'INVALID_REQUEST';
    constructor(violations) {
        super(violations.map(({ field, description }) => `${field}: ${description}`).join('; '));
        this.violations = violations;
    }
}
exports.InvalidRequestError = InvalidRequestError;
/** The stream is not at the expected version. Nothing was stored. */
class VersionConflictError extends Error {
    stream;
    expected;
    actual;
    code = 'VERSION_CONFLICT';
    constructor(stream, expected, actual) {
        super(`stream ${stream} is at version ${actual.toString()}, not at the expected ${expected.toString()}`);
        this.stream = stream;
        this.expected = expected;
        this.actual = actual;
    }
}
exports.VersionConflictError = VersionConflictError;
/** The commit id belongs to a commit that is not this one. Nothing was stored. */
class CommitIdReuseError extends Error {
    commitId;
    stream;
    position;
    code = 'COMMIT_ID_REUSE';
    constructor(commitId, stream, position) {
        super(`commit id ${commitId} already belongs to a commit on stream ${stream} at position ${position.toString()}`);
        this.commitId = commitId;
        this.stream = stream;
        this.position = position;
    }
}
exports.CommitIdReuseError = CommitIdReuseError;
/** The store cannot be reached. Nothing was stored. */
class StoreUnavailableError extends Error {
    code = 'STORE_UNAVAILABLE';
}
exports.StoreUnavailableError = StoreUnavailableError;
/** The commit was sent, and whether it is stored could not be found out in time. */
class OutcomeUnknownError extends Error {
    stream;
    commitId;
    code = 'OUTCOME_UNKNOWN';
    constructor(stream, commitId, options) {
        super(`the answer to commit ${commitId} on stream ${stream} was lost; retry with the same commit id to find out`, options);
        this.stream = stream;
        this.commitId = commitId;
    }
}
exports.OutcomeUnknownError = OutcomeUnknownError;
/** A bound of the gateway or a quota of the store is reached. Nothing was stored. */
class OverloadedError extends Error {
    code = 'OVERLOADED';
}
exports.OverloadedError = OverloadedError;
/** A stored message is not a commit of its stream. Other streams are not affected. */
class UnreadableCommitError extends Error {
    stream;
    position;
    code = 'UNREADABLE_COMMIT';
    constructor(stream, position, reason) {
        super(`the message at position ${position.toString()} is not a commit of stream ${stream}: ${reason}`);
        this.stream = stream;
        this.position = position;
    }
}
exports.UnreadableCommitError = UnreadableCommitError;
/** NATS does not permit the gateway's user to do this. */
class NotPermittedError extends Error {
    code = 'NOT_PERMITTED';
}
exports.NotPermittedError = NotPermittedError;
/** The deadline passed before the answer was there. Nothing was stored. */
class DeadlineExceededError extends Error {
    code = 'DEADLINE_EXCEEDED';
}
exports.DeadlineExceededError = DeadlineExceededError;
/** The caller went away. */
class CancelledError extends Error {
    code = 'CANCELLED';
}
exports.CancelledError = CancelledError;
const storeErrors = [
    InvalidRequestError,
    VersionConflictError,
    CommitIdReuseError,
    StoreUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    UnreadableCommitError,
    NotPermittedError,
    DeadlineExceededError,
    CancelledError,
];
function isStoreError(error) {
    return storeErrors.some((kind) => error instanceof kind);
}
