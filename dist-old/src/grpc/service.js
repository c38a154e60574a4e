"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createService = createService;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const commands_1 = require("../store/commands");
const errors_1 = require("../store/errors");
const store_commands_1 = require("../store/store-commands");
const proto_time_1 = require("./proto-time");
const reframe_1 = require("./reframe");
const server_info_1 = require("./server-info");
/** sluice.v1.EventStoreService: each method parses its request, asks the store and puts the answer into words. */
function createService({ store, limits, about, calls }) {
    const { unary, serverStreaming, subscription } = calls;
    return {
        // Not an async function, which would keep the events until the end.
        append: unary(event_store_service_1.AppendRequest, (request, context) => toAppendResponse(store.append((0, commands_1.parseAppend)(request, limits), context), request.withCommitTime)),
        readStream: serverStreaming(event_store_service_1.ReadStreamRequest, async function* (request, context) {
            const query = (0, commands_1.parseReadStream)(request, limits);
            const { head, pages } = await store.readStream(query, context);
            const header = { stream: query.stream, ...toHead(head) };
            yield* responses(pages, (0, commands_1.parsePageHint)(request.page, limits), encode(event_store_service_1.ReadStreamResponse, { header }));
        }),
        readAll: serverStreaming(event_store_service_1.ReadAllRequest, async function* (request, context) {
            const query = (0, store_commands_1.parseReadAll)(request, limits);
            const { position, pages } = await store.readAll(query, context);
            const header = encode(event_store_service_1.ReadAllResponse, { header: { position } });
            yield* responses(pages, (0, commands_1.parsePageHint)(request.page, limits), header);
        }),
        subscribe: subscription(event_store_service_1.SubscribeRequest, async function* (request, context, stop) {
            const query = (0, store_commands_1.parseSubscribe)(request, limits);
            const size = (0, commands_1.parsePageHint)(request.page, { ...limits, pageBytesMax: limits.subscriptionBytesMax });
            let position;
            for await (const update of store.subscribe(query, context, stop)) {
                position = update.position;
                yield* toMessages(update, size);
            }
            yield encode(event_store_service_1.SubscribeResponse, { position, notice: { $case: 'draining', value: {} } });
            throw new errors_1.StoreUnavailableError('the gateway is stopping');
        }),
        getVersion: unary(event_store_service_1.GetVersionRequest, async (request, context) => {
            const { stream, asOf } = (0, commands_1.parseGetVersion)(request);
            return toHead(await store.getVersion(stream, asOf, context));
        }),
        readByCorrelation: serverStreaming(event_store_service_1.ReadByCorrelationRequest, async function* (request, context) {
            const { position, pages } = await store.readByCorrelation((0, commands_1.parseReadByCorrelation)(request, limits), context);
            const header = encode(event_store_service_1.ReadByCorrelationResponse, { header: { position } });
            yield* responses(pages, (0, commands_1.parsePageHint)(request.page, limits), header);
        }),
        listStreams: serverStreaming(event_store_service_1.ListStreamsRequest, async function* (request, context) {
            for await (const page of store.listStreams((0, commands_1.parseListStreams)(request), context)) {
                const streams = page.map(({ stream, unreadable, ...head }) => ({
                    stream,
                    ...toHead(head),
                    unreadable,
                }));
                yield encode(event_store_service_1.ListStreamsResponse, { streams });
            }
        }),
        getServerInfo: unary(event_store_service_1.GetServerInfoRequest, async (_request, context) => (0, server_info_1.toServerInfo)(await store.info(context), about, limits)),
    };
}
async function toAppendResponse(appended, withCommitTime) {
    const { commitId = '', commitTime, ...result } = await appended;
    return { ...result, commitId, commitTime: withCommitTime ? (0, proto_time_1.toTimestamp)(commitTime) : undefined };
}
function toHead({ version, position, commitTime }) {
    return { version, position, commitTime: (0, proto_time_1.toTimestamp)(commitTime) };
}
const none = new Uint8Array(0);
/** The messages of a read: the header goes with the first, the end with the last. */
async function* responses(pages, size, header) {
    let before = header;
    let eventCount = 0n;
    for await (const page of pages) {
        for (const commit of page.commits)
            eventCount += BigInt(commit.eventCount);
        const end = page.end === undefined ? none : encodeEnd(page.end, eventCount);
        const position = 'position' in page ? encode(event_store_service_1.ReadAllResponse, { position: page.position }) : none;
        yield* (0, reframe_1.reframe)(page, size, { header: before, end: Buffer.concat([end, position]) });
        before = none;
    }
}
const reasons = { complete: event_store_service_1.ReadEndReason.COMPLETE, maxCount: event_store_service_1.ReadEndReason.MAX_COUNT };
/** `end` has the same number in the responses of all reads. */
function encodeEnd(end, eventCount) {
    return encode(event_store_service_1.ReadStreamResponse, { end: { reason: reasons[end], eventCount } });
}
function* toMessages(update, size) {
    const { position } = update;
    switch (update.kind) {
        case 'events':
            for (const commits of divide(update.commits, size)) {
                const isLast = commits.at(-1) === update.commits.at(-1);
                const end = encode(event_store_service_1.SubscribeResponse, { position: isLast ? position : commits.at(-1)?.position });
                yield* (0, reframe_1.reframe)({ commits }, size, { header: none, end });
            }
            return;
        case 'heartbeat': {
            const lag = update.head > position ? update.head - position : 0n;
            const value = { headPosition: update.head, lag };
            yield encode(event_store_service_1.SubscribeResponse, { position, notice: { $case: 'heartbeat', value } });
            return;
        }
        case 'checkpoint':
        case 'caughtUp':
        case 'fellBehind':
            yield encode(event_store_service_1.SubscribeResponse, { position, notice: { $case: update.kind, value: {} } });
    }
}
/** Commits that about fill a message, so that most messages end with one, and have a position. */
function* divide(commits, size) {
    let some = [];
    let bytes = 0;
    let events = 0;
    for (const commit of commits) {
        some.push(commit);
        bytes += commit.events.length;
        events += commit.eventCount;
        if (bytes < size.bytesMax / 2 && events < size.eventsMax)
            continue;
        yield some;
        [some, bytes, events] = [[], 0, 0];
    }
    if (some.length > 0)
        yield some;
}
function encode(type, fields) {
    return Buffer.from(type.encode(type.fromPartial(fields)).finish());
}
