"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.subscribe = subscribe;
const promises_1 = require("node:timers/promises");
const errors_1 = require("../store/errors");
const patterns_1 = require("../store/patterns");
const values_1 = require("../store/values");
const errors_2 = require("./errors");
const head_1 = require("./head");
const locate_1 = require("./locate");
const read_all_1 = require("./read-all");
const scan_log_1 = require("./scan-log");
const select_1 = require("./select");
const with_heartbeats_1 = require("./with-heartbeats");
/** With the sweeps of the tail it makes at most 5 seconds between two positions. */
const checkpointMs = 2_900;
const checkpointSequences = 500n;
const retryMs = 250;
const fetchBytesMin = 16 << 10;
/** Follows the log: what is in it from there, what is new from the tail. Ends when `stop` is aborted. */
async function* subscribe(shared, query, call, stop) {
    const { tail } = shared;
    const release = await tail.follow(call);
    // Of its own, since every wait listens to it: listeners of a signal that thousands share are slow to remove.
    const ending = new AbortController();
    const end = () => {
        ending.abort();
    };
    for (const signal of [call.signal, stop]) {
        signal.addEventListener('abort', end);
        if (signal.aborted)
            end();
    }
    try {
        const all = updates(shared, query, call, ending.signal);
        yield* query.heartbeatMs === undefined
            ? all
            : (0, with_heartbeats_1.withHeartbeats)(all, query.heartbeatMs, () => tail.head, end);
        call.signal.throwIfAborted();
    }
    finally {
        for (const signal of [call.signal, stop])
            signal.removeEventListener('abort', end);
        release();
    }
}
async function* updates(shared, query, call, ending) {
    const { tail, limits } = shared;
    const start = await findStart(shared, query, call);
    const progress = createProgress(start.after);
    const interest = interestOf(query.filter.patterns);
    const wanted = (commits) => commits.flatMap((commit) => wantedOf(commit, query, start) ?? []);
    let live = false;
    yield progress.say('checkpoint');
    while (!ending.aborted) {
        if (!tail.covers(progress.at)) {
            if (live)
                yield progress.say('fellBehind');
            live = false;
            yield* catchUp(shared, { query, progress, wanted }, call, ending);
            continue;
        }
        const { commits, covered, error } = tail.take(progress.at, interest, limits.subscriptionBytesMax);
        progress.at = covered;
        const slices = wanted(commits);
        if (slices.length > 0)
            yield progress.events(slices);
        else if (progress.checkpointIsDue())
            yield progress.say('checkpoint');
        if (error !== undefined)
            throw error;
        if (progress.at < tail.head)
            continue;
        if (!live && progress.at >= start.head) {
            live = true;
            yield progress.say('caughtUp');
            continue;
        }
        // Until it is live, it must notice that the tail has come to where the log ended at the start.
        const reached = await tail.next(live ? interest : anything, ending);
        if (reached !== undefined && reached > progress.at)
            progress.at = reached;
    }
}
function createProgress(after) {
    let told = after;
    let toldAtMs = Date.now();
    const tell = (update) => {
        told = progress.at;
        toldAtMs = Date.now();
        return { ...update, position: (0, values_1.position)(progress.at) };
    };
    const progress = {
        at: after,
        say: (kind) => tell({ kind }),
        events: (commits) => tell({ kind: 'events', commits }),
        checkpointIsDue: () => progress.at > told &&
            (progress.at - told >= checkpointSequences || Date.now() - toldAtMs >= checkpointMs),
    };
    return progress;
}
/** Reads from the log what the tail has no more. NATS may be away for a while. */
async function* catchUp(shared, { query, progress, wanted, }, call, ending) {
    const { tail, limits } = shared;
    const { catchUpBytesMax, fetchBytesMax, readProgressTimeoutMs } = limits;
    // Each has a page in use and one on its way.
    const fetchBytes = () => Math.max(fetchBytesMin, Math.min(fetchBytesMax, Math.floor(catchUpBytesMax / (2 * shared.catchUps))));
    const isEnding = () => ending.aborted;
    let progressMs = Date.now();
    shared.catchUps++;
    try {
        while (!isEnding() && !tail.covers(progress.at)) {
            const range = { patterns: query.filter.patterns, after: progress.at, through: tail.head };
            try {
                for await (const { commits, covered } of (0, scan_log_1.logForward)(shared, range, call, fetchBytes)) {
                    progress.at = covered;
                    const slices = wanted(commits);
                    if (slices.length > 0)
                        yield progress.events(slices);
                    else if (progress.checkpointIsDue())
                        yield progress.say('checkpoint');
                    if (isEnding())
                        return;
                    progressMs = Date.now();
                }
            }
            catch (error) {
                const isAway = (0, errors_2.toStoreError)(error) instanceof errors_1.StoreUnavailableError;
                if (!isAway || Date.now() - progressMs > readProgressTimeoutMs)
                    throw error;
                await (0, promises_1.setTimeout)(retryMs);
            }
        }
    }
    finally {
        shared.catchUps--;
    }
}
const anything = { stream: undefined, matches: () => true };
function interestOf(patterns) {
    const [only, ...others] = patterns;
    const stream = only !== undefined && others.length === 0 && (0, patterns_1.isName)(only) ? only : undefined;
    return { stream, matches: (0, patterns_1.patternMatcher)(patterns) };
}
function wantedOf(commit, { filter }, start) {
    if (start.fromTime !== undefined && commit.timeNanos < start.fromTime)
        return undefined;
    const { eventTypes, eventTypePrefixes } = filter;
    const { fromVersion } = start;
    return (0, select_1.select)(commit, {
        fromVersion,
        toVersion: undefined,
        eventTypes,
        eventTypePrefixes,
        reverse: false,
        countMax: undefined,
    });
}
/** Throws InvalidRequestError if the start must exist and does not. */
async function findStart(context, query, call) {
    const { start, startMustExist } = query;
    const head = await (0, head_1.logHead)(context, call);
    const found = { after: head.sequence, head: head.sequence, fromVersion: 1n, fromTime: undefined };
    switch (start.kind) {
        case 'now':
            return found;
        case 'position':
            if (startMustExist)
                checkExists('after_position', start.after, head.sequence);
            return { ...found, after: start.after };
        case 'time': {
            const first = await (0, read_all_1.firstSince)(context, start.from, head, call);
            return { ...found, after: first - 1n, fromTime: start.from };
        }
        case 'version': {
            const { after, version } = await findVersion(context, start.stream, start.after, head.sequence, call);
            if (startMustExist)
                checkExists('after_version', start.after, version);
            return { ...found, after, fromVersion: start.after + 1n };
        }
    }
}
function checkExists(field, after, end) {
    if (after <= end)
        return;
    const description = `is ${after.toString()}, beyond the end, which is ${end.toString()}`;
    throw new errors_1.InvalidRequestError([{ field, description }]);
}
/** A sequence from which on the versions beyond one are met, and the version of the stream. */
async function findVersion(context, stream, version, head, call) {
    const last = await (0, head_1.lastPart)(context, stream, 'leader', call);
    if (last === undefined)
        return { after: head, version: 0n };
    if (version >= last.lastVersion)
        return { after: last.sequence, version: last.lastVersion };
    const from = version === 0n ? 1n : await (0, locate_1.locate)(context, stream, version + 1n, last, call);
    return { after: from - 1n, version: last.lastVersion };
}
