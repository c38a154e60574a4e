"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createCalls = createCalls;
const node_events_1 = require("node:events");
const errors_1 = require("../store/errors");
const decode_1 = require("./decode");
const send_all_1 = require("./send-all");
const status_1 = require("./status");
function createCalls(limits, log) {
    const attempt = createAttempt(limits, log);
    const openCalls = createOpenCalls();
    const stop = new AbortController();
    (0, node_events_1.setMaxListeners)(0, stop.signal); // one for each subscription that waits
    const reads = createStreaming(attempt, limits, {
        callsMax: limits.readsMax,
        unsentBytesMax: limits.pageBytesMax,
        full: (count) => `${count} reads are under way`,
    });
    const subscriptions = createStreaming(attempt, limits, {
        callsMax: limits.subscriptionsMax,
        unsentBytesMax: limits.subscriptionBytesMax,
        full: (count) => `${count} subscriptions are open`,
    });
    return {
        unary: (type, handler) => (call, respond) => {
            const work = async (context) => {
                respond(null, await handler((0, decode_1.decodeRequest)(type, call.request, call.getPath()), context));
            };
            void attempt(call, work, respond);
        },
        serverStreaming: reads,
        subscription: (type, handler) => subscriptions(type, (request, context) => handler(request, context, stop.signal)),
        questions: (type, answer) => openCalls.track((call) => {
            const work = async () => {
                // A plain loop would destroy the call at the end of the requests, and with it the way to end it well.
                for await (const bytes of call.iterator({ destroyOnReturn: false })) {
                    const response = answer((0, decode_1.decodeRequest)(type, bytes, call.getPath()));
                    await new Promise((resolve, reject) => {
                        call.once('close', resolve);
                        call.write(response, (error) => {
                            call.off('close', resolve);
                            if (error)
                                reject(error);
                            else
                                resolve();
                        });
                    });
                }
                call.end();
            };
            void attempt(call, work, (status) => call.emit('error', status));
        }),
        openEnded: openCalls.track,
        endOpenCalls() {
            stop.abort();
            openCalls.end();
        },
    };
}
/** Server streams of one kind, which have their bounds together. */
function createStreaming(attempt, limits, { callsMax, unsentBytesMax, full }) {
    let open = 0;
    return (type, handler) => (call) => {
        const work = async (context) => {
            if (open >= callsMax)
                throw new errors_1.OverloadedError(full(open));
            open++;
            try {
                const messages = handler((0, decode_1.decodeRequest)(type, call.request, call.getPath()), context);
                await (0, send_all_1.sendAll)(call, messages, context.signal, unsentBytesMax, limits);
            }
            finally {
                open--;
            }
        };
        void attempt(call, work, (status) => {
            (0, send_all_1.failRead)(call, status, limits);
        });
    };
}
function createAttempt(limits, log) {
    return async (call, work, fail) => {
        const scope = openScope(call);
        try {
            checkMetadata(call, limits);
            await work(scope.context);
        }
        catch (error) {
            const { signal } = scope.context;
            if (!(0, errors_1.isStoreError)(error) && !signal.aborted)
                log.error({ err: error, rpc: call.getPath() }, 'a call failed unexpectedly');
            fail((0, status_1.toStatus)(whatMatters(error, scope.context)));
        }
        finally {
            scope.close();
        }
    };
}
/** Timers fire early by the time that their turn of the event loop has taken. */
const timerSlackMs = 25;
/** A caller that has gone, or whose time is up, makes all kinds of things fail: that is what it is told. */
function whatMatters(error, { signal, deadlineMs }) {
    if (!(0, errors_1.isStoreError)(error))
        return signal.aborted ? signal.reason : error;
    const isLate = error.code === 'STORE_UNAVAILABLE' && Date.now() >= deadlineMs - timerSlackMs;
    return isLate ? deadlineExceeded({ cause: error }) : error;
}
function deadlineExceeded(options) {
    return new errors_1.DeadlineExceededError('the deadline passed before the answer was there', options);
}
/** The longest time a timer can take; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;
/** The typed answer has to reach the caller before the deadline, at which gRPC ends the call on both sides. */
const answerMarginMaxMs = 100;
const answerMarginShare = 0.1;
function openScope(call) {
    const controller = new AbortController();
    const cancel = () => {
        controller.abort(new errors_1.CancelledError('the caller has gone'));
    };
    if (call.cancelled)
        cancel();
    call.on('cancelled', cancel);
    const callMs = Number(call.getDeadline()) - Date.now();
    const leftMs = Math.floor(callMs - Math.min(answerMarginMaxMs, callMs * answerMarginShare));
    const timer = leftMs > timerMsMax
        ? undefined
        : setTimeout(() => {
            controller.abort(deadlineExceeded());
        }, leftMs);
    return {
        context: { signal: controller.signal, deadlineMs: Date.now() + leftMs },
        close() {
            clearTimeout(timer);
            call.off('cancelled', cancel);
        },
    };
}
/** grpc-js has no bound of its own below the 64 KiB at which HTTP/2 refuses the call. */
function checkMetadata({ metadata }, { requestMetadataBytesMax }) {
    let bytes = 0;
    for (const [key, values] of Object.entries(metadata.toJSON())) {
        for (const value of values)
            bytes += key.length + value.length;
    }
    if (bytes <= requestMetadataBytesMax)
        return;
    const description = `has ${bytes} bytes, more than the limit of ${requestMetadataBytesMax}`;
    throw new errors_1.InvalidRequestError([{ field: 'grpc_metadata', description }]);
}
function createOpenCalls() {
    const open = new Set();
    let ended = false;
    const end = (call) => {
        call.emit('error', (0, status_1.toStatus)(new errors_1.StoreUnavailableError('the gateway is stopping')));
    };
    return {
        track: (handler) => (call) => {
            if (ended) {
                end(call);
                return;
            }
            open.add(call);
            // grpc-js says so also when the call has ended in any other way.
            call.on('cancelled', () => open.delete(call));
            handler(call);
        },
        end() {
            ended = true;
            for (const call of open)
                end(call);
        },
    };
}
