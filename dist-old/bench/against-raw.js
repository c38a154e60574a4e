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
exports.againstRaw = againstRaw;
const clients_1 = require("./clients");
const job_1 = require("./job");
const prefill_1 = require("./prefill");
const run_1 = require("./run");
const servers_1 = require("./servers");
/** The gateway beside the raw client, which does the same by hand against the same server. */
function againstRaw(run, sync) {
    const { settings, peaks } = run;
    const title = sync === 'always' ? 'fsync on every write' : 'fsync at intervals';
    const about = `Durability: ${servers_1.durability[sync]}. Raw: the \`nats\` package by hand; append is \`js.publish\` of an encoded ` +
        'CommitRecord with the expected last sequence of the subject, read is batched Direct Get with the events decoded ' +
        '(an ordered consumer is no faster), version is a Direct Get of the last message.';
    return (0, run_1.runTable)(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
        const env_1 = { stack: [], error: void 0, hasError: false };
        try {
            const nats = __addDisposableResource(env_1, await (0, servers_1.startBenchNats)(sync), true);
            const gateway = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({ name: title, nats, peaks }), true);
            await (0, prefill_1.prefill)(nats.url, storedBefore(settings.sizes));
            const clients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, gateway.address, nats.url), true);
            return await use({
                sides: [
                    { label: 'gateway', clients, peer: 'generated' },
                    { label: 'raw', clients, peer: 'raw' },
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
const eventsPerCommit = 100;
/** Streams that GetVersion is asked for. */
const versionStreams = { prefix: 'version', count: 64 };
function* storedBefore({ readEvents }) {
    for (let i = 0; i < readEvents; i++)
        yield { stream: (0, job_1.streamName)('singles', 0, 0), events: 1 };
    for (let i = 0; i < readEvents; i += eventsPerCommit)
        yield { stream: (0, job_1.streamName)('batches', 0, 0), events: eventsPerCommit };
    for (let i = 0; i < versionStreams.count; i++)
        yield { stream: (0, job_1.streamName)(versionStreams.prefix, 0, i), events: 1 };
}
function rows(sizes) {
    const { readEvents, sequentialAppends, manyCallers } = sizes;
    const appendRows = [
        { events: 1, alone: 2_000, together: 200 },
        { events: 10, alone: 1_000, together: 100 },
        { events: 100, alone: 300, together: 20 },
        { events: 1_000, alone: 50, together: 3 },
    ].flatMap(({ events, alone, together }) => [
        appendRow(events, 1, (0, run_1.calls)(alone, sizes)),
        appendRow(events, manyCallers, (0, run_1.calls)(together, sizes)),
    ]);
    const single = { kind: 'append', events: 1, version: 0 };
    const all = (prefix) => {
        return { kind: 'read', streams: { prefix, count: 1 }, range: 'all', events: readEvents };
    };
    const ofRead = `ReadStream of ${(0, run_1.plural)(readEvents, 'event')}`;
    return [
        ...appendRows,
        both('first append of 1 event to a new stream', 1, (0, run_1.calls)(1_000, sizes), 1, {
            ...single,
            streams: 'new',
            callsPerStream: 1,
        }),
        both(`${(0, run_1.inWords)(sequentialAppends)} appends of 1 event to one stream`, 1, sequentialAppends, 1, {
            ...single,
            streams: 'sequential',
            callsPerStream: sequentialAppends,
        }),
        both(`${ofRead}, single-event commits`, 1, (0, run_1.calls)(10, sizes), readEvents, all('singles')),
        both(`${ofRead}, ${eventsPerCommit}-event commits`, 1, (0, run_1.calls)(20, sizes), readEvents, all('batches')),
        {
            ...both(`${ofRead}, ${eventsPerCommit}-event commits, TypeScript client`, 1, (0, run_1.calls)(20, sizes), readEvents, all('batches')),
            peers: ['typescript', 'raw'],
        },
        both('ReadStream of a stream that does not exist', 1, (0, run_1.calls)(2_000, sizes), 0, {
            kind: 'read',
            streams: { prefix: 'nothing', count: 1 },
            range: 'all',
            events: 0,
        }),
        versionRow(1, (0, run_1.calls)(2_000, sizes)),
        versionRow(manyCallers, (0, run_1.calls)(250, sizes)),
    ];
}
/** Each caller has a stream of its own and goes on with it from slot to slot. */
function appendRow(events, callers, callsEach) {
    return both(`append of ${(0, run_1.plural)(events, 'event')}`, callers, callsEach, events, {
        kind: 'append',
        streams: `append-${events}-${callers}`,
        events,
        callsPerStream: Number.MAX_SAFE_INTEGER,
        version: 0,
    });
}
function versionRow(callers, callsEach) {
    return both('GetVersion', callers, callsEach, 0, { kind: 'version', streams: versionStreams, version: 1 });
}
/** A row with the same on both sides. */
function both(what, callers, callsEach, events, operation) {
    return { what, callers, callsEach, events, operations: [operation, operation] };
}
