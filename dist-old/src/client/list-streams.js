"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.listStreams = listStreams;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const get_version_1 = require("./get-version");
const numbers_1 = require("./numbers");
const text_1 = require("./text");
/** Each loop over the result is a call of its own. */
function listStreams(channel, options) {
    const { pattern = '', after = '', maxCount = 0, signal } = options;
    const request = { pattern, after, maxCount: (0, numbers_1.toUint64)(maxCount, 'maxCount') };
    const bytes = event_store_service_1.ListStreamsRequest.encode(request, (0, text_1.writer)()).finish();
    const { listStreams: method } = event_store_service_1.EventStoreServiceService;
    return {
        async *[Symbol.asyncIterator]() {
            for await (const { streams } of (0, calls_1.serverStream)(channel, method, bytes, options)) {
                for (const summary of streams) {
                    signal?.throwIfAborted();
                    const { stream, unreadable } = summary;
                    yield { stream, ...(0, get_version_1.toStreamHead)(summary), unreadable };
                }
            }
        },
    };
}
