"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.parseStreamName = parseStreamName;
exports.isStreamPattern = isStreamPattern;
exports.parseCommitId = parseCommitId;
exports.version = version;
exports.position = position;
exports.unixNanos = unixNanos;
const limits_1 = require("../limits");
// What a name may be is part of the contract, so these limits cannot be set.
const { streamNameBytesMax: bytesMax, streamNameTokensMax: tokensMax } = limits_1.defaultLimits;
const token = '[A-Za-z0-9_:@=+~-]+';
const tokenOrAny = `(?:${token}|\\*)`;
const further = `{0,${(tokensMax - 1).toString()}}`;
const streamName = new RegExp(`^${token}(?:\\.${token})${further}$`);
const streamPattern = new RegExp(`^(?:${tokenOrAny}(?:\\.${tokenOrAny})${further}(?:\\.>)?|>)$`);
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const uint64Max = 2n ** 64n - 1n;
const int64Max = 2n ** 63n - 1n;
/** The name, or undefined if it is not a valid one. Also a security boundary: a name becomes a NATS subject. */
function parseStreamName(text) {
    return text.length <= bytesMax && streamName.test(text) ? text : undefined;
}
/** Whether the text is a NATS pattern over stream names, such as `order.*` or `order.>`. */
function isStreamPattern(text) {
    return text.length <= bytesMax && streamPattern.test(text);
}
/** The commit id in lower case, or undefined if the text is not a UUID. */
function parseCommitId(text) {
    const lower = text.toLowerCase();
    return uuid.test(lower) ? lower : undefined;
}
function version(value) {
    assertRange(value, uint64Max);
    return value;
}
function position(value) {
    assertRange(value, uint64Max);
    return value;
}
function unixNanos(value) {
    assertRange(value, int64Max);
    return value;
}
function assertRange(value, max) {
    if (value < 0n || value > max)
        throw new RangeError(`${value.toString()} is out of range`);
}
