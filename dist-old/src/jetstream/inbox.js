"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.openInbox = openInbox;
const nats_1 = require("nats");
const errors_1 = require("./errors");
const message_1 = require("./message");
const noResponders = 503;
function openInbox(connection) {
    const inbox = (0, nats_1.createInbox)();
    const waiting = new Map();
    let counter = 0;
    let refusal;
    const fail = (error, subject) => {
        for (const entry of waiting.values()) {
            if (subject === undefined || entry.subject === subject)
                entry.settle(error);
        }
    };
    const onMessage = (message) => {
        const entry = waiting.get(message.subject.slice(inbox.length + 1));
        if (entry !== undefined)
            take(entry, message);
    };
    const subscription = subscribe(connection, `${inbox}.*`, onMessage, (error) => {
        refusal = error; // it may come before the first request, which would wait in vain
        fail(error);
    });
    return {
        requestMany: (subject, send, onAnswer, { signal, timeoutMs, repeatMs = timeoutMs }) => new Promise((resolve, reject) => {
            const reason = refusal ?? (signal?.aborted === true ? signal.reason : undefined);
            if (reason !== undefined) {
                reject(reason);
                return;
            }
            const token = (counter++).toString(36);
            const onAbort = () => {
                entry.settle(signal?.reason);
            };
            const settle = (error) => {
                waiting.delete(token);
                clearTimeout(entry.timeout);
                signal?.removeEventListener('abort', onAbort);
                if (error === undefined)
                    resolve();
                else
                    reject(error);
            };
            let leftMs = timeoutMs;
            const wait = () => {
                const turnMs = Math.min(repeatMs, leftMs);
                leftMs -= turnMs;
                return setTimeout(onTimeout, turnMs);
            };
            const onTimeout = () => {
                if (leftMs > 0) {
                    entry.timeout = wait();
                    sendAgain(() => {
                        send(`${inbox}.${token}`);
                    });
                }
                else
                    settle(new errors_1.RequestTimeoutError(`no answer on ${subject} in ${timeoutMs.toString()} ms`));
            };
            const entry = { subject, onAnswer, settle, timeout: wait() };
            waiting.set(token, entry);
            signal?.addEventListener('abort', onAbort, { once: true });
            try {
                send(`${inbox}.${token}`);
            }
            catch (error) {
                settle(error);
            }
        }),
        fail,
        close() {
            subscription.unsubscribe();
        },
    };
}
function subscribe(connection, subject, onMessage, onRefusal) {
    const refusal = 'NATS does not permit the gateway to subscribe to _INBOX.>, where answers come';
    return connection.subscribe(subject, {
        callback: (error, message) => {
            if (error === null)
                onMessage(message);
            else
                onRefusal(new errors_1.PermissionViolationError(refusal, { cause: error }));
        },
    });
}
/** What cannot be sent again has been sent once, and may still be answered. */
function sendAgain(send) {
    try {
        send();
    }
    catch (error) {
        if (!(error instanceof errors_1.NotConnectedError))
            throw error;
    }
}
function take({ subject, onAnswer, settle, timeout }, message) {
    const answer = (0, message_1.parseMessage)(message);
    if (answer.status === noResponders) {
        settle(new errors_1.NoRespondersError(`nothing answers on ${subject}`));
        return;
    }
    try {
        if (onAnswer(answer))
            settle();
        else
            timeout.refresh();
    }
    catch (error) {
        settle(error);
    }
}
