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
exports.grpcFloor = grpcFloor;
const clients_1 = require("./clients");
const job_1 = require("./job");
const prefill_1 = require("./prefill");
const run_1 = require("./run");
const servers_1 = require("./servers");
const versionStreams = { prefix: 'version', count: 64 };
/** The gateway beside a gRPC server that does nothing: what is left of a call without Sluice and NATS. */
function grpcFloor(run) {
    const { settings, peaks } = run;
    const title = 'gateway and bare gRPC';
    const about = `Durability: ${servers_1.durability.interval}. Bare: the same generated service on grpc-js, with handlers that answer at once ` +
        'and keep nothing (bench/bare-server.ts): no gateway on grpc-js is faster on this machine.';
    return (0, run_1.runTable)(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
        const env_1 = { stack: [], error: void 0, hasError: false };
        try {
            const nats = __addDisposableResource(env_1, await (0, servers_1.startBenchNats)('interval'), true);
            const gateway = __addDisposableResource(env_1, await (0, servers_1.startBenchGateway)({ name: title, nats, peaks }), true);
            const bare = __addDisposableResource(env_1, await (0, servers_1.startBareServer)(), true);
            await (0, prefill_1.prefill)(nats.url, Array.from({ length: versionStreams.count }, (_, i) => ({
                stream: (0, job_1.streamName)(versionStreams.prefix, 0, i),
                events: 1,
            })));
            const gatewayClients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, gateway.address, nats.url), true);
            const bareClients = __addDisposableResource(env_1, await (0, clients_1.startClients)(settings.clients, bare.address, nats.url), true);
            return await use({
                sides: [
                    { label: 'gateway', clients: gatewayClients, peer: 'generated' },
                    { label: 'bare', clients: bareClients, peer: 'generated' },
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
function rows(sizes) {
    const version = { kind: 'version', streams: versionStreams, version: 1 };
    return [1, sizes.manyCallers].flatMap((callers) => {
        const callsEach = (0, run_1.calls)(callers === 1 ? 2_000 : 250, sizes);
        const append = {
            kind: 'append',
            streams: `floor-${callers}`,
            events: 1,
            callsPerStream: Number.MAX_SAFE_INTEGER,
            version: 0,
        };
        return [
            { what: 'append of 1 event', callers, callsEach, events: 1, operations: [append, append] },
            { what: 'GetVersion', callers, callsEach, events: 0, operations: [version, version] },
        ];
    });
}
