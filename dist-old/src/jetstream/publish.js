"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.publishAtomically = publishAtomically;
const nats_1 = require("nats");
const api_1 = require("./api");
const errors_1 = require("./errors");
/** Publishes all messages or none, several as one atomic batch. */
async function publishAtomically(link, messages, timeoutMs) {
    const [first] = messages;
    if (first === undefined)
        throw new Error('there is nothing to publish');
    return messages.length === 1
        ? commitBy(link, first, {}, timeoutMs)
        : publishBatch(link, messages, timeoutMs);
}
async function publishBatch(link, messages, timeoutMs) {
    const batchId = nats_1.nuid.next();
    const batchHeaders = (index) => ({
        'Nats-Batch-Id': batchId,
        'Nats-Batch-Sequence': (index + 1).toString(),
    });
    const last = messages.length - 1;
    try {
        for (const [index, message] of messages.slice(0, last).entries()) {
            const { subject, body } = message;
            const headers = { ...message.headers, ...batchHeaders(index) };
            // The answer to the first tells whether the server takes the batch; nothing is stored before the last.
            if (index === 0)
                checkTaken((await link.request(subject, body, { headers, timeoutMs })).body);
            else
                link.publish(subject, body, headers);
        }
    }
    catch (error) {
        return outcomeOf(error, 'failed');
    }
    const commit = { ...batchHeaders(last), 'Nats-Batch-Commit': '1' };
    const outcome = await commitBy(link, messages[last], commit, timeoutMs);
    const isDuplicate = outcome.kind === 'failed' && isRefused(outcome.cause, errors_1.errCode.duplicateInBatch);
    return isDuplicate ? findDuplicate(link, messages[0], timeoutMs) : outcome;
}
/**
 * Finds the message that has the id of the first one of a batch, which the answer to a batch does not tell. The server
 * looks for the id first, and then refuses a message that must follow one that cannot be: to ask stores nothing.
 */
async function findDuplicate(link, { subject, headers }, timeoutMs) {
    const question = {
        subject,
        headers: { 'Nats-Msg-Id': headers['Nats-Msg-Id'] ?? '', 'Nats-Expected-Last-Msg-Id': 'none' },
        body: new Uint8Array(0),
    };
    const outcome = await commitBy(link, question, {}, timeoutMs);
    // Forgotten between the two questions.
    const isForgotten = outcome.kind === 'failed' && isRefused(outcome.cause, errors_1.errCode.wrongLastMessageId);
    return isForgotten ? { kind: 'conflict' } : outcome;
}
function isRefused(error, number) {
    return error instanceof errors_1.JetStreamApiError && error.errCode === number;
}
/** A batch message is acknowledged by an empty answer. */
function checkTaken(body) {
    if (body.length > 0)
        (0, api_1.parseAnswer)(body);
}
async function commitBy(link, message, extra, timeoutMs) {
    try {
        const headers = { ...message.headers, ...extra };
        const answer = await link.request(message.subject, message.body, { headers, timeoutMs });
        const ack = (0, api_1.parseAnswer)(answer.body);
        const sequence = BigInt(ack.seq);
        return { kind: ack.duplicate === true ? 'duplicate' : 'stored', sequence };
    }
    catch (error) {
        return outcomeOf(error, 'lost');
    }
}
function outcomeOf(error, unanswered) {
    if (error instanceof errors_1.ConnectionLostError || error instanceof errors_1.RequestTimeoutError) {
        return { kind: unanswered, cause: error };
    }
    if (error instanceof errors_1.JetStreamApiError) {
        switch (error.errCode) {
            case errors_1.errCode.wrongLastSequence:
            case errors_1.errCode.wrongLastSequenceInFlight:
            case errors_1.errCode.duplicateInFlight:
            case errors_1.errCode.batchIncomplete:
                return { kind: 'conflict' };
        }
    }
    return { kind: 'failed', cause: error };
}
