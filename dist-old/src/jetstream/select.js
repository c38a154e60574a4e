"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.select = select;
exports.inTime = inTime;
const commit_record_1 = require("../store/commit-record");
const values_1 = require("../store/values");
/** The selected events of a commit, or undefined if there are none. An untouched commit is not copied. */
function select(commit, selection) {
    const eventCount = Number(commit.lastVersion - commit.firstVersion) + 1;
    const whole = !selection.reverse || eventCount === 1
        ? commit.firstVersion >= selection.fromVersion &&
            (selection.toVersion === undefined || commit.lastVersion <= selection.toVersion) &&
            (selection.countMax === undefined || BigInt(eventCount) <= selection.countMax) &&
            hasAllTypes(selection) &&
            selection.correlationId === undefined
        : false;
    if (whole)
        return slice(commit, commit.record, eventCount);
    const spans = chosenSpans(commit, selection);
    if (spans.length === 0)
        return undefined;
    return slice(commit, Buffer.concat(spans.map(({ frame, end }) => commit.record.subarray(frame, end))), spans.length);
}
/** Whether a commit was taken in within the times asked for, both inclusive. */
function inTime({ fromTime, toTime }, { timeNanos }) {
    return (fromTime === undefined || timeNanos >= fromTime) && (toTime === undefined || timeNanos <= toTime);
}
function chosenSpans(commit, selection) {
    const { fromVersion, toVersion, correlationId, countMax } = selection;
    const allTypes = hasAllTypes(selection);
    const spans = (0, commit_record_1.eventSpans)(commit.record).filter((span, index) => {
        const version = commit.firstVersion + BigInt(index);
        return (version >= fromVersion &&
            (toVersion === undefined || version <= toVersion) &&
            (allTypes || isWanted((0, commit_record_1.eventType)(commit.record, span), selection)) &&
            (correlationId === undefined || (0, commit_record_1.eventCorrelationId)(commit.record, span) === correlationId));
    });
    if (selection.reverse)
        spans.reverse();
    return countMax === undefined || BigInt(spans.length) <= countMax
        ? spans
        : spans.slice(0, Number(countMax));
}
function hasAllTypes({ eventTypes, eventTypePrefixes }) {
    return eventTypes.size === 0 && (eventTypePrefixes === undefined || eventTypePrefixes.length === 0);
}
function isWanted(type, { eventTypes, eventTypePrefixes = [] }) {
    return eventTypes.has(type) || eventTypePrefixes.some((prefix) => type.startsWith(prefix));
}
function slice(commit, events, eventCount) {
    return { position: commit.position, commitTime: (0, values_1.unixNanos)(commit.timeNanos), events, eventCount };
}
