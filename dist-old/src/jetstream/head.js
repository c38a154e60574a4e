"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.emptyHead = void 0;
exports.logHead = logHead;
exports.lastPart = lastPart;
exports.lastPartAsOf = lastPartAsOf;
exports.toHead = toHead;
const errors_1 = require("../store/errors");
const values_1 = require("../store/values");
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const locate_1 = require("./locate");
const message_1 = require("./message");
const store_context_1 = require("./store-context");
/** The end of the log as its leader knows it. */
async function logHead({ pool, log, limits }, call) {
    const options = (0, store_context_1.within)(call, limits.requestTimeoutMs);
    const { state } = await (0, api_1.streamInfo)(pool.read(), log.name, undefined, options);
    const sequence = BigInt(state.last_seq);
    return { sequence, timeNanos: sequence === 0n ? 0n : (0, message_1.parseTime)(state.last_ts) };
}
/** The last message of a stream, from the leader of the log or from any replica; undefined if there is none. */
async function lastPart(context, stream, consistency, call) {
    const get = consistency === 'leader' ? api_1.leaderGet : api_1.directGet;
    const lookup = { last_by_subj: (0, store_context_1.subjectOf)(context, stream) };
    const options = (0, store_context_1.within)(call, context.limits.requestTimeoutMs);
    const message = await get(context.pool.append(), context.log, lookup, options);
    return message && (0, commit_codec_1.readPart)(stream, message);
}
/** So far may a replica lag behind before a question about the past is given up. */
const lagMessagesMax = 1_000;
/** The last message of the last commit of a stream at a time, inclusive; undefined if there was none. */
async function lastPartAsOf(context, stream, asOf, call) {
    const lookup = { multi_last: [(0, store_context_1.subjectOf)(context, stream)], up_to_time: (0, api_1.throughTime)(asOf), batch: 1 };
    const options = (0, store_context_1.within)(call, context.limits.requestTimeoutMs);
    const { messages } = await (0, api_1.directGetBatch)(context.pool.append(), context.log, lookup, options);
    const [message] = messages;
    let last = message && (0, commit_codec_1.readPart)(stream, message);
    if (context.log.replicas === 1)
        return completeCommit(context, stream, last, call);
    // The replica that answered may lag behind: go on to the first message that is too late, or the leader's end.
    for (let lag = 0; lag < lagMessagesMax; lag++) {
        const next = await (0, locate_1.partAtOrAfter)(context, stream, (last?.sequence ?? 0n) + 1n, call);
        if (next === undefined || next.timeNanos > asOf)
            return completeCommit(context, stream, last, call);
        last = next;
    }
    throw new errors_1.StoreUnavailableError('the replica that answered lags far behind');
}
/** A commit is taken in with its last part: until then the commit before it is the last one. */
async function completeCommit(context, stream, last, call) {
    if (last === undefined || last.part === last.parts)
        return last;
    const start = last.sequence - BigInt(last.part - 1);
    const first = await (0, locate_1.partAtOrAfter)(context, stream, start, call);
    if (first?.previous === undefined)
        throw (0, commit_codec_1.unreadable)(stream, last.sequence, 'the start of its commit is gone');
    return first.previous === 0n ? undefined : (0, locate_1.partAtOrAfter)(context, stream, first.previous, call);
}
exports.emptyHead = { version: (0, values_1.version)(0n), position: (0, values_1.position)(0n), commitTime: undefined };
function toHead(part) {
    if (part === undefined)
        return exports.emptyHead;
    return {
        version: (0, values_1.version)(part.lastVersion),
        position: (0, values_1.position)(part.sequence),
        commitTime: (0, values_1.unixNanos)(part.timeNanos),
    };
}
