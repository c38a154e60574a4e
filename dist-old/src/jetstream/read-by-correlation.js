"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.readByCorrelation = readByCorrelation;
exports.commitAt = commitAt;
exports.messageAt = messageAt;
const values_1 = require("../store/values");
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const correlation_index_1 = require("./correlation-index");
const select_1 = require("./select");
const store_context_1 = require("./store-context");
/** Commits fetched at once: each may have up to one message of the server's limit, and more if it has parts. */
const fetchesMax = 8;
/** All events with a correlation id: the index tells where to look, the log tells what is there. */
async function readByCorrelation(index, query, call) {
    const { positions, through } = await (0, correlation_index_1.findPositions)(index, query.correlationId, call);
    return { position: (0, values_1.position)(through), pages: pages(index, query, positions, call) };
}
async function* pages(index, query, positions, call) {
    let left = query.maxCount;
    for (let at = 0; at < positions.length; at += fetchesMax) {
        const fetched = positions.slice(at, at + fetchesMax).map((sequence) => commitAt(index, sequence, call));
        const commits = [];
        for (const commit of await Promise.all(fetched)) {
            const slice = commit && (0, select_1.select)(commit, { ...all, ...query, countMax: left });
            if (slice === undefined)
                continue;
            commits.push(slice);
            if (left === undefined)
                continue;
            left -= BigInt(slice.eventCount);
            if (left > 0n)
                continue;
            yield { commits, end: 'maxCount' };
            return;
        }
        const done = at + fetchesMax >= positions.length;
        if (done || commits.length > 0)
            yield { commits, end: done ? 'complete' : undefined };
    }
    if (positions.length === 0)
        yield { commits: [], end: 'complete' };
}
const all = { fromVersion: 1n, toVersion: undefined, reverse: false };
/** The commit whose last message has this sequence. */
async function commitAt(context, sequence, call) {
    const last = await messageAt(context, sequence, call);
    const stream = (0, values_1.parseStreamName)(last.subject.slice(context.prefix.length + 1));
    if (stream === undefined)
        return undefined;
    const part = (0, commit_codec_1.readPart)(stream, last);
    const assembler = new commit_codec_1.CommitAssembler(2 * context.limits.appendBytesMax);
    for (let before = part.parts - 1; before > 0; before--) {
        assembler.add((0, commit_codec_1.readPart)(stream, await messageAt(context, sequence - BigInt(before), call)));
    }
    return assembler.add(part);
}
/** A message of the log that is known to be stored. */
function messageAt(context, sequence, call) {
    return (0, store_context_1.patiently)(context, `sequence ${sequence.toString()}`, call, (options) => (0, api_1.directGet)(context.pool.read(), context.log, { seq: Number(sequence) }, options));
}
