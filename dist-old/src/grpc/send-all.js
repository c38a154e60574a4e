"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.sendAll = sendAll;
exports.failRead = failRead;
const node_http2_1 = require("node:http2");
const errors_1 = require("../store/errors");
/**
 * Sends the messages and ends the call. At most `unsentBytesMax` and one more message wait for the caller to take them;
 * when it takes nothing for `readStallTimeoutMs`, the read fails. Comes back when all is sent.
 */
async function sendAll(call, messages, signal, unsentBytesMax, { readStallTimeoutMs }) {
    let unsentBytes = 0;
    let notify = () => undefined;
    const untilUnsentIs = async (bytesMax) => {
        while (unsentBytes > bytesMax) {
            if (!(await progress((listener) => (notify = listener), signal, readStallTimeoutMs))) {
                throw new errors_1.CancelledError(`the caller took no message for ${readStallTimeoutMs} ms`);
            }
        }
    };
    for await (const message of messages) {
        signal.throwIfAborted();
        unsentBytes += message.length;
        call.write(message, () => {
            unsentBytes -= message.length;
            notify();
        });
        await untilUnsentIs(unsentBytesMax);
    }
    call.end();
    await untilUnsentIs(0);
}
/**
 * Ends a read with an error. The caller learns of it when it has taken what was sent before; if it takes nothing for
 * `readStallTimeoutMs` even now, the call is reset, which frees what it holds.
 */
function failRead(call, status, { readStallTimeoutMs }) {
    call.emit('error', status);
    if (call.cancelled)
        return;
    const timer = setTimeout(() => {
        // grpc-js has no other way to end a call behind data that nobody takes.
        const { stream } = call.call;
        stream.close(node_http2_1.constants.NGHTTP2_CANCEL);
    }, readStallTimeoutMs);
    // grpc-js says so also when the call has ended in any other way.
    call.once('cancelled', () => {
        clearTimeout(timer);
    });
}
/** True when the listener was called, false after the time-out; throws the signal's reason when that aborts. */
function progress(listen, signal, timeoutMs) {
    return new Promise((resolve, reject) => {
        const settle = (then) => () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', abort);
            then();
        };
        const abort = settle(() => {
            reject(signal.reason);
        });
        const timer = setTimeout(settle(() => {
            resolve(false);
        }), timeoutMs);
        listen(settle(() => {
            resolve(true);
        }));
        if (signal.aborted)
            abort();
        else
            signal.addEventListener('abort', abort, { once: true });
    });
}
