"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.toStatus = toStatus;
const grpc_js_1 = require("@grpc/grpc-js");
const error_details_1 = require("../../generated/google/rpc/error_details");
const status_1 = require("../../generated/google/rpc/status");
const errors_1 = require("../../generated/sluice/v1/errors");
const errors_2 = require("../store/errors");
const proto_time_1 = require("./proto-time");
/** Which gRPC status each error has; docs/errors.md is the same table in words. */
const statusOf = {
    INVALID_REQUEST: grpc_js_1.status.INVALID_ARGUMENT,
    VERSION_CONFLICT: grpc_js_1.status.ABORTED,
    COMMIT_ID_REUSE: grpc_js_1.status.ALREADY_EXISTS,
    STORE_UNAVAILABLE: grpc_js_1.status.UNAVAILABLE,
    OUTCOME_UNKNOWN: grpc_js_1.status.UNKNOWN,
    OVERLOADED: grpc_js_1.status.RESOURCE_EXHAUSTED,
    UNREADABLE_COMMIT: grpc_js_1.status.DATA_LOSS,
    NOT_PERMITTED: grpc_js_1.status.PERMISSION_DENIED,
    DEADLINE_EXCEEDED: grpc_js_1.status.DEADLINE_EXCEEDED,
    CANCELLED: grpc_js_1.status.CANCELLED,
};
const domain = 'sluice.v1';
/** When it makes sense to try again: NATS takes about as long to come back, a queue to empty. */
const retryDelayMs = { STORE_UNAVAILABLE: 1_000, OVERLOADED: 250 };
/*
 * All trailers together must stay below 8 KiB, which is what grpc-java takes by default; longer ones can hang a
 * call in grpc-js. The message is percent-encoded (3 bytes for 1 at most), the details are base64 (4 for 3).
 */
const messageBytesMax = 512;
const detailsBytesMax = 4_096;
/** One text within the details, such as a stream name or a description. */
const textBytesMax = 256;
/** What goes over the wire for an error. Anything but a StoreError is INTERNAL and says nothing of the inside. */
function toStatus(error) {
    const known = (0, errors_2.isStoreError)(error) ? error : undefined;
    const code = known === undefined ? grpc_js_1.status.INTERNAL : statusOf[known.code];
    const message = cut(known?.message ?? 'internal error; the log of the gateway has more', messageBytesMax);
    const details = known === undefined ? [errorInfo('INTERNAL', {})] : detailsOf(known);
    const metadata = new grpc_js_1.Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(status_1.Status.encode({ code, message, details }).finish()));
    return { code, details: message, metadata };
}
function detailsOf(error) {
    switch (error.code) {
        case 'INVALID_REQUEST':
            return [errorInfo(error.code, {}), badRequest(error)];
        case 'VERSION_CONFLICT': {
            const { stream, expected, actual } = error;
            const found = { stream, expected: expected.toString(), actual: actual.toString() };
            const violation = { type: error.code, subject: stream, description: cut(error.message, textBytesMax) };
            return [
                errorInfo(error.code, found),
                pack('google.rpc.PreconditionFailure', error_details_1.PreconditionFailure.encode({ violations: [violation] })),
                pack('sluice.v1.VersionConflict', errors_1.VersionConflict.encode({ stream, expectedVersion: expected, actualVersion: actual })),
            ];
        }
        case 'COMMIT_ID_REUSE': {
            const { commitId, position } = error;
            const stream = cut(error.stream, textBytesMax);
            return [
                errorInfo(error.code, { commit_id: commitId, stream, position: position.toString() }),
                pack('sluice.v1.CommitIdReuse', errors_1.CommitIdReuse.encode({ commitId, stream, position })),
            ];
        }
        case 'OUTCOME_UNKNOWN': {
            const { stream, commitId } = error;
            return [
                errorInfo(error.code, { stream, commit_id: commitId }),
                pack('sluice.v1.OutcomeUnknown', errors_1.OutcomeUnknown.encode({ stream, commitId })),
            ];
        }
        case 'UNREADABLE_COMMIT': {
            const { position } = error;
            const stream = cut(error.stream, textBytesMax);
            return [
                errorInfo(error.code, { stream, position: position.toString() }),
                pack('sluice.v1.UnreadableCommit', errors_1.UnreadableCommit.encode({ stream, position })),
            ];
        }
        case 'STORE_UNAVAILABLE':
        case 'OVERLOADED':
            return [errorInfo(error.code, {}), retryInfo(retryDelayMs[error.code])];
        case 'NOT_PERMITTED':
        case 'DEADLINE_EXCEEDED':
        case 'CANCELLED':
            return [errorInfo(error.code, {})];
    }
}
function errorInfo(reason, metadata) {
    const info = { reason, domain, metadata: new Map(Object.entries(metadata)) };
    return pack('google.rpc.ErrorInfo', error_details_1.ErrorInfo.encode(info));
}
/** As many violations as fit. */
function badRequest({ violations }) {
    const roomBytes = detailsBytesMax - messageBytesMax - textBytesMax; // the rest of the google.rpc.Status
    const framingBytes = 12;
    const fieldViolations = [];
    let bytes = 0;
    for (const violation of violations) {
        const field = cut(violation.field, textBytesMax);
        const description = cut(violation.description, textBytesMax);
        bytes += Buffer.byteLength(field) + Buffer.byteLength(description) + framingBytes;
        if (bytes > roomBytes)
            break;
        fieldViolations.push({ field, description, reason: '', localizedMessage: undefined });
    }
    return pack('google.rpc.BadRequest', error_details_1.BadRequest.encode({ fieldViolations }));
}
function retryInfo(delayMs) {
    return pack('google.rpc.RetryInfo', error_details_1.RetryInfo.encode({ retryDelay: (0, proto_time_1.toDuration)(delayMs) }));
}
function pack(type, encoded) {
    return { typeUrl: `type.googleapis.com/${type}`, value: Buffer.from(encoded.finish()) };
}
/**
 * Well-formed text of at most so many bytes of UTF-8: grpc-js percent-encodes the message, which throws on half a
 * surrogate pair.
 */
function cut(text, bytesMax) {
    const bytes = Buffer.from(text);
    if (bytes.length <= bytesMax)
        return bytes.toString();
    const ellipsis = '…';
    let end = bytesMax - Buffer.byteLength(ellipsis);
    while (((bytes[end] ?? 0) & 0xc0) === 0x80)
        end--; // not within a character
    return bytes.toString('utf8', 0, end) + ellipsis;
}
