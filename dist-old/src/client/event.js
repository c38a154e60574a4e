"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.toProtoEvent = toProtoEvent;
exports.toRecordedEvent = toRecordedEvent;
const time_1 = require("./time");
function toProtoEvent(event) {
    const { id = '', type, contentType = '', correlationId = '', causationId = '', tags = [] } = event;
    const payload = toPayload(event.data);
    const metadata = toMap(event.metadata);
    return { id, type, payload, contentType, correlationId, causationId, tags: [...tags], metadata };
}
function toPayload(data) {
    if (data === undefined)
        return undefined;
    if (typeof data === 'string')
        return { $case: 'text', value: data };
    return { $case: 'binary', value: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
}
function toMap(metadata = {}) {
    return new Map(Symbol.iterator in metadata ? metadata : Object.entries(metadata));
}
function toRecordedEvent(event) {
    const { stream, version, position, id, type, payload, contentType, correlationId, causationId } = event;
    const { commitTime, commitTimeNanos } = (0, time_1.toCommitTime)(event.commitTime ?? epoch);
    return {
        stream,
        version,
        position,
        commitTime,
        commitTimeNanos,
        id,
        type,
        data: payload?.value,
        contentType,
        correlationId,
        causationId,
        tags: event.tags,
        metadata: event.metadata,
    };
}
/** No gateway leaves the time out. */
const epoch = { seconds: 0n, nanos: 0 };
