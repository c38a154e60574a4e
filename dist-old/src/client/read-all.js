"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.readAll = readAll;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const event_place_1 = require("./event-place");
const numbers_1 = require("./numbers");
const read_1 = require("./read");
const text_1 = require("./text");
const time_1 = require("./time");
function readAll(channel, options) {
    const { direction = 'forward' } = options;
    const { afterPosition, isBeyond } = (0, event_place_1.beyond)(options.after, direction);
    const request = {
        patterns: [...(options.patterns ?? [])],
        afterPosition,
        toPosition: (0, numbers_1.toUint64)(options.toPosition ?? 0, 'toPosition'),
        direction: read_1.directions[direction],
        maxCount: (0, numbers_1.toUint64)(options.maxCount ?? 0, 'maxCount'),
        fromTime: (0, time_1.toTimestamp)(options.fromTime, 'fromTime'),
        toTime: (0, time_1.toTimestamp)(options.toTime, 'toTime'),
        eventTypes: [...(options.eventTypes ?? [])],
        eventTypePrefixes: [...(options.eventTypePrefixes ?? [])],
        page: (0, read_1.toPageHint)(options.page),
    };
    const bytes = event_store_service_1.ReadAllRequest.encode(request, (0, text_1.writer)()).finish();
    const { readAll: method } = event_store_service_1.EventStoreServiceService;
    return (0, read_1.eventRead)(() => (0, calls_1.serverStream)(channel, method, bytes, options), ({ position }) => ({ position }), options.signal, isBeyond);
}
