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
exports.following = following;
const clients_1 = require("./clients");
const job_1 = require("./job");
const prefill_1 = require("./prefill");
const run_1 = require("./run");
const servers_1 = require("./servers");
const eventsPerCommit = 100;
/** Subscriptions beside ordered consumers of the raw client on the same store. */
function following(run) {
    const { settings, peaks } = run;
    const title = 'subscriptions';
    const about = `Durability: ${servers_1.durability.interval}. Catch-up: Subscribe from the start until all is there, events decoded; raw: an ` +
        'ordered consumer of the `nats` package on the same messages. Delivery: from the call of the append until the event ' +
        'is with the subscriber; callers is 1, p50 and p99 are of single deliveries, calls/s are deliveries. Appends are sent ' +
        'at the rate whether answers come or not, by the process that subscribes.';
    return (0, run_1.runTable)(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
        const env_1 = { stack: [], error: void 0, hasError: false };
        try {
            const nats = __addDisposableResource(env_1, await (0, servers_1.startBenchNats)('interval'), true);
            const gateway = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({ name: title, nats, peaks }), true);
            await (0, prefill_1.prefill)(nats.url, storedBefore(settings.sizes));
            const clients = __addDisposableResource(env_1, await (0, clients_1.startClients)(1, gateway.address, nats.url), true);
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
/** Two categories in one log, one after the other, and one stream of each kind of commit between them. */
function* storedBefore({ readEvents }) {
    const streams = 100;
    for (let i = 0; i < readEvents; i++) {
        yield { stream: (0, job_1.streamName)('singles', 0, i % streams), events: 1 };
        if (i % eventsPerCommit !== 0)
            continue;
        yield { stream: (0, job_1.streamName)('hundreds', 0, (i / eventsPerCommit) % streams), events: eventsPerCommit };
        yield { stream: (0, job_1.streamName)('stream', 0, 0), events: eventsPerCommit };
    }
}
function rows(sizes) {
    const { readEvents } = sizes;
    const catchUp = (what, pattern, events) => {
        const operation = { kind: 'catchUp', pattern, events };
        const label = `catch-up of ${(0, run_1.plural)(events, 'event')}, ${what}`;
        const callsEach = (0, run_1.calls)(10, sizes);
        return { what: label, callers: 1, callsEach, events, operations: [operation, operation] };
    };
    return [
        catchUp('category of single-event commits', 'singles.*', readEvents),
        catchUp(`category of ${eventsPerCommit}-event commits`, 'hundreds.*', readEvents),
        catchUp(`one stream of ${eventsPerCommit}-event commits`, (0, job_1.streamName)('stream', 0, 0), readEvents),
        catchUp('the whole store', '>', 3 * readEvents),
        delivery(sizes, 200, 1, 1_000),
        delivery(sizes, 1_000, 1, 3_000),
        delivery(sizes, 100, 100, 200),
        delivery(sizes, 1_000, 100, 500),
    ];
}
function delivery(sizes, rate, subscribers, appends) {
    const streams = `delivery-${rate}-${subscribers}`;
    const operation = { kind: 'delivery', streams, rate, subscribers };
    return {
        what: `delivery of ${(0, run_1.inWords)(rate)} appends/s to ${(0, run_1.plural)(subscribers, 'subscriber')}`,
        callers: 1,
        callsEach: (0, run_1.calls)(appends, sizes),
        events: 1,
        operations: [operation, operation],
    };
}
