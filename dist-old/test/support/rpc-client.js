"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.connectRpc = connectRpc;
exports.messagesOf = messagesOf;
const grpc_js_1 = require("@grpc/grpc-js");
const health_1 = require("../../generated/grpc/health/v1/health");
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const rpc_failure_1 = require("./rpc-failure");
const channelOptions = {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.min_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 200,
};
/** For calls that set none, so that a test which hangs ends with a reason. */
const deadlineMs = 30_000;
/** Connects to a gateway at host:port in plain text. */
function connectRpc(address) {
    const raw = new event_store_service_1.EventStoreServiceClient(address, grpc_js_1.credentials.createInsecure(), channelOptions);
    const health = new health_1.HealthClient(address, grpc_js_1.credentials.createInsecure(), channelOptions);
    const none = new grpc_js_1.Metadata();
    return {
        append: (request, options) => unary((done) => raw.append(event_store_service_1.AppendRequest.fromPartial(request), none, bounded(options), done)),
        readStream: (request, options) => collect(raw.readStream(event_store_service_1.ReadStreamRequest.fromPartial(request), bounded(options))),
        getVersion: (request, options) => unary((done) => raw.getVersion(event_store_service_1.GetVersionRequest.fromPartial(request), none, bounded(options), done)),
        readByCorrelation: (request, options) => collect(raw.readByCorrelation(event_store_service_1.ReadByCorrelationRequest.fromPartial(request), bounded(options))),
        readAll: (request = {}, options = {}) => collect(raw.readAll(event_store_service_1.ReadAllRequest.fromPartial(request), bounded(options))),
        async *subscribe(request = {}, options = {}) {
            const call = raw.subscribe(event_store_service_1.SubscribeRequest.fromPartial(request), options);
            try {
                yield* messagesOf(call);
            }
            finally {
                call.on('error', () => undefined);
                call.cancel();
            }
        },
        async listStreams(request = {}, options = {}) {
            const streams = [];
            const call = raw.listStreams(event_store_service_1.ListStreamsRequest.fromPartial(request), bounded(options));
            for await (const message of messagesOf(call))
                streams.push(...message.streams);
            return streams;
        },
        serverInfo: () => unary((done) => raw.getServerInfo({}, none, bounded(), done)),
        async health(service = '') {
            const { status } = await unary((done) => health.check({ service }, none, bounded(), done));
            return status;
        },
        raw,
        [Symbol.dispose]() {
            raw.close();
            health.close();
        },
    };
}
function bounded(options = {}) {
    return { deadline: Date.now() + deadlineMs, ...options };
}
function unary(call) {
    return new Promise((resolve, reject) => {
        call((error, response) => {
            if (error === null)
                resolve(response);
            else
                reject(new rpc_failure_1.RpcFailure(error));
        });
    });
}
/** The messages of a server stream as they come; fails with RpcFailure. */
async function* messagesOf(call) {
    try {
        for await (const message of call)
            yield message;
    }
    catch (error) {
        throw isServiceError(error) ? new rpc_failure_1.RpcFailure(error) : error;
    }
}
function isServiceError(error) {
    return error instanceof Error && 'code' in error && 'metadata' in error;
}
async function collect(call) {
    const messages = [];
    for await (const message of messagesOf(call))
        messages.push(message);
    const events = messages.flatMap((message) => message.events);
    const header = messages[0]?.header;
    const end = messages.at(-1)?.end;
    if (header === undefined || end === undefined)
        throw new Error('a read ended with OK, but without its end');
    if (messages.slice(1).some((message) => message.header !== undefined))
        throw new Error('two headers');
    if (messages.slice(0, -1).some((message) => message.end !== undefined))
        throw new Error('two ends');
    if (end.eventCount !== BigInt(events.length)) {
        throw new Error(`${events.length} events came, the end says ${end.eventCount.toString()}`);
    }
    const position = messages.findLast((message) => message.position !== undefined)?.position;
    return { header, events, end, messageCount: messages.length, position };
}
