"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.openJetStreamStore = openJetStreamStore;
const values_1 = require("../store/values");
const append_1 = require("./append");
const append_job_1 = require("./append-job");
const api_1 = require("./api");
const correlation_index_1 = require("./correlation-index");
const drop_foreign_index_1 = require("./drop-foreign-index");
const errors_1 = require("./errors");
const head_1 = require("./head");
const head_cache_1 = require("./head-cache");
const index_writer_1 = require("./index-writer");
const list_streams_1 = require("./list-streams");
const open_stream_1 = require("./open-stream");
const pool_1 = require("./pool");
const read_all_1 = require("./read-all");
const read_by_correlation_1 = require("./read-by-correlation");
const read_stream_1 = require("./read-stream");
const recent_keys_1 = require("./recent-keys");
const store_context_1 = require("./store-context");
const stream_queues_1 = require("./stream-queues");
const subscribe_1 = require("./subscribe");
const tail_1 = require("./tail");
/** Connects, and creates or checks the store. Throws ConnectError or StoreOpenError. */
async function openJetStreamStore(options) {
    const { store, limits, log } = options;
    const pool = await (0, pool_1.openPool)(options.nats, log);
    const openIndex = () => (0, open_stream_1.openStream)(pool.append(), (0, open_stream_1.indexConfig)(store), limits.requestTimeoutMs);
    try {
        (0, open_stream_1.checkServerVersion)(pool.append());
        await (0, open_stream_1.openStream)(pool.append(), (0, open_stream_1.logConfig)(store, limits), limits.requestTimeoutMs);
        await openIndex();
        const appender = {
            pool,
            log: { name: store.name, replicas: store.replicas },
            prefix: store.prefix,
            limits,
            logger: log,
            heads: (0, head_cache_1.createHeadCache)(limits.headCacheEntriesMax),
            queues: (0, stream_queues_1.createStreamQueues)(limits),
            recent: (0, recent_keys_1.createRecentKeys)(limits.recentCommitsMax),
        };
        const index = {
            ...appender,
            index: { name: `${store.name}_INDEX`, replicas: store.replicas },
            subjects: (0, correlation_index_1.indexSubjects)(store.prefix),
        };
        await (0, drop_foreign_index_1.dropForeignIndex)(index);
        const subscriptions = { ...appender, tail: (0, tail_1.createTail)(appender), catchUps: 0 };
        return createStore(appender, subscriptions, index, (0, index_writer_1.startIndexWriter)(index, openIndex));
    }
    catch (error) {
        await pool.close();
        throw error;
    }
}
function createStore(appender, subscriptions, index, indexWriter) {
    const { pool } = appender;
    return {
        append: (command, call) => translated((0, append_1.append)(appender, command, call)),
        async readStream(query, call) {
            const { head, pages } = await translated((0, read_stream_1.readStream)(appender, query, call));
            return { head, pages: translatedPages(pages) };
        },
        async getVersion(stream, asOf, call) {
            const last = asOf === undefined
                ? (0, head_1.lastPart)(appender, stream, 'leader', call)
                : (0, head_1.lastPartAsOf)(appender, stream, asOf, call);
            return (0, head_1.toHead)(await translated(last));
        },
        async readByCorrelation(query, call) {
            const { position: through, pages } = await translated((0, read_by_correlation_1.readByCorrelation)(index, query, call));
            return { position: through, pages: translatedPages(pages) };
        },
        async readAll(query, call) {
            const { position: head, pages } = await translated((0, read_all_1.readAll)(appender, query, call));
            return { position: head, pages: translatedPages(pages) };
        },
        subscribe: (query, call, stop) => translatedPages((0, subscribe_1.subscribe)(subscriptions, query, call, stop)),
        listStreams: (query, call) => translatedPages((0, list_streams_1.listStreams)(appender, query, call)),
        info: (call) => translated(info(appender, indexWriter, call)),
        onAvailability(listener) {
            pool.onAvailability(listener);
        },
        async close() {
            subscriptions.tail.close();
            await indexWriter.close();
            await appender.queues.idle();
            await pool.close();
        },
    };
}
async function info(appender, indexWriter, call) {
    const { pool, log, prefix, limits } = appender;
    const { state } = await (0, api_1.streamInfo)(pool.append(), log.name, undefined, (0, store_context_1.within)(call, limits.requestTimeoutMs));
    return {
        name: log.name,
        prefix,
        replicas: log.replicas,
        natsVersion: pool.append().serverVersion,
        position: (0, values_1.position)(BigInt(state.last_seq)),
        messageCount: BigInt(state.messages),
        bytes: BigInt(state.bytes),
        eventBytesMax: (0, append_job_1.eventBytesLimit)(appender),
        indexPosition: (0, values_1.position)(indexWriter.position),
    };
}
async function translated(promise) {
    try {
        return await promise;
    }
    catch (error) {
        throw (0, errors_1.toStoreError)(error);
    }
}
async function* translatedPages(pages) {
    try {
        yield* pages;
    }
    catch (error) {
        throw (0, errors_1.toStoreError)(error);
    }
}
