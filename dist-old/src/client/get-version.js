"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.getVersion = getVersion;
exports.toStreamHead = toStreamHead;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const calls_1 = require("./calls");
const text_1 = require("./text");
const time_1 = require("./time");
async function getVersion(channel, stream, { asOf, ...options }) {
    const request = event_store_service_1.GetVersionRequest.encode({ stream, asOf: (0, time_1.toTimestamp)(asOf, 'asOf') }, (0, text_1.writer)()).finish();
    return toStreamHead(await (0, calls_1.unary)(channel, event_store_service_1.EventStoreServiceService.getVersion, request, options));
}
function toStreamHead({ version, position, commitTime }) {
    return { version, position, ...(0, time_1.toMaybeCommitTime)(commitTime) };
}
