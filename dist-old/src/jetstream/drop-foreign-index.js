"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.dropForeignIndex = dropForeignIndex;
const api_1 = require("./api");
const correlation_index_1 = require("./correlation-index");
const head_1 = require("./head");
const index_record_1 = require("./index-record");
/**
 * Empties an index that is ahead of the log. It belongs to another one, for instance to what a backup has replaced, and
 * would claim to cover commits that are yet to come.
 */
async function dropForeignIndex(index) {
    const call = { signal: new AbortController().signal, deadlineMs: Infinity };
    const last = await (0, correlation_index_1.lastIndexMessage)(index, index.subjects.fresh, call);
    if (last === undefined)
        return;
    // In this order: meanwhile other gateways may write both.
    const { through } = (0, index_record_1.decodeIndexRecord)(last.body);
    const { sequence: logEnd } = await (0, head_1.logHead)(index, call);
    if (through <= logEnd)
        return;
    const found = { indexPosition: through.toString(), logPosition: logEnd.toString() };
    index.logger.warn(found, 'the correlation index is ahead of the log: it is made anew');
    const options = { timeoutMs: index.limits.requestTimeoutMs };
    await (0, api_1.callApi)(index.pool.append(), `STREAM.PURGE.${index.index.name}`, {}, options);
}
