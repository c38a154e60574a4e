"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.subscribe = subscribe;
const promises_1 = require("node:timers/promises");
const grpc_js_1 = require("@grpc/grpc-js");
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const errors_1 = require("./errors");
const event_1 = require("./event");
const event_place_1 = require("./event-place");
const numbers_1 = require("./numbers");
const read_1 = require("./read");
const text_1 = require("./text");
const time_1 = require("./time");
const heartbeatDefaultMs = 5_000;
const pauseFirstMs = 100;
const pauseMaxMs = 5_000;
/** A gateway that does not know subscriptions yet. */
const unimplemented = grpc_js_1.status.UNIMPLEMENTED;
function subscribe(channel, options) {
    const first = toRequest(options);
    const wanted = wantedOf(options);
    const { signal } = options;
    let position;
    let lag;
    let last;
    const toBytes = () => {
        const start = { afterVersion: undefined, fromTime: undefined, fromNow: false };
        const again = position === undefined ? first : { ...first, ...start, afterPosition: position };
        return event_store_service_1.SubscribeRequest.encode(again, (0, text_1.writer)()).finish();
    };
    toBytes(); // throws for text that cannot be sent
    const take = ({ position: reached, notice }) => {
        position = reached ?? position;
        if (notice?.$case === 'heartbeat')
            ({ lag } = notice.value);
        if (notice?.$case === 'caughtUp')
            lag = 0n;
        if (notice?.$case === 'caughtUp')
            options.onCaughtUp?.();
        if (notice?.$case === 'fellBehind')
            options.onFellBehind?.();
    };
    return {
        get position() {
            return position;
        },
        get lag() {
            return lag;
        },
        async *[Symbol.asyncIterator]() {
            for (let failures = 0;; failures++) {
                const ends = signal === undefined ? channel.closed : AbortSignal.any([signal, channel.closed]);
                try {
                    const call = { signal: ends, deadlineMs: Infinity };
                    for await (const message of (0, calls_1.serverStream)(channel, method, toBytes(), call)) {
                        failures = 0;
                        const { isBeyond } = (0, event_place_1.beyond)(last);
                        for (const event of message.events) {
                            if (!isBeyond(event) || !wanted(event))
                                continue;
                            ends.throwIfAborted();
                            last = { position: event.position, version: event.version };
                            yield (0, event_1.toRecordedEvent)(event);
                        }
                        take(message);
                    }
                }
                catch (error) {
                    if (ends.aborted || !mayPass(error))
                        throw error;
                    options.onReconnect?.(error);
                }
                const pauseMs = Math.min(pauseMaxMs, pauseFirstMs * 2 ** Math.min(failures, 10));
                await (0, promises_1.setTimeout)(pauseMs * (0.5 + Math.random() / 2), undefined, { signal: ends }).catch(() => {
                    throw ends.reason;
                });
            }
        },
    };
}
const { subscribe: method } = event_store_service_1.EventStoreServiceService;
/** Errors after which another call may go well: no gateway, one that stops, one that had enough of waiting. */
function mayPass(error) {
    return (error instanceof errors_1.UnavailableError ||
        error instanceof errors_1.OverloadedError ||
        error instanceof errors_1.CancelledError ||
        (error instanceof errors_1.InternalError && error.status !== unimplemented));
}
/** Throws TypeError and RangeError. */
function toRequest(options) {
    const { heartbeatMs = heartbeatDefaultMs, afterVersion } = options;
    if (!Number.isFinite(heartbeatMs))
        throw new RangeError(`heartbeatMs must be a number; found ${heartbeatMs}`);
    return {
        stream: options.stream ?? '',
        patterns: [...(options.patterns ?? [])],
        afterPosition: (0, event_place_1.beyond)(options.after).afterPosition,
        afterVersion: afterVersion === undefined ? undefined : (0, numbers_1.toUint64)(afterVersion, 'afterVersion'),
        fromTime: (0, time_1.toTimestamp)(options.fromTime, 'fromTime'),
        fromNow: options.fromNow ?? false,
        startMustExist: options.startMustExist ?? false,
        eventTypes: [...(options.eventTypes ?? [])],
        eventTypePrefixes: [...(options.eventTypePrefixes ?? [])],
        heartbeatInterval: {
            seconds: BigInt(Math.trunc(heartbeatMs / 1_000)),
            nanos: Math.round((heartbeatMs % 1_000) * 1e6),
        },
        page: (0, read_1.toPageHint)(options.page),
    };
}
/** What the first request says of single events, and those that go on from a position cannot say. */
function wantedOf(options) {
    const { isBeyond } = (0, event_place_1.beyond)(options.after);
    const afterVersion = (0, numbers_1.toUint64)(options.afterVersion ?? 0, 'afterVersion');
    const from = (0, time_1.toTimestamp)(options.fromTime, 'fromTime') ?? { seconds: 0n, nanos: 0 };
    return (event) => {
        const { seconds, nanos } = event.commitTime ?? from;
        const isInTime = seconds > from.seconds || (seconds === from.seconds && nanos >= from.nanos);
        return isInTime && event.version > afterVersion && isBeyond(event);
    };
}
