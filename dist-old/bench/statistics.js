"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.newHistogram = newHistogram;
exports.toSlot = toSlot;
exports.median = median;
const hdr_histogram_js_1 = require("hdr-histogram-js");
/** Microseconds, up to a minute, to three digits. */
function newHistogram() {
    return (0, hdr_histogram_js_1.build)({
        lowestDiscernibleValue: 1,
        highestTrackableValue: 60_000_000,
        numberOfSignificantValueDigits: 3,
    });
}
/** Puts together what load processes report that ran at the same time. */
function toSlot(reports) {
    const all = newHistogram();
    for (const { histogram } of reports)
        all.add((0, hdr_histogram_js_1.decodeFromCompressedBase64)(histogram));
    const elapsedMs = Math.max(...reports.map(({ endedMs }) => endedMs)) -
        Math.min(...reports.map(({ startedMs }) => startedMs));
    return {
        medianMs: all.getValueAtPercentile(50) / 1_000,
        p99Ms: all.getValueAtPercentile(99) / 1_000,
        callsPerSecond: (all.totalCount / elapsedMs) * 1_000,
    };
}
/** Of two middle values the mean. Throws if there are no values. */
function median(values) {
    const sorted = values.toSorted((a, b) => a - b);
    const upper = sorted[Math.floor(sorted.length / 2)];
    const lower = sorted[Math.floor((sorted.length - 1) / 2)];
    if (upper === undefined || lower === undefined)
        throw new Error('no values have no median');
    return (lower + upper) / 2;
}
