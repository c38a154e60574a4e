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
exports.storeSize = storeSize;
const clients_1 = require("./clients");
const job_1 = require("./job");
const prefill_1 = require("./prefill");
const run_1 = require("./run");
const servers_1 = require("./servers");
/** Each correlation id has so many, in as many streams, all over the log. */
const eventsPerId = 10;
/** The same question to a large and to a small store: its cost follows what is found, not the store. */
function storeSize(run) {
    const { settings, peaks, progress } = run;
    const { largeStoreCommits, smallStoreCommits } = settings.sizes;
    const title = 'large and small stores';
    const about = `Durability: ${servers_1.durability.interval}. Stores of ${(0, run_1.plural)(largeStoreCommits, 'commit')} and of ` +
        `${(0, run_1.inWords)(smallStoreCommits)}; the ${eventsPerId} events of a correlation id lie in as many commits, spread over ` +
        'the whole store. Published beside the gateway, and measured when the index had caught up.';
    return (0, run_1.runTable)(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
        const env_1 = { stack: [], error: void 0, hasError: false };
        try {
            const largeNats = __addDisposableResource(env_1, await (0, servers_1.startBenchNats)('interval'), true);
            const smallNats = __addDisposableResource(env_1, await (0, servers_1.startBenchNats)('interval'), true);
            const name = (commits) => `${title}, ${(0, run_1.plural)(commits, 'commit')}`;
            const large = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({ name: name(largeStoreCommits), nats: largeNats, peaks }), true);
            const small = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({ name: name(smallStoreCommits), nats: smallNats, peaks }), true);
            await (0, prefill_1.prefill)(largeNats.url, storedBefore(largeStoreCommits));
            await (0, prefill_1.prefill)(smallNats.url, storedBefore(smallStoreCommits));
            progress(`${title}: waiting for the index`);
            const largeClients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, large.address, largeNats.url), true);
            const smallClients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, small.address, smallNats.url), true);
            return await use({
                sides: [
                    { label: 'large', clients: largeClients, peer: 'generated' },
                    { label: 'small', clients: smallClients, peer: 'generated' },
                ],
                async settle() {
                    await large.caughtUp();
                    await small.caughtUp();
                },
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
function* storedBefore(commits) {
    const ids = commits / eventsPerId;
    for (let i = 0; i < commits; i++) {
        const round = Math.floor(i / ids);
        yield {
            stream: (0, job_1.streamName)('stored', 0, i % ids),
            events: 1,
            correlationId: (0, job_1.correlationId)((i + round) % ids),
        };
    }
}
function rows(sizes) {
    const question = (commits) => {
        return { kind: 'correlation', ids: commits / eventsPerId, events: eventsPerId };
    };
    return [
        {
            what: `ReadByCorrelation of ${(0, run_1.plural)(eventsPerId, 'event')}`,
            callers: 1,
            callsEach: (0, run_1.calls)(300, sizes),
            events: eventsPerId,
            operations: [question(sizes.largeStoreCommits), question(sizes.smallStoreCommits)],
        },
    ];
}
