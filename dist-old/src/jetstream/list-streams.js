"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.listStreams = listStreams;
const errors_1 = require("../store/errors");
const values_1 = require("../store/values");
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const head_1 = require("./head");
const store_context_1 = require("./store-context");
const headsPerPageMax = 256;
const questionFramingBytes = 128;
/** Heads asked for in one question: the server refuses more than 1,024, and what is larger than its max_payload. */
function headsPerPage({ pool, prefix, limits }) {
    const headBytesMax = `"${prefix}.",`.length + limits.streamNameBytesMax;
    const fitting = Math.floor((pool.read().maxPayloadBytes - questionFramingBytes) / headBytesMax);
    return Math.max(1, Math.min(headsPerPageMax, fitting));
}
/** Streams by name in byte order, in pages, each with its head. */
async function* listStreams(context, query, call) {
    const heads = headsPerPage(context);
    let left = query.maxCount;
    for await (const names of namesAfter(context, query, call)) {
        for (let at = 0; at < names.length; at += heads) {
            if (left === 0n)
                return;
            const most = left === undefined || left > BigInt(heads) ? heads : Number(left);
            const page = await summaries(context, names.slice(at, at + most), call);
            if (left !== undefined)
                left -= BigInt(page.length);
            yield page;
        }
    }
}
/** The server gives subjects in byte order, in pages of its own size. */
async function* namesAfter(context, { pattern, after }, call) {
    const { pool, log, limits, prefix } = context;
    let last = after;
    for (let offset = 0;;) {
        const request = { subjects_filter: `${prefix}.${pattern}`, offset };
        const info = await (0, api_1.streamInfo)(pool.read(), log.name, request, (0, store_context_1.within)(call, limits.requestTimeoutMs));
        const subjects = Object.keys(info.state.subjects ?? {});
        if (subjects.length === 0)
            return;
        const from = last;
        const names = subjects
            .map((subject) => (0, values_1.parseStreamName)(subject.slice(prefix.length + 1)))
            // A new stream shifts the server's pages, so that one may come twice.
            .filter((name) => name !== undefined && name > from)
            .sort();
        yield names;
        last = names.at(-1) ?? last;
        offset += subjects.length;
        if (offset >= (info.total ?? 0))
            return;
    }
}
async function summaries(context, names, call) {
    const lookup = { multi_last: names.map((name) => (0, store_context_1.subjectOf)(context, name)), batch: names.length };
    const options = (0, store_context_1.within)(call, context.limits.requestTimeoutMs);
    const { messages } = await (0, api_1.directGetBatch)(context.pool.read(), context.log, lookup, options);
    const bySubject = new Map(messages.map((message) => [message.subject, message]));
    return names.flatMap((name) => {
        const message = bySubject.get((0, store_context_1.subjectOf)(context, name));
        // A replica that lags behind does not know the newest streams; they may be left out.
        return message === undefined ? [] : [summary(name, message)];
    });
}
function summary(stream, message) {
    try {
        return { stream, ...(0, head_1.toHead)((0, commit_codec_1.readPart)(stream, message)), unreadable: false };
    }
    catch (error) {
        if (!(error instanceof errors_1.UnreadableCommitError))
            throw error;
        return {
            stream,
            version: (0, values_1.version)(0n),
            position: (0, values_1.position)(message.sequence),
            commitTime: (0, values_1.unixNanos)(message.timeNanos),
            unreadable: true,
        };
    }
}
