"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.parseJson = exports.jsonEvent = exports.VersionConflictError = exports.UnreadableCommitError = exports.UnavailableError = exports.SluiceError = exports.OverloadedError = exports.OutcomeUnknownError = exports.NotPermittedError = exports.InvalidRequestError = exports.InternalError = exports.IncompleteReadError = exports.DeadlineExceededError = exports.CommitIdReuseError = exports.CancelledError = exports.Durability = void 0;
exports.connect = connect;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const append_1 = require("./append");
const calls_1 = require("./calls");
const channel_1 = require("./channel");
const get_version_1 = require("./get-version");
const list_streams_1 = require("./list-streams");
const read_all_1 = require("./read-all");
const read_by_correlation_1 = require("./read-by-correlation");
const read_stream_1 = require("./read-stream");
const subscribe_1 = require("./subscribe");
// What users import, beside `connect` and `SluiceClient` below.
var event_store_service_2 = require("../../generated/sluice/v1/event_store_service");
Object.defineProperty(exports, "Durability", { enumerable: true, get: function () { return event_store_service_2.Durability; } });
var errors_1 = require("./errors");
Object.defineProperty(exports, "CancelledError", { enumerable: true, get: function () { return errors_1.CancelledError; } });
Object.defineProperty(exports, "CommitIdReuseError", { enumerable: true, get: function () { return errors_1.CommitIdReuseError; } });
Object.defineProperty(exports, "DeadlineExceededError", { enumerable: true, get: function () { return errors_1.DeadlineExceededError; } });
Object.defineProperty(exports, "IncompleteReadError", { enumerable: true, get: function () { return errors_1.IncompleteReadError; } });
Object.defineProperty(exports, "InternalError", { enumerable: true, get: function () { return errors_1.InternalError; } });
Object.defineProperty(exports, "InvalidRequestError", { enumerable: true, get: function () { return errors_1.InvalidRequestError; } });
Object.defineProperty(exports, "NotPermittedError", { enumerable: true, get: function () { return errors_1.NotPermittedError; } });
Object.defineProperty(exports, "OutcomeUnknownError", { enumerable: true, get: function () { return errors_1.OutcomeUnknownError; } });
Object.defineProperty(exports, "OverloadedError", { enumerable: true, get: function () { return errors_1.OverloadedError; } });
Object.defineProperty(exports, "SluiceError", { enumerable: true, get: function () { return errors_1.SluiceError; } });
Object.defineProperty(exports, "UnavailableError", { enumerable: true, get: function () { return errors_1.UnavailableError; } });
Object.defineProperty(exports, "UnreadableCommitError", { enumerable: true, get: function () { return errors_1.UnreadableCommitError; } });
Object.defineProperty(exports, "VersionConflictError", { enumerable: true, get: function () { return errors_1.VersionConflictError; } });
var json_1 = require("./json");
Object.defineProperty(exports, "jsonEvent", { enumerable: true, get: function () { return json_1.jsonEvent; } });
Object.defineProperty(exports, "parseJson", { enumerable: true, get: function () { return json_1.parseJson; } });
/**
 * Gives a client for the gateway at `host:port`, or any other name that gRPC can resolve. It returns at once: whether
 * the gateway is there shows with the first call. Throws an Error for a certificate or metadata that cannot be used.
 */
function connect(address, options = {}) {
    const channel = (0, channel_1.openChannel)(address, options);
    return {
        append: (stream, events, appendOptions = {}) => (0, append_1.append)(channel, stream, events, appendOptions),
        readStream: (stream, readOptions = {}) => (0, read_stream_1.readStream)(channel, stream, readOptions),
        readByCorrelation: (id, readOptions = {}) => (0, read_by_correlation_1.readByCorrelation)(channel, id, readOptions),
        readAll: (readOptions = {}) => (0, read_all_1.readAll)(channel, readOptions),
        subscribe: (subscribeOptions = {}) => (0, subscribe_1.subscribe)(channel, subscribeOptions),
        listStreams: (listOptions = {}) => (0, list_streams_1.listStreams)(channel, listOptions),
        getVersion: (stream, versionOptions = {}) => (0, get_version_1.getVersion)(channel, stream, versionOptions),
        serverInfo: (callOptions = {}) => (0, calls_1.unary)(channel, event_store_service_1.EventStoreServiceService.getServerInfo, new Uint8Array(0), callOptions),
        close: channel.close,
        [Symbol.dispose]: channel.close,
    };
}
