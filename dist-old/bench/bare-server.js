"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
const grpc_js_1 = require("@grpc/grpc-js");
const event_store_service_1 = require("../generated/sluice/v1/event_store_service");
const server = new grpc_js_1.Server();
server.addService(event_store_service_1.EventStoreServiceService, {
    append({ request }, answer) {
        const { expectedVersion = 0n, events } = request;
        answer(null, event_store_service_1.AppendResponse.fromPartial({ version: expectedVersion + BigInt(events.length) }));
    },
    getVersion(_call, answer) {
        answer(null, event_store_service_1.GetVersionResponse.fromPartial({ version: 1n }));
    },
});
server.bindAsync(process.argv[2] ?? '', grpc_js_1.ServerCredentials.createInsecure(), (error) => {
    if (error !== null)
        throw error;
});
