"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.indexSubjects = indexSubjects;
exports.indexMessages = indexMessages;
exports.lastIndexMessage = lastIndexMessage;
exports.findPositions = findPositions;
exports.keysInLog = keysInLog;
const commit_record_1 = require("../store/commit-record");
const values_1 = require("../store/values");
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const head_1 = require("./head");
const index_record_1 = require("./index-record");
const open_stream_1 = require("./open-stream");
const scan_1 = require("./scan");
const store_context_1 = require("./store-context");
const bucketMask = 0xffn;
function indexSubjects(prefix) {
    const base = `${open_stream_1.indexPrefix}.${prefix}.correlation`;
    return {
        fresh: `${base}.fresh`,
        merged: `${base}.merged`,
        bucket: (hash) => `${base}.${(hash & bucketMask).toString()}`,
    };
}
/** The messages of an index subject, from the leader's point of view. */
async function* indexMessages(index, subject, call) {
    const last = await lastIndexMessage(index, subject, call);
    if (last === undefined)
        return;
    const context = { pool: index.pool, log: index.index, limits: index.limits };
    for await (const messages of (0, scan_1.scanSubject)(context, subject, 1n, last.sequence, call))
        yield* messages;
}
function lastIndexMessage(index, subject, call) {
    const options = (0, store_context_1.within)(call, index.limits.requestTimeoutMs);
    return (0, api_1.leaderGet)(index.pool.read(), index.index, { last_by_subj: subject }, options);
}
/** Where to look for a key: positions of commits in order, and how far the log has been covered. */
async function findPositions(index, key, call) {
    const hash = (0, index_record_1.hashKey)(key);
    const found = new Set();
    let covered = 0n;
    const collect = (record) => {
        for (const position of (0, index_record_1.matches)(record, hash))
            found.add(position);
    };
    for await (const message of indexMessages(index, index.subjects.fresh, call)) {
        const record = (0, index_record_1.decodeIndexRecord)(message.body);
        covered = record.through;
        collect(record);
    }
    for await (const message of indexMessages(index, index.subjects.bucket(hash), call)) {
        collect((0, index_record_1.decodeIndexRecord)(message.body));
    }
    const { sequence: through } = await (0, head_1.logHead)(index, call);
    for await (const { position, hashes } of keysInLog(index, covered, through, call)) {
        if (hashes.includes(hash))
            found.add(position);
    }
    const positions = [...found].sort((a, b) => (a < b ? -1 : 1));
    return { positions, through };
}
/** What is to index in the log after one sequence through another, in order. */
async function* keysInLog(index, after, through, call) {
    const { recent, prefix } = index;
    let next = after + 1n;
    for (const { from, to } of recent.gaps({ from: next, to: through })) {
        yield* recent.within({ from: next, to: from - 1n });
        for await (const messages of (0, scan_1.scanSubject)(index, `${prefix}.>`, from, to, call)) {
            for (const message of messages) {
                const found = keysIn(index, message);
                if (found !== undefined)
                    yield found;
            }
        }
        next = to + 1n;
    }
    yield* recent.within({ from: next, to: through });
}
/** undefined for a foreign message: it has no events, and it must not stop the index. */
function keysIn(context, message) {
    const stream = (0, values_1.parseStreamName)(message.subject.slice(context.prefix.length + 1));
    if (stream === undefined)
        return undefined;
    try {
        const part = (0, commit_codec_1.readPart)(stream, message);
        const keys = (0, commit_record_1.eventSpans)(part.body).map((span) => (0, commit_record_1.eventCorrelationId)(part.body, span));
        return { sequence: part.sequence, position: (0, commit_codec_1.positionOf)(part), hashes: (0, index_record_1.hashKeys)(keys) };
    }
    catch {
        return undefined;
    }
}
