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
exports.indexCost = indexCost;
const node_path_1 = require("node:path");
const clients_1 = require("./clients");
const run_1 = require("./run");
const servers_1 = require("./servers");
/** Appends with and without the correlation index. */
function indexCost(run) {
    const { settings, peaks } = run;
    const title = 'correlation index on and off';
    const about = `Durability: ${servers_1.durability.interval}. Two gateways with a store each on one server; off: what notes and writes the ` +
        'index is replaced by what does nothing (bench/without-index.ts). Every commit has a correlation id of its own.';
    return (0, run_1.runTable)(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
        const env_1 = { stack: [], error: void 0, hasError: false };
        try {
            const nats = __addDisposableResource(env_1, await (0, servers_1.startBenchNats)('interval'), true);
            const on = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({ name: `${title}: on`, nats, peaks }), true);
            const off = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({
                name: `${title}: off`,
                nats,
                peaks,
                args: ['--store-name=UNINDEXED', '--store-prefix=unindexed'],
                preload: (0, node_path_1.join)(__dirname, 'without-index.js'),
            }), true);
            const onClients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, on.address, nats.url), true);
            const offClients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, off.address, nats.url), true);
            const table = await use({
                sides: [
                    { label: 'on', clients: onClients, peer: 'generated' },
                    { label: 'off', clients: offClients, peer: 'generated' },
                ],
                settle: on.caughtUp,
            });
            if ((await off.indexPosition()) !== 0n)
                throw new Error('the index was written although it was off');
            return table;
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
function rows(sizes) {
    return [1, 10].map((events) => {
        const operation = {
            kind: 'append',
            streams: `indexed-${events}`,
            events,
            callsPerStream: Number.MAX_SAFE_INTEGER,
            version: 0,
        };
        // Long slots, since the index is written about once a second.
        return {
            what: `append of ${(0, run_1.plural)(events, 'event')}`,
            callers: sizes.manyCallers,
            callsEach: (0, run_1.calls)(600, sizes),
            events,
            operations: [operation, operation],
        };
    });
}
