"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.startIndexWriter = startIndexWriter;
const promises_1 = require("node:timers/promises");
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const correlation_index_1 = require("./correlation-index");
const head_1 = require("./head");
const publish_1 = require("./publish");
const index_record_1 = require("./index-record");
const store_context_1 = require("./store-context");
const intervalMs = 1_000;
/** A shorter tail than this is left to the queries, until it is old. */
const tailMessagesMin = 64n;
const tailAgeMaxMs = 30_000;
const recordEntriesMax = 16_384;
const mergeRecordsMin = 64;
const mergeEntriesMax = 32_768;
/**
 * Starts writing. Any number of gateways may: each record says which stretch of the log it covers, and goes on top of
 * the record before, or not at all. `open` makes the index anew if somebody has dropped it.
 */
function startIndexWriter(index, open) {
    const stop = new AbortController();
    const call = { signal: stop.signal, deadlineMs: Infinity };
    let position = 0n;
    let tailSinceMs = 0;
    async function round() {
        const last = await (0, correlation_index_1.lastIndexMessage)(index, index.subjects.fresh, call);
        position = last === undefined ? 0n : (0, index_record_1.decodeIndexRecord)(last.body).through;
        index.recent.forget(position);
        const { sequence: through } = await (0, head_1.logHead)(index, call);
        if (through === position) {
            tailSinceMs = 0;
            return;
        }
        if (tailSinceMs === 0)
            tailSinceMs = Date.now();
        if (through - position < tailMessagesMin && Date.now() - tailSinceMs < tailAgeMaxMs)
            return;
        position = await writeFresh(index, position, through, last?.sequence ?? 0n, call);
        tailSinceMs = 0;
        await mergeFresh(index, call);
    }
    const isStopped = () => stop.signal.aborted;
    async function run() {
        let failing = false;
        while (!isStopped()) {
            try {
                if (failing)
                    await open();
                await round();
                if (failing)
                    index.logger.info('the correlation index is written again');
                failing = false;
            }
            catch (err) {
                if (!failing && !isStopped()) {
                    index.logger.warn({ err }, 'the correlation index cannot be written; it stays behind');
                }
                failing = true;
            }
            await (0, promises_1.setTimeout)(intervalMs, undefined, { signal: stop.signal }).catch(() => undefined);
        }
    }
    const running = run();
    return {
        get position() {
            return position;
        },
        async close() {
            stop.abort();
            await running;
        },
    };
}
/** Covers the log after one position through another; answers how far it came. */
async function writeFresh(index, after, through, lastSequence, call) {
    const entriesMax = recordEntries(index);
    let entries = new index_record_1.EntryList();
    let covered = after;
    let previous = lastSequence;
    const flush = async (end) => {
        const { hashes, positions } = entries;
        const body = (0, index_record_1.encodeIndexRecord)({ hashes, positions, after: covered, through: end });
        const outcome = await publish(index, [{ subject: index.subjects.fresh, body, previous }]);
        if (outcome.kind !== 'stored')
            return false;
        previous = outcome.sequence;
        covered = end;
        entries = new index_record_1.EntryList();
        return true;
    };
    let seen = after;
    for await (const { sequence, position, hashes } of (0, correlation_index_1.keysInLog)(index, after, through, call)) {
        for (const hash of hashes) {
            // What a record holds of a commit that it does not cover is repeated in no other, and does no harm in it.
            if (entries.length >= entriesMax && !(await flush(seen)))
                return covered;
            entries.add(hash, position);
        }
        seen = sequence;
    }
    await flush(through);
    return covered;
}
/** Moves the older fresh records into buckets, all in one step. The last one stays: it tells how far the index is. */
async function mergeFresh(index, call) {
    const { subjects } = index;
    const marker = await (0, correlation_index_1.lastIndexMessage)(index, subjects.merged, call);
    const after = marker === undefined ? 0n : (0, index_record_1.decodeIndexRecord)(marker.body).through;
    const buckets = new Map();
    let leftOver = false;
    let records = 0;
    let entries = 0;
    let through = after;
    let previous;
    for await (const message of (0, correlation_index_1.indexMessages)(index, subjects.fresh, call)) {
        leftOver ||= message.sequence <= after;
        if (message.sequence <= after || entries >= mergeEntriesMax)
            continue;
        if (previous !== undefined) {
            entries += distribute((0, index_record_1.decodeIndexRecord)(previous.body), subjects, buckets);
            records++;
            through = previous.sequence;
        }
        previous = message;
    }
    // What an earlier merge moved, but did not come to remove, goes first.
    if (leftOver)
        await purgeFresh(index, after, call);
    if (records < mergeRecordsMin && entries < mergeEntriesMax)
        return;
    const range = { after, through };
    const mark = (0, index_record_1.encodeIndexRecord)({ hashes: noBytes, positions: noBytes, ...range });
    const merged = [...buckets].flatMap(([subject, list]) => Array.from((0, index_record_1.divide)(list, recordEntries(index)), (some) => ({
        subject,
        body: (0, index_record_1.encodeIndexRecord)({ ...some, ...range }),
    })));
    const first = { subject: subjects.merged, body: mark, previous: marker?.sequence ?? 0n };
    const outcome = await publish(index, [first, ...merged]);
    if (outcome.kind === 'stored')
        await purgeFresh(index, through, call);
}
const noBytes = Buffer.alloc(0);
/** Entries of one record: no more than the server takes in one message. */
function recordEntries({ pool }) {
    const fitting = Math.floor((pool.append().maxPayloadBytes - commit_codec_1.headerRoomBytes) / (2 * index_record_1.entryBytes));
    return Math.max(1, Math.min(recordEntriesMax, fitting));
}
/** Puts the entries of a record into the lists of their buckets; answers how many there were. */
function distribute(record, subjects, buckets) {
    let count = 0;
    for (const [hash, position] of (0, index_record_1.entriesOf)(record)) {
        const subject = subjects.bucket(hash);
        let list = buckets.get(subject);
        if (list === undefined)
            buckets.set(subject, (list = new index_record_1.EntryList()));
        list.add(hash, position);
        count++;
    }
    return count;
}
async function purgeFresh(index, through, call) {
    const request = { filter: index.subjects.fresh, seq: Number(through) + 1 };
    const options = (0, store_context_1.within)(call, index.limits.requestTimeoutMs);
    await (0, api_1.callApi)(index.pool.append(), `STREAM.PURGE.${index.index.name}`, request, options);
}
function publish(index, messages) {
    const outgoing = messages.map(({ subject, body, previous }) => ({
        subject,
        body,
        headers: previous === undefined ? {} : { 'Nats-Expected-Last-Subject-Sequence': previous.toString() },
    }));
    return (0, publish_1.publishAtomically)(index.pool.append(), outgoing, index.limits.requestTimeoutMs);
}
