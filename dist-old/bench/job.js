"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.streamName = streamName;
exports.correlationId = correlationId;
/** The name of a caller's stream. */
function streamName(prefix, caller, index) {
    return `${prefix}.${caller}-${index}`;
}
function correlationId(index) {
    return `transaction-${index}`;
}
