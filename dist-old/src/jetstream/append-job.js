"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.bodyBytesLimit = bodyBytesLimit;
exports.eventBytesLimit = eventBytesLimit;
exports.prepare = prepare;
const errors_1 = require("../store/errors");
const ids_1 = require("../store/ids");
const commit_codec_1 = require("./commit-codec");
const index_record_1 = require("./index-record");
const violationsMax = 32;
/** Bytes of events that fit into one NATS message. */
function bodyBytesLimit({ pool }) {
    return pool.append().maxPayloadBytes - commit_codec_1.headerRoomBytes;
}
/** Bytes of one event as stored: it must fit into one NATS message. */
function eventBytesLimit(context) {
    return Math.min(context.limits.eventBytesMax, bodyBytesLimit(context) - commit_codec_1.framingBytesMax);
}
/** Encodes the events. Throws InvalidRequestError. */
function prepare(context, { stream, events, expectedVersion, commitId }) {
    const eventBytesMax = eventBytesLimit(context);
    const { appendBytesMax } = context.limits;
    const bodyBytesMax = bodyBytesLimit(context);
    const encoded = events.map((event) => (0, commit_codec_1.encodeEvent)(stream, event));
    const bytes = encoded.reduce((sum, { length }) => sum + length + commit_codec_1.framingBytesMax, 0);
    const violations = [];
    for (const [index, { length }] of encoded.entries()) {
        if (length <= eventBytesMax)
            continue;
        violations.push({
            field: `events[${index.toString()}]`,
            description: `has ${length.toString()} bytes as stored, more than the ${eventBytesMax.toString()} of one event`,
        });
    }
    if (bytes > appendBytesMax) {
        violations.push({
            field: 'events',
            description: `have ${bytes.toString()} bytes as stored, more than the ${appendBytesMax.toString()} of one append`,
        });
    }
    const messages = bytes > bodyBytesMax ? (0, commit_codec_1.messageCount)(encoded, bodyBytesMax) : 1;
    if (messages > commit_codec_1.batchMessagesMax) {
        violations.push({
            field: 'events',
            description: `take ${messages.toString()} NATS messages, more than the ${commit_codec_1.batchMessagesMax.toString()} of one batch`,
        });
    }
    if (violations.length > 0)
        throw new errors_1.InvalidRequestError(violations.slice(0, violationsMax));
    return {
        stream,
        encoded,
        bytes,
        keyHashes: (0, index_record_1.hashKeys)(events.map(({ correlationId }) => correlationId)),
        expected: expectedVersion,
        commitId: commitId ?? (0, ids_1.uuidV7)(),
        repeatable: commitId !== undefined,
    };
}
