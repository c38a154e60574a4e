"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.errCode = exports.PermissionViolationError = exports.NoRespondersError = exports.RequestTimeoutError = exports.ConnectionLostError = exports.NotConnectedError = exports.JetStreamApiError = void 0;
exports.toStoreError = toStoreError;
const errors_1 = require("../store/errors");
/** The JetStream API refused; `errCode` is the server's number for the reason (server/errors.json). */
class JetStreamApiError extends Error {
    errCode;
    status;
    constructor(errCode, status, description) {
        super(`${description} (${errCode.toString()})`);
        this.errCode = errCode;
        this.status = status;
    }
}
exports.JetStreamApiError = JetStreamApiError;
/** Nothing was sent: there is no connection. */
class NotConnectedError extends Error {
}
exports.NotConnectedError = NotConnectedError;
/** The request was sent, and the connection was lost before the answer came. */
class ConnectionLostError extends Error {
}
exports.ConnectionLostError = ConnectionLostError;
/** The request was sent, and no answer came in time. */
class RequestTimeoutError extends Error {
}
exports.RequestTimeoutError = RequestTimeoutError;
/** Nobody serves the subject: JetStream is off, or the stream has no leader yet. Nothing was stored. */
class NoRespondersError extends Error {
}
exports.NoRespondersError = NoRespondersError;
/** The server's permissions forbid the subject. */
class PermissionViolationError extends Error {
}
exports.PermissionViolationError = PermissionViolationError;
/** The numbers of the server's errors that have a meaning here. */
exports.errCode = {
    streamNotFound: 10059,
    messageNotFound: 10037,
    wrongLastSequence: 10071,
    wrongLastSequenceInFlight: 10164,
    batchIncomplete: 10176,
    duplicateInBatch: 10201,
    wrongLastMessageId: 10070,
    duplicateInFlight: 10158,
    tooManyBatches: [10199, 10210],
    insufficientResources: [10023, 10047, 10077, 10122],
    unavailable: [10008, 10009, 10074],
};
const quota = [...exports.errCode.tooManyBatches, ...exports.errCode.insufficientResources];
const unavailable = exports.errCode.unavailable;
/** What a failed question to NATS means to the caller; bugs pass through unchanged. */
function toStoreError(error) {
    if ((0, errors_1.isStoreError)(error))
        return error;
    const cause = { cause: error };
    if (error instanceof PermissionViolationError)
        return new errors_1.NotPermittedError(error.message, cause);
    if (error instanceof JetStreamApiError && quota.includes(error.errCode)) {
        return new errors_1.OverloadedError(`the store has no room: ${error.message}`, cause);
    }
    if (error instanceof NotConnectedError ||
        error instanceof ConnectionLostError ||
        error instanceof RequestTimeoutError ||
        error instanceof NoRespondersError ||
        (error instanceof JetStreamApiError && (unavailable.includes(error.errCode) || error.status === 503))) {
        return new errors_1.StoreUnavailableError(error.message, cause);
    }
    return error;
}
