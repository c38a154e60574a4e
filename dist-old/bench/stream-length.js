"use strict";
var __addDisposableResource = (this && this.__addDisposableResource) || function (env, value, async) {
    if (value !== null && value !== void 0) {
        if (typeof value !== "object" && typeof value !== "function") throw new TypeError("Object expected.");
        var dispose, inner;
        if (async) {
            if (!Symbol.asyncDispose) throw new TypeError("Symbol.asyncDispose is not defined.");
            dispose = value[Symbol.asyncDispose];
        }
        if (dispose === void 0) {
            if (!Symbol.dispose) throw new TypeError("Symbol.dispose is not defined.");
            dispose = value[Symbol.dispose];
            if (async) inner = dispose;
        }
        if (typeof dispose !== "function") throw new TypeError("Object not disposable.");
        if (inner) dispose = function() { try { inner.call(this); } catch (e) { return Promise.reject(e); } };
        env.stack.push({ value: value, dispose: dispose, async: async });
    }
    else if (async) {
        env.stack.push({ async: true });
    }
    return value;
};
var __disposeResources = (this && this.__disposeResources) || (function (SuppressedError) {
    return function (env) {
        function fail(e) {
            env.error = env.hasError ? new SuppressedError(e, env.error, "An error was suppressed during disposal.") : e;
            env.hasError = true;
        }
        var r, s = 0;
        function next() {
            while (r = env.stack.pop()) {
                try {
                    if (!r.async && s === 1) return s = 0, env.stack.push(r), Promise.resolve().then(next);
                    if (r.dispose) {
                        var result = r.dispose.call(r.value);
                        if (r.async) return s |= 2, Promise.resolve(result).then(next, function(e) { fail(e); return next(); });
                    }
                    else s |= 1;
                }
                catch (e) {
                    fail(e);
                }
            }
            if (s === 1) return env.hasError ? Promise.reject(env.error) : Promise.resolve();
            if (env.hasError) throw env.error;
        }
        return next();
    };
})(typeof SuppressedError === "function" ? SuppressedError : function (error, suppressed, message) {
    var e = new Error(message);
    return e.name = "SuppressedError", e.error = error, e.suppressed = suppressed, e;
});
Object.defineProperty(exports, "__esModule", { value: true });
exports.streamLength = streamLength;
const clients_1 = require("./clients");
const job_1 = require("./job");
const prefill_1 = require("./prefill");
const run_1 = require("./run");
const servers_1 = require("./servers");
const shortEvents = 10;
const tailEvents = 10;
/** Short streams that are read. */
const short = { prefix: 'short', count: 64 };
const long = { prefix: 'long', count: 1 };
/** The same calls on a long and on a short stream: they must cost the same. */
function streamLength(run) {
    const { settings, peaks } = run;
    const { longStreamEvents } = settings.sizes;
    const title = 'long and short streams';
    const about = `Durability: ${servers_1.durability.interval}. Streams of ${(0, run_1.inWords)(longStreamEvents)} and of ${shortEvents} events in one store, ` +
        'written as single-event commits that alternate at the end of the log.';
    return (0, run_1.runTable)(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
        const env_1 = { stack: [], error: void 0, hasError: false };
        try {
            const nats = __addDisposableResource(env_1, await (0, servers_1.startBenchNats)('interval'), true);
            const gateway = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({ name: title, nats, peaks }), true);
            await (0, prefill_1.prefill)(nats.url, storedBefore(longStreamEvents));
            const clients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, gateway.address, nats.url), true);
            return await use({
                sides: [
                    { label: 'long', clients, peer: 'generated' },
                    { label: 'short', clients, peer: 'generated' },
                ],
                settle: gateway.caughtUp,
            });
        }
        catch (e_1) {
            env_1.error = e_1;
            env_1.hasError = true;
        }
        finally {
            const result_1 = __disposeResources(env_1);
            if (result_1)
                await result_1;
        }
    });
}
/** The short streams lie beside the end of the long one, so that both are equally near to the end of the log. */
function* storedBefore(longEvents) {
    const shortInAll = shortEvents * short.count;
    for (let i = Math.min(0, longEvents - shortInAll); i < longEvents; i++) {
        if (i >= 0)
            yield { stream: (0, job_1.streamName)(long.prefix, 0, 0), events: 1 };
        const index = Math.floor((i - longEvents + shortInAll) / shortEvents);
        if (index >= 0)
            yield { stream: (0, job_1.streamName)(short.prefix, 0, index), events: 1 };
    }
}
function rows(sizes) {
    const longEvents = sizes.longStreamEvents;
    const callsEach = (0, run_1.calls)(500, sizes);
    // The versions must not change before they have been asked for, hence appends come last.
    return [
        {
            what: 'GetVersion',
            callers: 1,
            callsEach,
            events: 0,
            operations: [versionOf(long, longEvents), versionOf(short, shortEvents)],
        },
        tailRow(`last ${tailEvents} events, backward`, callsEach, { last: tailEvents }, { last: tailEvents }),
        tailRow(`last ${tailEvents} events, forward from their first version`, callsEach, { from: longEvents - tailEvents + 1 }, { from: shortEvents - tailEvents + 1 }),
        {
            what: 'append of 1 event',
            callers: 1,
            callsEach,
            events: 1,
            operations: [
                append(long.prefix, 1, Number.MAX_SAFE_INTEGER, longEvents),
                append('appended', 1, 1, shortEvents),
            ],
            // A new stream of that length for each call, written by the gateway, which thus knows its version as that of the long one.
            before: [undefined, append('appended', shortEvents, 1, 0)],
        },
    ];
}
function versionOf(streams, version) {
    return { kind: 'version', streams, version };
}
function append(streams, events, callsPerStream, version) {
    return { kind: 'append', streams, events, callsPerStream, version };
}
function tailRow(what, callsEach, ofLong, ofShort) {
    const read = (streams, range) => {
        return { kind: 'read', streams, range, events: tailEvents };
    };
    return {
        what,
        callers: 1,
        callsEach,
        events: tailEvents,
        operations: [read(long, ofLong), read(short, ofShort)],
    };
}
