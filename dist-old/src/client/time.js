"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.toTimestamp = toTimestamp;
exports.toCommitTime = toCommitTime;
exports.toMaybeCommitTime = toMaybeCommitTime;
const nanosPerSecond = 1000000000n;
const nanosPerMs = 1000000n;
/** Throws RangeError for a Date that is none. */
function toTimestamp(time, name) {
    if (time === undefined)
        return undefined;
    if (typeof time !== 'bigint' && Number.isNaN(time.getTime()))
        throw new RangeError(`${name} is an invalid Date`);
    const nanos = typeof time === 'bigint' ? time : BigInt(time.getTime()) * nanosPerMs;
    return { seconds: nanos / nanosPerSecond, nanos: Number(nanos % nanosPerSecond) };
}
function toCommitTime({ seconds, nanos }) {
    return {
        commitTime: new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1e6)),
        commitTimeNanos: seconds * nanosPerSecond + BigInt(nanos),
    };
}
function toMaybeCommitTime(time) {
    return time === undefined ? { commitTime: undefined, commitTimeNanos: undefined } : toCommitTime(time);
}
