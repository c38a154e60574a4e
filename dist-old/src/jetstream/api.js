"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.callApi = callApi;
exports.parseAnswer = parseAnswer;
exports.streamInfo = streamInfo;
exports.leaderGet = leaderGet;
exports.directGet = directGet;
exports.directGetBatch = directGetBatch;
exports.throughTime = throughTime;
const errors_1 = require("./errors");
const message_1 = require("./message");
/** A question is sent again so often; what it asks for can be done twice. */
const repeatMs = 1_000;
/** Asks the JetStream API. Throws JetStreamApiError if it refuses. */
async function callApi(link, verb, body, options) {
    const payload = body === undefined ? '' : JSON.stringify(body);
    const answer = await link.request(`$JS.API.${verb}`, payload, { repeatMs, ...options });
    return parseAnswer(answer.body);
}
/** The JSON answer of the API or of a publish. Throws JetStreamApiError. */
function parseAnswer(body) {
    const parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
    const { error } = parsed;
    if (error !== undefined) {
        throw new errors_1.JetStreamApiError(error.err_code ?? 0, error.code, error.description ?? 'refused');
    }
    return parsed;
}
function streamInfo(link, name, request, options) {
    return callApi(link, `STREAM.INFO.${name}`, request, options);
}
/**
 * One message, as its leader knows it, or undefined. A stream with one replica has nobody but its leader to
 * answer a Direct Get, which is twice as fast as the leader's own API.
 */
function leaderGet(link, stream, lookup, options) {
    return stream.replicas === 1
        ? directGet(link, stream, lookup, options)
        : apiGet(link, stream, lookup, options);
}
async function apiGet(link, stream, lookup, options) {
    try {
        const { message } = await callApi(link, `STREAM.MSG.GET.${stream.name}`, lookup, options);
        return {
            subject: message.subject,
            sequence: BigInt(message.seq),
            timeNanos: (0, message_1.parseTime)(message.time),
            headers: Buffer.from(message.hdrs ?? '', 'base64').toString('latin1'),
            body: Buffer.from(message.data ?? '', 'base64'),
        };
    }
    catch (error) {
        if (error instanceof errors_1.JetStreamApiError && error.errCode === errors_1.errCode.messageNotFound)
            return undefined;
        throw error;
    }
}
/** One message, as any replica knows it, or undefined. */
async function directGet(link, stream, lookup, options) {
    const answer = await link.request(directSubject(stream), JSON.stringify(lookup), { repeatMs, ...options });
    if (answer.status === 404)
        return undefined;
    if (answer.status !== 0)
        throw directError(answer.status, answer.headers);
    return (0, message_1.storedMessage)(answer);
}
/** Many messages, as any replica knows them. A batch is whole or an error; it may end early, see `more`. */
async function directGetBatch(link, stream, lookup, options) {
    const messages = [];
    let more = false;
    await link.requestMany(directSubject(stream), JSON.stringify(lookup), (answer) => {
        if (answer.status === 0) {
            messages.push((0, message_1.storedMessage)(answer));
            return false;
        }
        if (answer.status === 204)
            more = (0, message_1.serverHeader)(answer.headers, 'Nats-Num-Pending') !== '0';
        else if (answer.status !== 404)
            throw directError(answer.status, answer.headers);
        return true;
    }, options);
    return { messages, more };
}
/** The last moment that a time condition takes in, for `up_to_time`, which leaves its own moment out. */
function throughTime(nanos) {
    return (0, message_1.formatTime)(nanos + 1n);
}
function directSubject({ name }) {
    return `$JS.API.DIRECT.GET.${name}`;
}
function directError(status, headers) {
    return new errors_1.JetStreamApiError(0, status, `Direct Get: ${headers.slice(9, headers.indexOf('\r\n'))}`);
}
