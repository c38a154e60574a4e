"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.startGrpcServer = startGrpcServer;
const promises_1 = require("node:fs/promises");
const node_tls_1 = require("node:tls");
const grpc_js_1 = require("@grpc/grpc-js");
const reflection_1 = require("../../generated/grpc/reflection/v1/reflection");
const reflection_2 = require("../../generated/grpc/reflection/v1alpha/reflection");
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const health_1 = require("./health");
const http2_server_1 = require("./http2-server");
const reflection_3 = require("./reflection");
const service_1 = require("./service");
const eventStore = 'sluice.v1.EventStoreService';
const services = [
    eventStore,
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
];
/** Serves a store over gRPC. Throws if the address cannot be listened on, or a file not be read. */
async function startGrpcServer(options) {
    const { address, store, limits, about, log } = options;
    const calls = (0, calls_1.createCalls)(limits, log);
    const server = new grpc_js_1.Server({
        'grpc.max_receive_message_length': limits.requestBytesMax,
        'grpc.max_send_message_length': -1, // a single event may be larger than the default, and all are bounded before
        'grpc.max_concurrent_streams': limits.connectionStreamsMax,
        'grpc.keepalive_time_ms': limits.keepaliveIntervalMs,
        'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    });
    add(server, event_store_service_1.EventStoreServiceService, (0, service_1.createService)({ store, limits, about, calls }));
    const health = (0, health_1.addHealth)(server, [eventStore], calls);
    const reflection = {
        serverReflectionInfo: calls.questions(reflection_1.ServerReflectionRequest, (0, reflection_3.createReflect)(services)),
    };
    add(server, reflection_1.ServerReflectionService, reflection);
    add(server, reflection_2.ServerReflectionService, reflection);
    const port = await listen(server, address, await credentialsOf(options.tls));
    const endConnections = (0, http2_server_1.adjustHttp2)(server);
    let closed;
    return {
        address: address.replace(/\d+$/, port.toString()),
        port,
        setServing: health.setServing,
        close() {
            health.setServing(false);
            calls.endOpenCalls();
            return (closed ??= shutDown(server, endConnections, limits.shutdownTimeoutMs, log));
        },
    };
}
/**
 * Adds a service whose requests are decoded by its handlers, and whose streams are encoded by them: what goes wrong in a
 * deserializer of grpc-js cannot be answered with a typed error, and events are relayed as they are stored.
 */
function add(server, definition, implementation) {
    const asBytes = ([name, method]) => {
        const encoded = method.responseStream && !method.requestStream;
        return [
            name,
            { ...method, requestDeserialize: sameBytes, ...(encoded ? { responseSerialize: sameBytes } : {}) },
        ];
    };
    server.addService(Object.fromEntries(Object.entries(definition).map(asBytes)), implementation);
}
function sameBytes(bytes) {
    return bytes;
}
async function credentialsOf(tls) {
    if (tls === undefined)
        return grpc_js_1.ServerCredentials.createInsecure();
    const { certFile, keyFile, clientCaFile } = tls;
    const [cert, key, clientCa] = await Promise.all([
        (0, promises_1.readFile)(certFile),
        (0, promises_1.readFile)(keyFile),
        clientCaFile === undefined ? null : (0, promises_1.readFile)(clientCaFile),
    ]);
    try {
        (0, node_tls_1.createSecureContext)({ cert, key, ...(clientCa === null ? {} : { ca: clientCa }) });
    }
    catch (error) {
        const files = [certFile, keyFile, clientCaFile].filter((file) => file !== undefined).join(', ');
        throw new Error(`the TLS files cannot be used (${files}): ${error.message}`, { cause: error });
    }
    return grpc_js_1.ServerCredentials.createSsl(clientCa, [{ cert_chain: cert, private_key: key }], clientCa !== null);
}
/** Resolves with the port. */
function listen(server, address, credentials) {
    return new Promise((resolve, reject) => {
        server.bindAsync(address, credentials, (error, port) => {
            if (error === null)
                resolve(port);
            else
                reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
        });
    });
}
function shutDown(server, endConnections, timeoutMs, log) {
    return new Promise((resolve) => {
        const timer = setTimeout(() => {
            log.warn({ timeoutMs }, 'calls are still under way; cutting them off');
            server.forceShutdown();
            endConnections();
        }, timeoutMs);
        server.tryShutdown(() => {
            clearTimeout(timer);
            resolve();
        });
    });
}
