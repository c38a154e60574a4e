"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.readAll = readAll;
exports.firstSince = firstSince;
const values_1 = require("../store/values");
const api_1 = require("./api");
const head_1 = require("./head");
const message_1 = require("./message");
const scan_log_1 = require("./scan-log");
const select_1 = require("./select");
const store_context_1 = require("./store-context");
/** Reads the log as it is now: the read goes up to its end, which is asked for first. */
async function readAll(context, query, call) {
    const head = await (0, head_1.logHead)(context, call);
    return { position: (0, values_1.position)(head.sequence), pages: pages(context, query, head, call) };
}
async function* pages(context, query, head, call) {
    const { direction, filter, maxCount } = query;
    const forward = direction === 'forward';
    const range = await rangeOf(context, query, head, call);
    if (range.after >= range.through) {
        yield { commits: [], end: 'complete', position: query.afterPosition ?? (0, values_1.position)(0n) };
        return;
    }
    const filtered = filter.patterns.length + filter.eventTypes.size + filter.eventTypePrefixes.length > 0;
    const span = maxCount !== undefined && !filtered && maxCount < 256n ? maxCount : undefined;
    const source = forward ? (0, scan_log_1.logForward)(context, range, call) : (0, scan_log_1.logBackward)(context, range, call, span);
    const selection = { ...selectionOf(query), countMax: undefined };
    let left = maxCount;
    let handled = forward ? range.after : range.through + 1n;
    for await (const { commits, covered, last } of source) {
        const slices = [];
        let end;
        for (const commit of commits) {
            if (isPast(query, commit))
                end = 'complete';
            const slice = end === undefined && (0, select_1.inTime)(query, commit) ? (0, select_1.select)(commit, selection) : undefined;
            if (slice !== undefined && left !== undefined && left < BigInt(slice.eventCount) && left !== maxCount)
                end = 'maxCount';
            if (end !== undefined)
                break;
            handled = commit.position;
            if (slice === undefined)
                continue;
            slices.push(slice);
            if (left === undefined)
                continue;
            left -= BigInt(slice.eventCount);
            if (left > 0n)
                continue;
            end = 'maxCount';
            break;
        }
        if (end === undefined)
            handled = covered;
        if (last)
            end ??= 'complete';
        yield { commits: slices, end, position: (0, values_1.position)(handled) };
        if (end !== undefined)
            return;
    }
}
function selectionOf({ filter, direction }) {
    const { eventTypes, eventTypePrefixes } = filter;
    const reverse = direction === 'backward';
    return { fromVersion: 1n, toVersion: undefined, eventTypes, eventTypePrefixes, reverse };
}
/** What lies outside the times asked for is left out as far as one question can tell. */
async function rangeOf(context, query, head, call) {
    const { fromTime, toTime, toPosition, afterPosition } = query;
    const { patterns } = query.filter;
    if (query.direction === 'forward') {
        const through = toPosition === 0n || toPosition > head.sequence ? head.sequence : toPosition;
        const after = afterPosition ?? 0n;
        if (fromTime === undefined || after >= through)
            return { patterns, after, through };
        const first = await firstSince(context, fromTime, head, call);
        return { patterns, after: first - 1n > after ? first - 1n : after, through };
    }
    const after = toPosition === 0n ? 0n : toPosition - 1n;
    const isWithin = afterPosition !== undefined && afterPosition <= head.sequence;
    const through = isWithin ? afterPosition - 1n : head.sequence;
    if (toTime === undefined || after >= through)
        return { patterns, after, through };
    const late = await firstSince(context, (toTime + 1n), head, call);
    return { patterns, after, through: late - 1n < through ? late - 1n : through };
}
/** The sequence of the first message at or after a time; the one beyond the end if there is none. */
async function firstSince(context, time, head, call) {
    if (head.timeNanos < time)
        return head.sequence + 1n;
    const lookup = { start_time: (0, message_1.formatTime)(time), next_by_subj: `${context.prefix}.>`, batch: 1 };
    return (0, store_context_1.patiently)(context, 'a time', call, async (options) => {
        const { messages } = await (0, api_1.directGetBatch)(context.pool.read(), context.log, lookup, options);
        return messages[0]?.sequence;
    });
}
/** Whether this commit and all that follow it in the direction of the read lie outside the times asked for. */
function isPast({ direction, fromTime, toTime }, { timeNanos }) {
    return direction === 'forward'
        ? toTime !== undefined && timeNanos > toTime
        : fromTime !== undefined && timeNanos < fromTime;
}
