"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.Findings = void 0;
exports.streamName = streamName;
exports.checkId = checkId;
exports.checkLabel = checkLabel;
exports.eventTypeFilter = eventTypeFilter;
exports.streamPatterns = streamPatterns;
exports.streamPattern = streamPattern;
exports.timestamp = timestamp;
exports.timeRange = timeRange;
exports.directionOf = directionOf;
exports.duration = duration;
exports.positionNumber = positionNumber;
exports.versionNumber = versionNumber;
exports.maxCount = maxCount;
exports.excess = excess;
exports.shown = shown;
const errors_1 = require("./errors");
const values_1 = require("./values");
const violationsMax = 32;
/** Notes what is wrong with a request, up to a bound. */
class Findings {
    violations = [];
    add(field, description) {
        if (!this.full)
            this.violations.push({ field, description });
    }
    /** Nothing more will be noted, so nothing more needs to be looked at. */
    get full() {
        return this.violations.length >= violationsMax;
    }
    /** Throws InvalidRequestError. */
    throwIfAny() {
        if (this.violations.length > 0)
            throw new errors_1.InvalidRequestError(this.violations);
    }
}
exports.Findings = Findings;
function streamName(text, findings) {
    const name = (0, values_1.parseStreamName)(text);
    if (name !== undefined)
        return name;
    findings.add('stream', text === ''
        ? 'is required'
        : `is not 1 to 16 tokens of A-Z a-z 0-9 _ : @ = + ~ - joined by ".", at most 200 bytes: ${shown(text)}`);
    return text;
}
const visibleAscii = /^[\x21-\x7e]+$/;
/** An event, correlation or causation id that is not empty. */
function checkId(value, field, { idCharsMax }, findings) {
    if (value.length > idCharsMax)
        findings.add(field, excess(value.length, 'characters', idCharsMax));
    else if (!visibleAscii.test(value)) {
        findings.add(field, `has other than visible ASCII characters: ${shown(value)}`);
    }
}
const bytesPerCharMax = 3; // of UTF-8, for one UTF-16 unit
/** A type, content type, tag or metadata key, which may be empty. */
function checkLabel(value, field, { labelBytesMax }, findings) {
    if (value.length * bytesPerCharMax <= labelBytesMax)
        return;
    const bytes = Buffer.byteLength(value);
    if (bytes > labelBytesMax)
        findings.add(field, excess(bytes, 'bytes', labelBytesMax));
}
function eventTypeFilter(types, limits, findings, list = 'event_types') {
    const { filterTypesMax } = limits;
    if (types.length > filterTypesMax) {
        findings.add(list, excess(types.length, 'types', filterTypesMax));
        return new Set();
    }
    for (const [index, type] of types.entries()) {
        const field = `${list}[${index}]`;
        if (type === '')
            findings.add(field, 'is empty');
        checkLabel(type, field, limits, findings);
    }
    return new Set(types);
}
function streamPatterns(patterns, { filterPatternsMax }, findings) {
    if (patterns.length > filterPatternsMax) {
        findings.add('patterns', excess(patterns.length, 'patterns', filterPatternsMax));
        return [];
    }
    for (const [index, pattern] of patterns.entries())
        streamPattern(pattern, `patterns[${index}]`, findings);
    return patterns;
}
function streamPattern(pattern, field, findings) {
    if ((0, values_1.isStreamPattern)(pattern))
        return;
    findings.add(field, `is no pattern of stream names like "order.*" or "order.>": ${shown(pattern)}`);
}
const secondsMax = 9223372035n; // the last full second of 2262 that fits 63 bits of nanoseconds
const nanosMax = 999_999_999;
function timestamp(raw, field, findings) {
    if (raw === undefined)
        return undefined;
    const { seconds, nanos } = raw;
    if (seconds < 0n || seconds > secondsMax || !Number.isInteger(nanos) || nanos < 0 || nanos > nanosMax) {
        const found = `${seconds.toString()} s and ${nanos} ns`;
        findings.add(field, `is not a time from 1970 to 2262 with 0 to 999999999 ns: ${shown(found)}`);
        return undefined;
    }
    return (0, values_1.unixNanos)(seconds * 1000000000n + BigInt(nanos));
}
function timeRange(raw, findings) {
    const fromTime = timestamp(raw.fromTime, 'from_time', findings);
    const toTime = timestamp(raw.toTime, 'to_time', findings);
    if (fromTime !== undefined && toTime !== undefined && toTime < fromTime) {
        findings.add('to_time', 'is before from_time');
    }
    return { fromTime, toTime };
}
// Numbers of sluice.v1.Direction; 0 stands for the first.
const directions = ['forward', 'forward', 'backward'];
function directionOf(number, findings) {
    const direction = directions[number];
    if (direction === undefined)
        findings.add('direction', `is unknown: ${number}`);
    return direction ?? 'forward';
}
/** In milliseconds. */
function duration(raw, field, { minMs, maxMs }, findings) {
    const ms = Number(raw.seconds) * 1_000 + raw.nanos / 1_000_000;
    if (!(ms >= minMs && ms <= maxMs))
        findings.add(field, `is ${ms} ms, not ${minMs} to ${maxMs} ms`);
    return ms;
}
function positionNumber(value, field, findings) {
    return (0, values_1.position)(uint64(value, field, findings));
}
function versionNumber(value, field, findings) {
    return (0, values_1.version)(uint64(value, field, findings));
}
/** A bound on a count: 0 is none. */
function maxCount(value, findings) {
    return uint64(value, 'max_count', findings) || undefined;
}
/** From the wire it cannot be anything else; callers inside the process are held to the same. */
function uint64(value, field, findings) {
    if (BigInt.asUintN(64, value) === value)
        return value;
    findings.add(field, 'is not an unsigned 64-bit number');
    return 0n;
}
/** "has 70 bytes, more than the limit of 64" */
function excess(found, unit, limit) {
    return `has ${found} ${unit}, more than the limit of ${limit}`;
}
const shownCharsMax = 60;
/** The text for a message: quoted, control characters and half characters escaped, and cut if it is long. */
function shown(text) {
    return JSON.stringify(text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text);
}
