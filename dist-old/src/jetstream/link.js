"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createLink = createLink;
const promises_1 = require("node:timers/promises");
const nats_1 = require("nats");
const errors_1 = require("./errors");
const inbox_1 = require("./inbox");
const message_1 = require("./message");
const drainTimeoutMs = 2_000;
/** Takes over a fresh connection. */
function createLink(connection) {
    const inbox = (0, inbox_1.openInbox)(connection);
    const listeners = [];
    let connected = true;
    // The library forgets it while it reconnects.
    let lastInfo = connection.info;
    const serverInfo = () => (lastInfo = connection.info ?? lastInfo);
    function changeConnected(now) {
        connected = now;
        if (!now)
            inbox.fail(new errors_1.ConnectionLostError('the connection to NATS was lost'));
        for (const listener of listeners)
            listener();
    }
    void watch(connection, changeConnected, (subject) => {
        inbox.fail(new errors_1.PermissionViolationError(`NATS does not permit the gateway to use ${subject}`), subject);
    });
    const send = (subject, payload, headers, reply) => {
        if (!connected)
            throw new errors_1.NotConnectedError('there is no connection to NATS');
        publish(connection, subject, payload, {
            ...(reply === undefined ? {} : { reply }),
            ...(headers === undefined ? {} : { headers: encodeHeaders(headers) }),
        });
    };
    const requestMany = (subject, payload, onAnswer, options) => {
        const sendWith = (reply) => {
            send(subject, payload, options.headers, reply);
        };
        return inbox.requestMany(subject, sendWith, onAnswer, options);
    };
    return {
        get connected() {
            return connected;
        },
        get maxPayloadBytes() {
            return serverInfo()?.max_payload ?? 0;
        },
        get serverVersion() {
            return serverInfo()?.version ?? '';
        },
        requestMany,
        request: (subject, payload, options) => firstAnswer((onAnswer) => requestMany(subject, payload, onAnswer, options)),
        publish(subject, payload, headers) {
            send(subject, payload, headers);
        },
        subscribe: (subject, onMessage) => subscribe(connection, subject, onMessage),
        onChange(listener) {
            listeners.push(listener);
        },
        async close() {
            inbox.close();
            const drained = connection.drain().catch(() => undefined);
            // Without a server nothing drains.
            await Promise.race([drained, (0, promises_1.setTimeout)(drainTimeoutMs, undefined, { ref: false })]);
            await connection.close();
        },
    };
}
async function firstAnswer(ask) {
    let first;
    await ask((answer) => {
        first = answer;
        return true;
    });
    return first;
}
/** Tells of every change; the last one is that the connection is closed for good. */
async function watch(connection, onChange, onForbidden) {
    void connection.closed().then(() => {
        onChange(false);
    });
    for await (const { type, permissionContext } of connection.status()) {
        if (type === nats_1.Events.Disconnect)
            onChange(false);
        else if (type === nats_1.Events.Reconnect)
            onChange(true);
        else if (type === nats_1.Events.Error && permissionContext !== undefined)
            onForbidden(permissionContext.subject);
    }
}
function publish(connection, subject, payload, options) {
    try {
        connection.publish(subject, payload, options);
    }
    catch (error) {
        throw new errors_1.NotConnectedError(error.message, { cause: error });
    }
}
function subscribe(connection, subject, onMessage) {
    const subscription = connection.subscribe(subject, {
        callback: (error, message) => {
            if (error !== null)
                return; // whoever waits for messages notices that none come
            onMessage({ ...(0, message_1.parseMessage)(message), subject: message.subject, reply: message.reply ?? '' });
        },
    });
    return () => {
        subscription.unsubscribe();
    };
}
function encodeHeaders(record) {
    const encoded = (0, nats_1.headers)();
    for (const [key, value] of Object.entries(record))
        encoded.append(key, value);
    return encoded;
}
