"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.openChannel = openChannel;
const node_events_1 = require("node:events");
const grpc_js_1 = require("@grpc/grpc-js");
const errors_1 = require("./errors");
const defaultDeadlineMs = 15_000;
const defaultChannelOptions = {
    // One connection for each client, whatever other clients the process has.
    'grpc.use_local_subchannel_pool': 1,
    // Retries belong to the caller. What remains is gRPC's transparent retry, of calls that no server has looked at.
    'grpc.service_config_disable_resolution': 1,
    // The gateway bounds what it sends; one event may be larger than gRPC's default of 4 MiB.
    'grpc.max_receive_message_length': -1,
    // Room for a few pages of events on their way: with HTTP/2's 64 KiB, distance would set the pace.
    'grpc-node.flow_control_window': 1 << 20,
    // A connection that died silently must not keep its calls.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    // A gateway that was restarted is found again within seconds; gRPC's default goes up to two minutes.
    'grpc.initial_reconnect_backoff_ms': 250,
    'grpc.max_reconnect_backoff_ms': 5_000,
};
/** Connects with the first call. Throws what grpc-js throws for an address, certificate or metadata it cannot use. */
function openChannel(address, options) {
    const client = new grpc_js_1.Client(address, credentialsOf(options.tls), {
        ...defaultChannelOptions,
        ...options.channelOptions,
    });
    const metadata = new grpc_js_1.Metadata();
    for (const [key, value] of Object.entries(options.metadata ?? {}))
        metadata.set(key, value);
    const closing = new AbortController();
    (0, node_events_1.setMaxListeners)(0, closing.signal); // one for each subscription
    return {
        get client() {
            closing.signal.throwIfAborted();
            return client;
        },
        closed: closing.signal,
        metadata,
        deadlineMs: options.deadlineMs ?? defaultDeadlineMs,
        close() {
            closing.abort(new errors_1.CancelledError('the client is closed', { status: grpc_js_1.status.CANCELLED }));
            client.close();
        },
    };
}
function credentialsOf(tls) {
    if (tls === undefined)
        return grpc_js_1.credentials.createInsecure();
    const { ca, cert, key } = tls === true ? {} : tls;
    return grpc_js_1.credentials.createSsl(pem(ca), pem(key), pem(cert));
}
function pem(text) {
    return text === undefined ? null : Buffer.from(text);
}
