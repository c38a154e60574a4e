"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.toFailure = toFailure;
exports.toError = toError;
const grpc_js_1 = require("@grpc/grpc-js");
const error_details_1 = require("../../generated/google/rpc/error_details");
const status_1 = require("../../generated/google/rpc/status");
const errors_1 = require("../../generated/sluice/v1/errors");
const errors_2 = require("./errors");
const domain = 'sluice.v1';
function toFailure(cause) {
    const details = detailsOf(cause);
    const info = find(details, 'google.rpc.ErrorInfo', error_details_1.ErrorInfo);
    const reason = info?.domain === domain ? info.reason : undefined;
    return { status: cause.code, message: cause.details, cause, reason, details };
}
function detailsOf({ metadata }) {
    const [encoded] = metadata.get('grpc-status-details-bin');
    const { details } = (encoded instanceof Uint8Array && decode(status_1.Status, encoded)) || { details: [] };
    return new Map(details.map(({ typeUrl, value }) => [typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value]));
}
function find(details, name, type) {
    const bytes = details.get(name);
    return bytes && decode(type, bytes);
}
/** undefined for bytes that are no such message: the status still says something. */
function decode(type, bytes) {
    try {
        return type.decode(bytes);
    }
    catch {
        return undefined;
    }
}
/** The error of this client for a failed call: by its reason, else by its status. */
function toError(failure) {
    return byReason(failure) ?? byStatus(failure);
}
/** undefined: no reason of this list, or without the details that belong to it. */
function byReason(failure) {
    const { message, details } = failure;
    switch (failure.reason) {
        case 'VERSION_CONFLICT': {
            const found = find(details, 'sluice.v1.VersionConflict', errors_1.VersionConflict);
            if (found === undefined)
                return undefined;
            return new errors_2.VersionConflictError(message, failure, found.stream, found.expectedVersion, found.actualVersion);
        }
        case 'COMMIT_ID_REUSE': {
            const found = find(details, 'sluice.v1.CommitIdReuse', errors_1.CommitIdReuse);
            return found && new errors_2.CommitIdReuseError(message, failure, found.commitId, found.stream, found.position);
        }
        case 'OUTCOME_UNKNOWN': {
            const found = find(details, 'sluice.v1.OutcomeUnknown', errors_1.OutcomeUnknown);
            return found && new errors_2.OutcomeUnknownError(message, failure, found.stream, found.commitId);
        }
        case 'UNREADABLE_COMMIT': {
            const found = find(details, 'sluice.v1.UnreadableCommit', errors_1.UnreadableCommit);
            return found && new errors_2.UnreadableCommitError(message, failure, found.stream, found.position);
        }
        case 'STORE_UNAVAILABLE':
            return new errors_2.UnavailableError(message, failure, 'STORE_UNAVAILABLE', retryDelayMs(details) ?? defaultRetryDelayMs);
        default:
            return undefined;
    }
}
function byStatus(failure) {
    const { message, details } = failure;
    switch (failure.status) {
        case grpc_js_1.status.INVALID_ARGUMENT: {
            const { fieldViolations } = find(details, 'google.rpc.BadRequest', error_details_1.BadRequest) ?? {
                fieldViolations: [],
            };
            const violations = fieldViolations.map(({ field, description }) => ({ field, description }));
            return new errors_2.InvalidRequestError(message, failure, violations);
        }
        case grpc_js_1.status.UNAVAILABLE:
            return new errors_2.UnavailableError(message, failure, 'UNAVAILABLE', retryDelayMs(details) ?? defaultRetryDelayMs);
        case grpc_js_1.status.RESOURCE_EXHAUSTED: {
            const delayMs = retryDelayMs(details);
            if (delayMs !== undefined)
                return new errors_2.OverloadedError(message, failure, delayMs);
            return new errors_2.InvalidRequestError(message, failure, [{ field: 'request', description: message }]);
        }
        case grpc_js_1.status.PERMISSION_DENIED:
        case grpc_js_1.status.UNAUTHENTICATED:
            return new errors_2.NotPermittedError(message, failure);
        case grpc_js_1.status.DEADLINE_EXCEEDED:
            return new errors_2.DeadlineExceededError(message, failure);
        case grpc_js_1.status.CANCELLED:
            return new errors_2.CancelledError(message, failure);
        default:
            return new errors_2.InternalError(message, failure);
    }
}
/** Where nobody could say: a gateway takes about as long to come back. */
const defaultRetryDelayMs = 1_000;
function retryDelayMs(details) {
    const delay = find(details, 'google.rpc.RetryInfo', error_details_1.RetryInfo)?.retryDelay;
    return delay && Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
}
