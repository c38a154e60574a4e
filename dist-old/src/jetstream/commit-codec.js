"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.CommitAssembler = exports.framingBytesMax = exports.headerRoomBytes = exports.batchMessagesMax = void 0;
exports.encodeEvent = encodeEvent;
exports.messageCount = messageCount;
exports.toMessages = toMessages;
exports.readPart = readPart;
exports.positionOf = positionOf;
exports.asPart = asPart;
exports.unreadable = unreadable;
const event_1 = require("../../generated/sluice/v1/event");
const commit_record_1 = require("../store/commit-record");
const errors_1 = require("../store/errors");
const values_1 = require("../store/values");
const message_1 = require("./message");
/**
 * How a commit lies in JetStream (docs/storage.md): one message, or, if that were larger than the server takes,
 * several in one atomic batch, its parts. The position of a commit is the sequence of its last part.
 */
const header = {
    /** The commit id; for the second and later parts `<commit id>:<part>`. */
    messageId: 'Nats-Msg-Id',
    /** The sequence of the stream's previous commit, 0 for the first; absent on second and later parts. */
    previous: 'Nats-Expected-Last-Subject-Sequence',
    /** The version of the stream after this message. */
    version: 'Sluice-Version',
    /** The number of events in this message. */
    count: 'Sluice-Count',
    /** `<part>/<parts>`, 1-based; absent if there is only one. */
    part: 'Sluice-Part',
};
/** Messages that a NATS server takes in one atomic batch. */
exports.batchMessagesMax = 1_000;
/** Room that the headers of one message may need, with what the server adds. */
exports.headerRoomBytes = 1_024;
/** An event as it is stored, but for its version, which is known only when the commit is published. */
function encodeEvent(stream, event) {
    return event_1.RecordedEvent.encode({
        id: event.id,
        stream,
        version: 0n,
        type: event.type,
        payload: event.payload,
        contentType: event.contentType,
        correlationId: event.correlationId,
        causationId: event.causationId,
        tags: event.tags,
        metadata: event.metadata,
        position: 0n,
        commitTime: undefined,
    }).finish();
}
const versionTag = 3 << 3;
/** Bytes that framing and version add to an event at most: two tags, a length and a 64-bit number. */
exports.framingBytesMax = 2 + 5 + 10;
/** How many messages a commit takes. */
function messageCount(encoded, bodyBytesMax) {
    return group(encoded, bodyBytesMax).length;
}
/** Divides a commit into as few messages as the server's limit allows; usually one. */
function toMessages(subject, encoded, commit, bodyBytesMax) {
    const groups = group(encoded, bodyBytesMax);
    let version = commit.firstVersion;
    return groups.map((events, index) => {
        const body = frameEvents(events, version);
        version += BigInt(events.length);
        const headers = {
            [header.messageId]: index === 0 ? commit.commitId : `${commit.commitId}:${(index + 1).toString()}`,
            [header.version]: (version - 1n).toString(),
            [header.count]: events.length.toString(),
        };
        if (index === 0)
            headers[header.previous] = commit.previous.toString();
        if (groups.length > 1)
            headers[header.part] = `${(index + 1).toString()}/${groups.length.toString()}`;
        return { subject, headers, body };
    });
}
function group(encoded, bodyBytesMax) {
    const groups = [];
    let bytes = Infinity;
    for (const event of encoded) {
        const size = event.length + exports.framingBytesMax;
        if (bytes + size > bodyBytesMax) {
            groups.push([]);
            bytes = 0;
        }
        groups.at(-1)?.push(event);
        bytes += size;
    }
    return groups;
}
/** The events as field 1 of a CommitRecord, each with its version appended. */
function frameEvents(events, firstVersion) {
    const bytes = events.reduce((sum, event) => sum + event.length + exports.framingBytesMax, 0);
    const body = Buffer.allocUnsafe(bytes);
    let at = 0;
    let version = Number(firstVersion);
    for (const event of events) {
        const versionBytes = varintBytes(version);
        body[at++] = commit_record_1.eventsTag;
        at = writeVarint(body, at, event.length + 1 + versionBytes);
        body.set(event, at);
        at += event.length;
        body[at++] = versionTag;
        at = writeVarint(body, at, version);
        version++;
    }
    return body.subarray(0, at);
}
function varintBytes(value) {
    let bytes = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128))
        bytes++;
    return bytes;
}
function writeVarint(target, start, value) {
    let at = start;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128))
        target[at++] = (rest % 128) | 0x80;
    target[at++] = rest;
    return at;
}
const digits = /^\d{1,19}$/;
const partOf = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/;
/** Reads the headers of a stored message. Throws UnreadableCommitError if Sluice did not write it. */
function readPart(stream, message) {
    const version = number((0, message_1.publishedHeader)(message.headers, header.version));
    const count = number((0, message_1.publishedHeader)(message.headers, header.count));
    const messageId = (0, message_1.publishedHeader)(message.headers, header.messageId);
    if (version === undefined ||
        count === undefined ||
        messageId === undefined ||
        count < 1n ||
        count > version) {
        throw unreadable(stream, message.sequence, 'its headers are not those of a commit');
    }
    const [, part, parts] = partOf.exec((0, message_1.publishedHeader)(message.headers, header.part) ?? '1/1') ?? [];
    const isFirst = part === '1';
    const previous = isFirst ? number((0, message_1.publishedHeader)(message.headers, header.previous)) : undefined;
    if (part === undefined || (isFirst && previous === undefined) || Number(part) > Number(parts)) {
        throw unreadable(stream, message.sequence, 'its headers are not those of a commit');
    }
    return {
        stream,
        sequence: message.sequence,
        timeNanos: message.timeNanos,
        firstVersion: version - count + 1n,
        lastVersion: version,
        commitId: messageId.split(':', 1)[0],
        previous,
        part: Number(part),
        parts: Number(parts),
        body: message.body,
    };
}
/** The position of the commit that a message belongs to: the sequence of its last part. */
function positionOf({ sequence, part, parts }) {
    return sequence + BigInt(parts - part);
}
function number(text) {
    return text !== undefined && digits.test(text) ? BigInt(text) : undefined;
}
/**
 * Puts parts together. Give it messages in order, of one stream or of the whole log, where the parts of a commit follow
 * one another; it answers whole commits.
 */
class CommitAssembler {
    commitBytesMax;
    pending = [];
    pendingBytes = 0;
    /** `commitBytesMax` bounds what is kept of a commit whose end has not come. */
    constructor(commitBytesMax) {
        this.commitBytesMax = commitBytesMax;
    }
    /** The sequence of the first part of the commit whose end has not come, if there is one. */
    get pendingFrom() {
        return this.pending[0]?.sequence;
    }
    /** The commit that this part completes, or undefined. Throws UnreadableCommitError. */
    add(part) {
        checkRecord(part);
        if (part.parts === 1 && this.pending.length === 0)
            return toCommit(part, part, part.body);
        const last = this.pending.at(-1);
        const fits = last === undefined
            ? part.part === 1
            : part.part === last.part + 1 &&
                part.parts === last.parts &&
                part.commitId === last.commitId &&
                part.stream === last.stream;
        this.pendingBytes += part.body.length;
        if (!fits || this.pendingBytes > this.commitBytesMax) {
            throw unreadable(part.stream, part.sequence, 'the parts of its commit do not fit together');
        }
        this.pending.push(part);
        if (part.part < part.parts)
            return undefined;
        const commit = toCommit(this.pending[0], part, Buffer.concat(this.pending.map(({ body }) => body)));
        this.pending = [];
        this.pendingBytes = 0;
        return commit;
    }
}
exports.CommitAssembler = CommitAssembler;
function toCommit(first, last, record) {
    return {
        stream: first.stream,
        firstVersion: first.firstVersion,
        lastVersion: last.lastVersion,
        position: (0, values_1.position)(last.sequence),
        timeNanos: last.timeNanos,
        commitId: first.commitId,
        previous: first.previous ?? 0n,
        record,
    };
}
/** A whole commit as if it were stored in one message, its last. */
function asPart({ position: sequence, record: body, ...commit }) {
    return { ...commit, sequence, body, part: 1, parts: 1 };
}
/** The body must hold as many events as the headers say: what is relayed unread must at least be whole. */
function checkRecord(part) {
    try {
        const count = BigInt((0, commit_record_1.eventSpans)(part.body).length);
        if (count === part.lastVersion - part.firstVersion + 1n)
            return;
        throw unreadable(part.stream, part.sequence, 'it holds another number of events than its headers say');
    }
    catch (error) {
        if (error instanceof commit_record_1.MalformedRecordError)
            throw unreadable(part.stream, part.sequence, error.message);
        throw error;
    }
}
function unreadable(stream, sequence, reason) {
    return new errors_1.UnreadableCommitError(stream, (0, values_1.position)(sequence), reason);
}
