"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.unary = unary;
exports.serverStream = serverStream;
const node_events_1 = require("node:events");
const grpc_js_1 = require("@grpc/grpc-js");
const errors_1 = require("./errors");
const failure_1 = require("./failure");
/** One request, one response. Fails with the signal's reason, or with an error of errors.ts. */
async function unary(channel, { path, responseDeserialize }, request, { signal, deadlineMs = channel.deadlineMs }, explain = failure_1.toError) {
    signal?.throwIfAborted();
    const { client, metadata } = channel;
    const options = toGrpcOptions(deadlineMs);
    let cancel = () => undefined;
    try {
        return await new Promise((resolve, reject) => {
            const done = (error, response) => {
                if (error === null)
                    resolve(response);
                // Until a call has a connection, its peer is the target of the channel.
                else
                    reject(explain((0, failure_1.toFailure)(error), call.getPeer() !== client.getChannel().getTarget()));
            };
            const call = client.makeUnaryRequest(path, asBuffer, responseDeserialize, request, metadata, options, done);
            cancel = () => {
                call.cancel();
            };
            listen(signal, cancel);
        });
    }
    catch (error) {
        signal?.throwIfAborted();
        throw error;
    }
    finally {
        signal?.removeEventListener('abort', cancel);
    }
}
/**
 * One request, many responses: at most 16 of them wait for the caller, still encoded, and what it does not take stays
 * with the gateway. Leaving the loop ends the call. Fails like `unary`.
 */
async function* serverStream(channel, { path, responseDeserialize }, request, { signal, deadlineMs = Infinity }) {
    signal?.throwIfAborted();
    const { client, metadata } = channel;
    const options = toGrpcOptions(deadlineMs);
    const call = client.makeServerStreamRequest(path, asBuffer, sameBytes, request, metadata, options);
    call.on('error', () => undefined); // it may come when the loop has been left
    const cancel = () => {
        call.cancel();
    };
    listen(signal, cancel);
    try {
        for await (const bytes of call)
            yield responseDeserialize(bytes);
    }
    catch (error) {
        signal?.throwIfAborted();
        throw isServiceError(error) ? (0, failure_1.toError)((0, failure_1.toFailure)(error)) : malformed(error);
    }
    finally {
        signal?.removeEventListener('abort', cancel);
        cancel();
    }
}
/** Any number of calls may share a signal, and each takes its listener away. */
function listen(signal, onAbort) {
    if (signal === undefined)
        return;
    (0, node_events_1.setMaxListeners)(0, signal);
    signal.addEventListener('abort', onAbort);
}
function isServiceError(error) {
    return error instanceof Error && 'metadata' in error;
}
function malformed(cause) {
    return new errors_1.InternalError('a response of the gateway cannot be decoded', { status: grpc_js_1.status.INTERNAL, cause });
}
/** The longest time a timer can take; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;
function toGrpcOptions(deadlineMs) {
    if (!(deadlineMs > 0))
        throw new RangeError(`deadlineMs must be above 0; found ${deadlineMs}`);
    return deadlineMs > timerMsMax ? {} : { deadline: Date.now() + deadlineMs };
}
function asBuffer({ buffer, byteOffset, byteLength }) {
    return Buffer.from(buffer, byteOffset, byteLength);
}
function sameBytes(bytes) {
    return bytes;
}
