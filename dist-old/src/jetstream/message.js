"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.parseMessage = parseMessage;
exports.publishedHeader = publishedHeader;
exports.serverHeader = serverHeader;
exports.storedMessage = storedMessage;
exports.parseTime = parseTime;
exports.formatTime = formatTime;
function parseMessage(message) {
    const { _msg, _rdata } = message;
    if (_msg.hdr <= 0)
        return { status: 0, headers: '', body: _rdata };
    const headers = latin1(_rdata, _msg.hdr);
    // "NATS/1.0 204 EOB" is a status, "NATS/1.0\r\n" is data.
    const status = headers.charCodeAt(8) === 0x20 ? parseInt(headers.slice(9, 12), 10) : 0;
    return { status, headers, body: _rdata.subarray(_msg.hdr) };
}
/** Works on every Uint8Array, and saves a Buffer for each message; @types/node does not know it. */
const { latin1Slice } = Buffer.prototype;
function latin1(bytes, length) {
    return latin1Slice.call(bytes, 0, length);
}
/** The value of a header that the publisher set (the first of that name), or undefined. */
function publishedHeader(headers, name) {
    return valueAt(headers, headers.indexOf(`\r\n${name}:`), name);
}
/** The value of a header that the server added: it appends its own last, so a publisher cannot forge them. */
function serverHeader(headers, name) {
    return valueAt(headers, headers.lastIndexOf(`\r\n${name}:`), name);
}
function valueAt(headers, at, name) {
    if (at < 0)
        return undefined;
    const start = at + name.length + 3;
    return headers.slice(start, headers.indexOf('\r\n', start)).trim();
}
/** The answer to a Direct Get. */
function storedMessage({ headers, body }) {
    const subject = serverHeader(headers, 'Nats-Subject');
    const sequence = serverHeader(headers, 'Nats-Sequence');
    const time = serverHeader(headers, 'Nats-Time-Stamp');
    if (subject === undefined || sequence === undefined || time === undefined) {
        throw new Error('the answer to a Direct Get has no sequence');
    }
    return { subject, sequence: BigInt(sequence), timeNanos: parseTime(time), headers, body };
}
let cachedSecond = '';
let cachedSecondNanos = 0n;
/** RFC 3339 in UTC with up to nine decimals, as the server writes it, to nanoseconds since 1970. */
function parseTime(text) {
    const second = text.slice(0, 19);
    if (second !== cachedSecond) {
        cachedSecondNanos = BigInt(Date.parse(`${second}Z`)) * 1000000n;
        cachedSecond = second;
    }
    const fraction = text.slice(20, -1);
    return fraction === '' ? cachedSecondNanos : cachedSecondNanos + BigInt(fraction.padEnd(9, '0'));
}
/** Nanoseconds since 1970 as RFC 3339 in UTC, for a request. */
function formatTime(nanos) {
    const seconds = new Date(Number(nanos / 1000000000n) * 1000).toISOString().slice(0, 19);
    return `${seconds}.${(nanos % 1000000000n).toString().padStart(9, '0')}Z`;
}
