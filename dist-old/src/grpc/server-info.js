"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.toServerInfo = toServerInfo;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const proto_time_1 = require("./proto-time");
/** What this gateway can do; clients may look for a name before they use what it stands for. */
const features = [
    'append',
    'read-stream',
    'get-version',
    'read-by-correlation',
    'list-streams',
    'read-all',
    'subscribe',
];
const durabilities = {
    fsyncAlways: event_store_service_1.Durability.FSYNC_ALWAYS,
    fsyncInterval: event_store_service_1.Durability.FSYNC_INTERVAL,
    unknown: event_store_service_1.Durability.UNSPECIFIED,
};
function toServerInfo(store, about, limits) {
    const { name, prefix, replicas, natsVersion, position, messageCount, bytes, indexPosition } = store;
    const { version, embedded } = about;
    const durability = durabilities[about.durability];
    return {
        version,
        store: { name, prefix, replicas, natsVersion, durability, position, messageCount, bytes, embedded },
        limits: toServerLimits(limits, store.eventBytesMax),
        features,
        index: { position: indexPosition, lag: position > indexPosition ? position - indexPosition : 0n },
    };
}
function toServerLimits(limits, eventBytesMax) {
    return {
        appendEventsMax: limits.appendEventsMax,
        appendBytesMax: BigInt(limits.appendBytesMax),
        eventBytesMax: BigInt(eventBytesMax),
        metadataBytesMax: limits.metadataBytesMax,
        metadataEntriesMax: limits.metadataEntriesMax,
        tagsMax: limits.tagsMax,
        streamNameBytesMax: limits.streamNameBytesMax,
        labelBytesMax: limits.labelBytesMax,
        idCharsMax: limits.idCharsMax,
        filterTypesMax: limits.filterTypesMax,
        pageBytesMax: limits.pageBytesMax,
        streamQueueMax: limits.streamQueueMax,
        appendsMax: limits.appendsMax,
        appendsBytesMax: BigInt(limits.appendsBytesMax),
        readsMax: limits.readsMax,
        appendTimeout: (0, proto_time_1.toDuration)(limits.appendTimeoutMs),
        readStallTimeout: (0, proto_time_1.toDuration)(limits.readStallTimeoutMs),
        duplicateWindow: (0, proto_time_1.toDuration)(limits.duplicateWindowMs),
        requestBytesMax: BigInt(limits.requestBytesMax),
        requestMetadataBytesMax: limits.requestMetadataBytesMax,
        streamNameTokensMax: limits.streamNameTokensMax,
        fetchBytesMax: limits.fetchBytesMax,
        fetchMessagesMax: limits.fetchMessagesMax,
        requestTimeout: (0, proto_time_1.toDuration)(limits.requestTimeoutMs),
        readProgressTimeout: (0, proto_time_1.toDuration)(limits.readProgressTimeoutMs),
        connectionStreamsMax: limits.connectionStreamsMax,
        headCacheEntriesMax: limits.headCacheEntriesMax,
        recentCommitsMax: limits.recentCommitsMax,
        filterPatternsMax: limits.filterPatternsMax,
        subscriptionsMax: limits.subscriptionsMax,
        subscriptionBytesMax: limits.subscriptionBytesMax,
        catchUpBytesMax: BigInt(limits.catchUpBytesMax),
        tailBytesMax: BigInt(limits.tailBytesMax),
        tailCommitsMax: limits.tailCommitsMax,
        heartbeatIntervalMin: (0, proto_time_1.toDuration)(limits.heartbeatIntervalMinMs),
        heartbeatIntervalMax: (0, proto_time_1.toDuration)(limits.heartbeatIntervalMaxMs),
        keepaliveInterval: (0, proto_time_1.toDuration)(limits.keepaliveIntervalMs),
        keepaliveTimeout: (0, proto_time_1.toDuration)(limits.keepaliveTimeoutMs),
        shutdownTimeout: (0, proto_time_1.toDuration)(limits.shutdownTimeoutMs),
    };
}
