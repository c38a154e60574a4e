"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.prefill = prefill;
const nats_1 = require("nats");
const commit_codec_1 = require("../src/jetstream/commit-codec");
const link_1 = require("../src/jetstream/link");
const publish_1 = require("../src/jetstream/publish");
const ids_1 = require("../src/store/ids");
const values_1 = require("../src/store/values");
const events_1 = require("./events");
const inFlightMax = 1_000;
const timeoutMs = 30_000;
/**
 * Fills a store that a gateway has just made, fast: publishes commits as Sluice stores them, without waiting for each.
 * Nobody else may write meanwhile, since positions are foretold.
 */
async function prefill(natsUrl, commits) {
    const link = (0, link_1.createLink)(await (0, nats_1.connect)({ servers: natsUrl, noAsyncTraces: true }));
    const heads = new Map();
    let sequence = 0;
    let inFlight = [];
    for (const commit of commits) {
        const head = heads.get(commit.stream) ?? { version: 0, sequence: 0 };
        inFlight.push(store(link, toMessage(link, commit, head), ++sequence));
        heads.set(commit.stream, { version: head.version + commit.events, sequence });
        if (inFlight.length < inFlightMax)
            continue;
        await Promise.all(inFlight);
        inFlight = [];
    }
    await Promise.all(inFlight);
    await link.close();
}
function toMessage(link, { stream, events, correlationId }, head) {
    const name = (0, values_1.parseStreamName)(stream);
    if (name === undefined)
        throw new Error(`not a stream name: ${stream}`);
    const encoded = (0, events_1.newEvents)(events, correlationId).map((event) => (0, commit_codec_1.encodeEvent)(name, event));
    const commit = {
        firstVersion: BigInt(head.version + 1),
        previous: BigInt(head.sequence),
        commitId: (0, ids_1.uuidV7)(),
    };
    const [message, more] = (0, commit_codec_1.toMessages)(`es.${stream}`, encoded, commit, link.maxPayloadBytes - commit_codec_1.headerRoomBytes);
    if (message === undefined || more !== undefined)
        throw new Error('a commit does not fit into one message');
    return message;
}
async function store(link, message, sequence) {
    const outcome = await (0, publish_1.publishAtomically)(link, [message], timeoutMs);
    if (outcome.kind !== 'stored' || outcome.sequence !== BigInt(sequence)) {
        throw new Error(`a commit was not stored as ${sequence}, but: ${outcome.kind}`);
    }
}
