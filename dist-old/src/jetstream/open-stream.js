"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.indexPrefix = exports.StoreOpenError = void 0;
exports.logConfig = logConfig;
exports.indexConfig = indexConfig;
exports.openStream = openStream;
exports.disagreements = disagreements;
exports.checkServerVersion = checkServerVersion;
const api_1 = require("./api");
const errors_1 = require("./errors");
const nats_version_1 = require("./nats-version");
/** The store cannot be served as it is; the message says what was found and what is needed. */
class StoreOpenError extends Error {
}
exports.StoreOpenError = StoreOpenError;
/** The subject space of a store's index; a log may not use it as its prefix. */
exports.indexPrefix = 'ix';
/** How the log must be set. Fields that are not named here are the operator's, `max_bytes` for instance. */
function logConfig(options, limits) {
    return {
        name: options.name,
        description: 'Sluice event store: do not publish here by hand, see docs/storage.md',
        subjects: [`${options.prefix}.>`],
        ...common(options),
        deny_delete: true,
        deny_purge: true,
        duplicate_window: limits.duplicateWindowMs * 1_000_000,
    };
}
/** How the companion of the log that holds the index must be set. */
function indexConfig(options) {
    return {
        name: `${options.name}_INDEX`,
        description: `Index of the Sluice event store ${options.name}: may be deleted, is rebuilt`,
        subjects: [`${exports.indexPrefix}.${options.prefix}.>`],
        ...common(options),
        deny_delete: false,
        deny_purge: false,
    };
}
/** Events never expire and are never dropped to make room. */
function common(options) {
    return {
        storage: 'file',
        retention: 'limits',
        discard: 'new',
        num_replicas: options.replicas,
        max_age: 0,
        max_msgs: -1,
        max_msgs_per_subject: -1,
        allow_direct: true,
        allow_atomic: true,
        allow_msg_ttl: false,
        allow_rollup_hdrs: false,
        allow_msg_counter: false,
        allow_msg_schedules: false,
        no_ack: false,
        sealed: false,
        mirror: undefined,
        sources: undefined,
        subject_transform: undefined,
        persist_mode: undefined,
    };
}
/** The stream, created if it does not exist. Throws StoreOpenError if it exists and disagrees. */
async function openStream(link, wanted, timeoutMs) {
    const info = await findOrCreate(link, wanted, timeoutMs);
    const wrong = disagreements(info.config, wanted);
    if (wrong.length > 0) {
        throw new StoreOpenError(`the JetStream stream ${wanted.name} exists and is not set as a Sluice store needs it:\n` +
            wrong.map((line) => `  ${line}`).join('\n') +
            '\nUse another store name, or change the stream with the nats command line.');
    }
    return info;
}
async function findOrCreate(link, wanted, timeoutMs) {
    try {
        return await (0, api_1.streamInfo)(link, wanted.name, undefined, { timeoutMs });
    }
    catch (error) {
        if (!(error instanceof errors_1.JetStreamApiError) || error.errCode !== errors_1.errCode.streamNotFound)
            throw openError(error);
    }
    try {
        return await (0, api_1.callApi)(link, `STREAM.CREATE.${wanted.name}`, wanted, { timeoutMs });
    }
    catch (error) {
        throw openError(error, wanted.name);
    }
}
function openError(error, creating) {
    if (!(error instanceof Error))
        return error;
    const what = creating === undefined ? 'JetStream cannot be used' : `the stream ${creating} cannot be created`;
    return new StoreOpenError(`${what}: ${error.message}`, { cause: error });
}
/** A line for each field that is not as needed. The server leaves out fields that are false, empty or zero. */
function disagreements(found, wanted) {
    const lines = [];
    for (const [field, need] of Object.entries(wanted)) {
        if (field === 'description')
            continue;
        const has = found[field];
        if (JSON.stringify(has ?? emptyOf(need)) !== JSON.stringify(need ?? emptyOf(has))) {
            lines.push(`${field}: found ${show(has)}, needed ${show(need)}`);
        }
    }
    return lines;
}
function emptyOf(value) {
    if (typeof value === 'boolean')
        return false;
    if (typeof value === 'number')
        return 0;
    if (Array.isArray(value))
        return [];
    return value === undefined ? undefined : '';
}
function show(value) {
    return value === undefined ? 'nothing' : JSON.stringify(value);
}
/** Throws StoreOpenError if the server is older than Sluice needs. */
function checkServerVersion(link) {
    if (!(0, nats_version_1.atLeast)(link.serverVersion, nats_version_1.natsVersionFloor)) {
        throw new StoreOpenError(`nats-server ${link.serverVersion} is too old: Sluice needs ${nats_version_1.natsVersionFloor} or later (atomic batches)`);
    }
}
