"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.readStream = readStream;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const get_version_1 = require("./get-version");
const numbers_1 = require("./numbers");
const read_1 = require("./read");
const text_1 = require("./text");
const time_1 = require("./time");
const consistencies = { leader: event_store_service_1.Consistency.LEADER, anyReplica: event_store_service_1.Consistency.ANY_REPLICA };
function readStream(channel, stream, options) {
    const request = {
        stream,
        fromVersion: (0, numbers_1.toUint64)(options.fromVersion ?? 0, 'fromVersion'),
        toVersion: (0, numbers_1.toUint64)(options.toVersion ?? 0, 'toVersion'),
        direction: read_1.directions[options.direction ?? 'forward'],
        maxCount: (0, numbers_1.toUint64)(options.maxCount ?? 0, 'maxCount'),
        fromTime: (0, time_1.toTimestamp)(options.fromTime, 'fromTime'),
        toTime: (0, time_1.toTimestamp)(options.toTime, 'toTime'),
        eventTypes: [...(options.eventTypes ?? [])],
        page: (0, read_1.toPageHint)(options.page),
        consistency: consistencies[options.consistency ?? 'leader'],
    };
    const bytes = event_store_service_1.ReadStreamRequest.encode(request, (0, text_1.writer)()).finish();
    const { readStream: method } = event_store_service_1.EventStoreServiceService;
    return (0, read_1.eventRead)(() => (0, calls_1.serverStream)(channel, method, bytes, options), get_version_1.toStreamHead, options.signal);
}
