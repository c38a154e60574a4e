"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.readStream = readStream;
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const find_commit_1 = require("./find-commit");
const head_1 = require("./head");
const locate_1 = require("./locate");
const message_1 = require("./message");
const scan_1 = require("./scan");
const select_1 = require("./select");
const store_context_1 = require("./store-context");
const nothingMore = { commits: [], end: 'complete' };
/** Reads a stream as it is now: the read goes up to the head, which is asked for first, or together with the start. */
async function readStream(context, query, call) {
    const start = beginsAtFirst(query) ? askStart(context, query, call) : {};
    const head = await (0, head_1.lastPart)(context, query.stream, query.consistency, call);
    return {
        head: (0, head_1.toHead)(head),
        pages: head === undefined ? emptyRead() : pages(context, query, head, start, call),
    };
}
function beginsAtFirst({ direction, fromVersion, fromTime }) {
    return direction === 'forward' && fromVersion <= 1n && fromTime === undefined;
}
/** Asks for the first page before the head is known, which saves most reads their second round trip. */
function askStart(context, query, call) {
    const messagesMax = messagesNeeded(query);
    const batch = Math.min(messagesMax ?? Infinity, context.limits.fetchMessagesMax);
    const options = (0, store_context_1.within)(call, context.limits.requestTimeoutMs);
    const page = (0, scan_1.askPage)(context, (0, store_context_1.subjectOf)(context, query.stream), 1n, batch, options);
    page.catch(() => undefined); // what fails here is asked again by the scan
    return { page, messagesMax };
}
/** So many commits hold all that is asked for, each an event at least; undefined: there is no telling. */
function commitsNeeded(query) {
    const { maxCount, eventTypes, fromTime, toTime } = query;
    const { fromVersion, toVersion } = versionRange(query);
    const isFiltered = eventTypes.size > 0 || fromTime !== undefined || toTime !== undefined;
    const bounds = [];
    if (toVersion !== undefined)
        bounds.push(toVersion - fromVersion + 1n);
    if (maxCount !== undefined && !isFiltered)
        bounds.push(maxCount);
    return bounds.length === 0 ? undefined : Math.min(...bounds.map(Number));
}
/** The same with those that a forward read may have to pass over before the first. */
function messagesNeeded(query) {
    const commits = commitsNeeded(query);
    return commits === undefined ? undefined : commits + Number(locate_1.skipVersionsMax);
}
// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
async function* emptyRead() {
    yield nothingMore;
}
async function* pages(context, query, head, start, call) {
    const source = query.direction === 'forward'
        ? await openForward(context, query, head, start, call)
        : await openBackward(context, query, head, call);
    const range = versionRange(query);
    let left = query.maxCount;
    for await (const commits of source ?? []) {
        const slices = [];
        let passed = false;
        for (const commit of commits) {
            passed = isPast(query, range, commit);
            if (passed)
                break;
            if (!(0, select_1.inTime)(query, commit))
                continue;
            const slice = (0, select_1.select)(commit, {
                ...range,
                eventTypes: query.eventTypes,
                reverse: range.reverse,
                countMax: left,
            });
            if (slice === undefined)
                continue;
            slices.push(slice);
            if (left === undefined)
                continue;
            left -= BigInt(slice.eventCount);
            if (left > 0n)
                continue;
            yield { commits: slices, end: 'maxCount' };
            return;
        }
        if (passed || endsRange(range, commits.at(-1), head)) {
            yield { commits: slices, end: 'complete' };
            return;
        }
        if (slices.length > 0)
            yield { commits: slices, end: undefined };
    }
    yield nothingMore;
}
/** The versions asked for, lowest and highest, whatever the direction. */
function versionRange({ direction, fromVersion, toVersion }) {
    const bound = (version) => (version === 0n ? undefined : version);
    return direction === 'forward'
        ? { reverse: false, fromVersion: bound(fromVersion) ?? 1n, toVersion: bound(toVersion) }
        : { reverse: true, fromVersion: bound(toVersion) ?? 1n, toVersion: bound(fromVersion) };
}
/** Whether this commit and all that follow it in the direction of the read lie outside the range. */
function isPast(query, range, commit) {
    return range.reverse
        ? commit.lastVersion < range.fromVersion ||
            (query.fromTime !== undefined && commit.timeNanos < query.fromTime)
        : (range.toVersion !== undefined && commit.firstVersion > range.toVersion) ||
            (query.toTime !== undefined && commit.timeNanos > query.toTime);
}
/** Whether the range ends with this commit, so that the end can be told with the last events. */
function endsRange(range, last, head) {
    if (last === undefined)
        return false;
    if (range.reverse)
        return last.firstVersion <= range.fromVersion;
    return (last.lastVersion >= head.lastVersion ||
        (range.toVersion !== undefined && last.lastVersion >= range.toVersion));
}
async function openForward(context, query, head, start, call) {
    const { fromVersion } = versionRange(query);
    if (fromVersion > head.lastVersion)
        return undefined;
    let from;
    if (query.fromTime !== undefined) {
        if (head.timeNanos < query.fromTime)
            return undefined;
        const first = await firstPartSince(context, query.stream, query.fromTime, call);
        if (first.lastVersion >= fromVersion)
            from = first.sequence - BigInt(first.part - 1);
    }
    from ??= fromVersion === 1n ? 1n : await (0, locate_1.locate)(context, query.stream, fromVersion, head, call);
    const range = { messagesMax: messagesNeeded(query), ...start, from, through: head.sequence };
    return (0, scan_1.commitsForward)(context, query.stream, range, call);
}
/** The first message of the stream at or after a time that the head has reached. */
async function firstPartSince(context, stream, time, call) {
    const lookup = { start_time: (0, message_1.formatTime)(time), next_by_subj: (0, store_context_1.subjectOf)(context, stream), batch: 1 };
    const [message] = await (0, store_context_1.patiently)(context, stream, call, async (options) => {
        const { messages } = await (0, api_1.directGetBatch)(context.pool.read(), context.log, lookup, options);
        return messages.length > 0 ? messages : undefined;
    });
    return (0, commit_codec_1.readPart)(stream, message);
}
/** Begins at the commit that holds the highest version asked for, or the last one in time. */
async function openBackward(context, query, head, call) {
    const { stream, toTime } = query;
    const { fromVersion, toVersion } = versionRange(query);
    let start = head;
    if (toTime !== undefined && head.timeNanos > toTime) {
        const last = await (0, head_1.lastPartAsOf)(context, stream, toTime, call);
        if (last === undefined)
            return undefined;
        start = last;
    }
    if (fromVersion > start.lastVersion)
        return undefined;
    if (toVersion === undefined || toVersion >= start.firstVersion)
        return (0, scan_1.commitsBackward)(context, stream, start, call, commitsNeeded(query));
    const commit = await (0, find_commit_1.commitWithVersion)(context, stream, toVersion, start, call);
    if (commit === undefined)
        throw (0, commit_codec_1.unreadable)(stream, start.sequence, `version ${toVersion.toString()} is gone`);
    return (0, scan_1.commitsBackward)(context, stream, (0, commit_codec_1.asPart)(commit), call, commitsNeeded(query));
}
