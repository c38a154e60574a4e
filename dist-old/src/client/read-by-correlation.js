"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.readByCorrelation = readByCorrelation;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const numbers_1 = require("./numbers");
const read_1 = require("./read");
const text_1 = require("./text");
function readByCorrelation(channel, correlationId, options) {
    const request = {
        correlationId,
        eventTypes: [...(options.eventTypes ?? [])],
        maxCount: (0, numbers_1.toUint64)(options.maxCount ?? 0, 'maxCount'),
        page: (0, read_1.toPageHint)(options.page),
    };
    const bytes = event_store_service_1.ReadByCorrelationRequest.encode(request, (0, text_1.writer)()).finish();
    const { readByCorrelation: method } = event_store_service_1.EventStoreServiceService;
    return (0, read_1.eventRead)(() => (0, calls_1.serverStream)(channel, method, bytes, options), ({ position }) => ({ position }), options.signal);
}
