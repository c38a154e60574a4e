"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.reframe = reframe;
const commit_record_1 = require("../store/commit-record");
const none = new Uint8Array(0);
/**
 * The messages of a page, at most `size` each but for one larger event; none if there is nothing to say. They are
 * made one by one, as the caller takes them. Throws MalformedRecordError.
 */
function* reframe(page, size, { header, end }) {
    let before = header;
    let runs = [];
    let events = 0;
    let bytes = 0;
    // One buffer for all: each of its own would cost more than all the rest.
    const suffixes = new Uint8Array(page.commits.length * suffixBytesMax);
    let suffixEnd = 0;
    for (const commit of page.commits) {
        const source = commit.events;
        const suffix = { start: suffixEnd, end: writeSuffix(suffixes, suffixEnd, commit) };
        suffixEnd = suffix.end;
        const spans = (0, commit_record_1.eventSpans)(source);
        let from = 0;
        for (let index = 0; index < spans.length; index++) {
            const framed = framedBytes(spans[index], suffix.end - suffix.start);
            if (events > 0 && (events >= size.eventsMax || bytes + framed > size.bytesMax)) {
                runs.push({ source, spans, from, to: index, suffix });
                yield write(runs, suffixes, bytes, before, none);
                [before, runs, events, bytes, from] = [none, [], 0, 0, index];
            }
            events++;
            bytes += framed;
        }
        runs.push({ source, spans, from, to: spans.length, suffix });
    }
    if (bytes + before.length + end.length > 0)
        yield write(runs, suffixes, bytes, before, end);
}
function write(runs, suffixes, eventBytes, header, end) {
    const target = Buffer.allocUnsafe(eventBytes + header.length + end.length);
    let at = 0;
    for (const { source, spans, from, to, suffix } of runs) {
        for (let index = from; index < to; index++) {
            const span = spans[index];
            target[at++] = commit_record_1.eventsTag;
            at = writeVarint(target, at, span.end - span.start + suffix.end - suffix.start);
            at = copy(source, span.start, span.end, target, at);
            at = copy(suffixes, suffix.start, suffix.end, target, at);
        }
    }
    at = copy(header, 0, header.length, target, at);
    copy(end, 0, end.length, target, at);
    return target;
}
const loopBytesMax = 64;
/** Copies [start, end) and answers where the copy ends. For few bytes a loop beats the native copy. */
function copy(source, start, end, target, at) {
    if (end - start > loopBytesMax)
        target.set(source.subarray(start, end), at);
    else
        for (let from = start, to = at; from < end; from++, to++)
            target[to] = source[from];
    return at + end - start;
}
function framedBytes({ start, end }, suffixBytes) {
    const length = end - start + suffixBytes;
    return 1 + varintBytes(length) + length;
}
const positionTag = 12 << 3;
const commitTimeTag = (13 << 3) | 2;
const secondsTag = 1 << 3;
const nanosTag = 2 << 3;
/** Tag and 10 bytes of position; tag, length, tag and 10 bytes of seconds, tag and 5 bytes of nanoseconds. */
const suffixBytesMax = 1 + 10 + 1 + 1 + 1 + 10 + 1 + 5;
/** Writes the fields `position` and `commit_time` of RecordedEvent, and answers where they end. */
function writeSuffix(target, start, { position, commitTime }) {
    target[start] = positionTag;
    let at = writeBigVarint(target, start + 1, position);
    target[at] = commitTimeTag;
    const lengthAt = at + 1;
    target[at + 2] = secondsTag;
    const seconds = commitTime / 1000000000n;
    at = writeBigVarint(target, at + 3, seconds);
    target[at] = nanosTag;
    at = writeVarint(target, at + 1, Number(commitTime - seconds * 1000000000n));
    target[lengthAt] = at - lengthAt - 1;
    return at;
}
function varintBytes(value) {
    let bytes = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128))
        bytes++;
    return bytes;
}
/** Writes a number of up to 53 bits and answers where it ends. */
function writeVarint(target, start, value) {
    let at = start;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128))
        target[at++] = (rest % 128) | 128;
    target[at++] = rest;
    return at;
}
/** The same for up to 64 bits. */
function writeBigVarint(target, start, value) {
    if (value <= Number.MAX_SAFE_INTEGER)
        return writeVarint(target, start, Number(value));
    let at = start;
    let rest = value;
    for (; rest >= 128n; rest >>= 7n)
        target[at++] = Number(rest & 127n) | 128;
    target[at++] = Number(rest);
    return at;
}
