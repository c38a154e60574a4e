"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.newEvents = newEvents;
const field_checks_1 = require("./field-checks");
const ids_1 = require("./ids");
/** Parses the events of one append. What is wrong goes to `findings`; the result counts only if nothing is. */
function newEvents(stream, events, limits, findings) {
    const { appendEventsMax, appendBytesMax, eventBytesMax } = limits;
    if (events.length > appendEventsMax) {
        findings.add('events', (0, field_checks_1.excess)(events.length, 'events', appendEventsMax));
        return [];
    }
    const parsed = [];
    const firstWithId = new Map();
    let bytesInAll = 0;
    for (const [index, raw] of events.entries()) {
        if (findings.full)
            break;
        const path = `events[${index}]`;
        checkEvent(raw, path, limits, findings);
        if (raw.id !== '') {
            const first = firstWithId.get(raw.id);
            if (first === undefined)
                firstWithId.set(raw.id, index);
            else
                findings.add(`${path}.id`, `is also the id of events[${first}]: ${(0, field_checks_1.shown)(raw.id)}`);
        }
        const event = withDefaults(raw);
        const bytes = stream.length + storedBytes(event);
        if (bytes > eventBytesMax)
            findings.add(path, (0, field_checks_1.excess)(bytes, 'bytes', eventBytesMax));
        bytesInAll += bytes;
        parsed.push(event);
    }
    if (bytesInAll > appendBytesMax)
        findings.add('events', (0, field_checks_1.excess)(bytesInAll, 'bytes', appendBytesMax));
    return parsed;
}
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const controlCharacter = /[\x00-\x1f\x7f-\x9f]/;
function checkEvent(raw, path, limits, findings) {
    if (raw.type === '')
        findings.add(`${path}.type`, 'is required');
    (0, field_checks_1.checkLabel)(raw.type, `${path}.type`, limits, findings);
    if (controlCharacter.test(raw.type)) {
        findings.add(`${path}.type`, `has control characters: ${(0, field_checks_1.shown)(raw.type)}`);
    }
    (0, field_checks_1.checkLabel)(raw.contentType, `${path}.content_type`, limits, findings);
    if (raw.id !== '')
        (0, field_checks_1.checkId)(raw.id, `${path}.id`, limits, findings);
    if (raw.correlationId !== '')
        (0, field_checks_1.checkId)(raw.correlationId, `${path}.correlation_id`, limits, findings);
    if (raw.causationId !== '')
        (0, field_checks_1.checkId)(raw.causationId, `${path}.causation_id`, limits, findings);
    checkTags(raw.tags, `${path}.tags`, limits, findings);
    checkMetadata(raw.metadata, `${path}.metadata`, limits, findings);
}
function checkTags(tags, field, limits, findings) {
    if (tags.length > limits.tagsMax) {
        findings.add(field, (0, field_checks_1.excess)(tags.length, 'tags', limits.tagsMax));
        return;
    }
    for (const [index, tag] of tags.entries()) {
        if (tag === '')
            findings.add(`${field}[${index}]`, 'is empty');
        (0, field_checks_1.checkLabel)(tag, `${field}[${index}]`, limits, findings);
    }
}
function checkMetadata(metadata, field, limits, findings) {
    const { metadataEntriesMax, metadataBytesMax } = limits;
    if (metadata.size > metadataEntriesMax) {
        findings.add(field, (0, field_checks_1.excess)(metadata.size, 'entries', metadataEntriesMax));
        return;
    }
    for (const key of metadata.keys()) {
        if (key === '')
            findings.add(field, 'has an empty key');
        (0, field_checks_1.checkLabel)(key, `${field}[${(0, field_checks_1.shown)(key)}]`, limits, findings);
    }
    const bytes = metadataBytes(metadata);
    if (bytes > metadataBytesMax)
        findings.add(field, (0, field_checks_1.excess)(bytes, 'bytes', metadataBytesMax));
}
function metadataBytes(metadata) {
    let bytes = 0;
    for (const [key, value] of metadata)
        bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    return bytes;
}
/** Bytes of what the event says: slightly less than it takes when stored, which the store checks to the byte. */
function storedBytes(event) {
    const { payload } = event;
    let bytes = event.id.length + event.correlationId.length + event.causationId.length;
    bytes += Buffer.byteLength(event.type) + Buffer.byteLength(event.contentType);
    if (payload?.$case === 'text')
        bytes += Buffer.byteLength(payload.value);
    if (payload?.$case === 'binary')
        bytes += payload.value.length;
    for (const tag of event.tags)
        bytes += Buffer.byteLength(tag);
    return bytes + metadataBytes(event.metadata);
}
function withDefaults(raw) {
    const id = raw.id === '' ? (0, ids_1.uuidV7)() : raw.id;
    return {
        id,
        type: raw.type,
        payload: raw.payload,
        contentType: raw.contentType,
        correlationId: raw.correlationId === '' ? id : raw.correlationId,
        causationId: raw.causationId === '' ? id : raw.causationId,
        tags: raw.tags,
        metadata: raw.metadata,
    };
}
