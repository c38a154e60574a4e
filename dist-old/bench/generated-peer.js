"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.generatedPeer = generatedPeer;
const grpc_js_1 = require("@grpc/grpc-js");
const event_store_service_1 = require("../generated/sluice/v1/event_store_service");
/** The gateway through the generated client on one channel with the default options of grpc-js. */
function generatedPeer(address) {
    const client = new event_store_service_1.EventStoreServiceClient(address, grpc_js_1.credentials.createInsecure());
    return {
        async append(stream, events, version) {
            const expectedVersion = BigInt(version);
            const request = { stream, events: [...events], expectedVersion, commitId: '', withCommitTime: false };
            const response = await unary((done) => client.append(request, done));
            if (response.version !== expectedVersion + BigInt(events.length))
                throw new Error('a wrong version');
        },
        read: (stream, range) => readAll(client.readStream(toRequest(stream, range))),
        async version(stream) {
            const response = await unary((done) => client.getVersion({ stream, asOf: undefined }, done));
            return Number(response.version);
        },
        correlation: (id) => readAll(client.readByCorrelation(event_store_service_1.ReadByCorrelationRequest.fromPartial({ correlationId: id }))),
        catchUp: (pattern, events) => new Promise((resolve, reject) => {
            let left = events;
            const request = { patterns: pattern === '>' ? [] : [pattern] };
            const call = client.subscribe(event_store_service_1.SubscribeRequest.fromPartial(request));
            call.on('error', reject);
            call.on('data', (message) => {
                left -= message.events.length;
                if (left > 0)
                    return;
                if (left < 0)
                    reject(new Error(`${-left} events too many came`));
                resolve();
                call.cancel();
            });
        }),
        follow: (pattern, onEvent) => new Promise((resolve, reject) => {
            const call = client.subscribe(event_store_service_1.SubscribeRequest.fromPartial({ patterns: [pattern], fromNow: true }));
            call.on('error', reject);
            call.on('data', ({ events, notice }) => {
                for (const { id } of events)
                    onEvent(id);
                if (notice?.$case !== 'caughtUp')
                    return;
                resolve(() => {
                    call.cancel();
                });
            });
        }),
    };
}
function toRequest(stream, range) {
    if (range === 'all')
        return event_store_service_1.ReadStreamRequest.fromPartial({ stream });
    if ('from' in range)
        return event_store_service_1.ReadStreamRequest.fromPartial({ stream, fromVersion: range.from });
    return event_store_service_1.ReadStreamRequest.fromPartial({ stream, direction: event_store_service_1.Direction.BACKWARD, maxCount: range.last });
}
function unary(call) {
    return new Promise((resolve, reject) => {
        call((error, response) => {
            if (error === null)
                resolve(response);
            else
                reject(error);
        });
    });
}
function readAll(call) {
    return new Promise((resolve, reject) => {
        let count = 0;
        let ended = false;
        call.on('data', ({ events, end }) => {
            count += events.length;
            ended ||= end !== undefined;
        });
        call.on('error', reject);
        call.on('end', () => {
            if (ended)
                resolve(count);
            else
                reject(new Error('a read without an end'));
        });
    });
}
