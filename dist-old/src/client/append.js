"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.append = append;
const node_crypto_1 = require("node:crypto");
const grpc_js_1 = require("@grpc/grpc-js");
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const errors_1 = require("./errors");
const event_1 = require("./event");
const failure_1 = require("./failure");
const numbers_1 = require("./numbers");
const text_1 = require("./text");
const time_1 = require("./time");
async function append(channel, stream, events, { expectedVersion, commitId = uuidV7(), withCommitTime = false, ...options }) {
    const request = {
        stream,
        events: events.map(event_1.toProtoEvent),
        expectedVersion: expectedVersion === undefined ? undefined : (0, numbers_1.toUint64)(expectedVersion, 'expectedVersion'),
        commitId,
        withCommitTime,
    };
    const bytes = event_store_service_1.AppendRequest.encode(request, (0, text_1.writer)()).finish();
    const explain = (failure, wasSent) => events.length > 0 && wasSent && isInDoubt(failure)
        ? new errors_1.OutcomeUnknownError(`the answer to commit ${commitId} on stream ${stream} was lost (${failure.message}); ` +
            'retry with the same commit id to find out', failure, stream, commitId)
        : (0, failure_1.toError)(failure);
    const response = await (0, calls_1.unary)(channel, event_store_service_1.EventStoreServiceService.append, bytes, options, explain);
    const { version, firstVersion, position, replayed } = response;
    return {
        version,
        firstVersion,
        position,
        ...(0, time_1.toMaybeCommitTime)(response.commitTime),
        replayed,
        commitId: response.commitId,
    };
}
/** Statuses by which a server or a proxy refuses a call that nobody has begun to work on. */
const refusals = [
    grpc_js_1.status.RESOURCE_EXHAUSTED,
    grpc_js_1.status.PERMISSION_DENIED,
    grpc_js_1.status.UNAUTHENTICATED,
    grpc_js_1.status.UNIMPLEMENTED,
];
/** Whether the commit may be stored: the gateway did not say how the append ended, and no refusal is known. */
function isInDoubt({ reason, status }) {
    return (reason === undefined || reason === 'INTERNAL') && !refusals.includes(status);
}
/** A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. */
function uuidV7() {
    const time = Date.now().toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${(0, node_crypto_1.randomUUID)().slice(15)}`;
}
