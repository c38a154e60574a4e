"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.toDuration = toDuration;
exports.toTimestamp = toTimestamp;
/** Milliseconds as google.protobuf.Duration. */
function toDuration(ms) {
    return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
}
/** Nanoseconds since 1970 as google.protobuf.Timestamp. */
function toTimestamp(nanos) {
    if (nanos === undefined)
        return undefined;
    return { seconds: nanos / 1000000000n, nanos: Number(nanos % 1000000000n) };
}
