"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.ConnectError = void 0;
exports.openPool = openPool;
const promises_1 = require("node:fs/promises");
const promises_2 = require("node:timers/promises");
const nats_1 = require("nats");
const link_1 = require("./link");
/** NATS could not be reached in time, or refused. */
class ConnectError extends Error {
}
exports.ConnectError = ConnectError;
const retryMs = 250;
const pingIntervalMs = 5_000;
/** Opens all connections. Throws ConnectError. */
async function openPool(options, log) {
    const roles = { append: options.appendConnections, read: options.readConnections };
    const giveUpMs = Date.now() + options.connectTimeoutMs;
    const opened = [];
    const open = async (role, count) => {
        const links = [];
        for (let i = 0; i < count; i++) {
            const link = await openLink(options, `sluice-${role}-${i.toString()}`, giveUpMs);
            opened.push(link);
            links.push(link);
        }
        return links;
    };
    try {
        const [append, read] = [await open('append', roles.append), await open('read', roles.read)];
        return createPool(append, read, (await open('tail', 1))[0], log);
    }
    catch (error) {
        await Promise.all(opened.map((link) => link.close()));
        throw error;
    }
}
function createPool(append, read, tail, log) {
    const all = [...append, ...read, tail];
    const listeners = [];
    let available = true;
    let closing = false;
    const check = () => {
        const now = append.some((link) => link.connected) && read.some((link) => link.connected);
        if (now === available)
            return;
        available = now;
        if (!closing) {
            if (now)
                log.info('connected to NATS again');
            else
                log.warn('the connection to NATS is lost; reconnecting');
        }
        for (const listener of listeners)
            listener(now);
    };
    for (const link of all)
        link.onChange(check);
    return {
        append: roundRobin(append),
        read: roundRobin(read),
        tail,
        get available() {
            return available;
        },
        onAvailability(listener) {
            listeners.push(listener);
        },
        async close() {
            closing = true;
            await Promise.all(all.map((link) => link.close()));
        },
    };
}
/** Takes turns among the links that are connected. */
function roundRobin(links) {
    let next = 0;
    return () => {
        for (let i = 0; i < links.length; i++) {
            const link = links[next++ % links.length];
            if (link.connected)
                return link;
        }
        return links[0];
    };
}
async function openLink(options, name, giveUpMs) {
    const connection = await connectionOptions(options, name);
    for (;;) {
        const leftMs = giveUpMs - Date.now();
        try {
            return (0, link_1.createLink)(await (0, nats_1.connect)({ ...connection, timeout: Math.max(1_000, Math.min(leftMs, 5_000)) }));
        }
        catch (error) {
            const reason = error instanceof Error ? error.message : String(error);
            if (leftMs < retryMs || /auth/i.test(error.code ?? '')) {
                throw new ConnectError(`cannot connect to NATS at ${serverList(options)}: ${reason}`, {
                    cause: error,
                });
            }
            await (0, promises_2.setTimeout)(retryMs);
        }
    }
}
/** The servers without the credentials that a URL may hold. */
function serverList({ servers }) {
    return servers.map((server) => server.replace(/\/\/[^@/]*@/, '//')).join(', ');
}
async function connectionOptions(options, name) {
    const { servers, user, password, token, credsFile, tls } = options;
    const file = async (path) => path === undefined ? undefined : await (0, promises_1.readFile)(path, 'utf8');
    const creds = credsFile === undefined ? undefined : await (0, promises_1.readFile)(credsFile);
    const [ca, cert, key] = await Promise.all([file(tls?.caFile), file(tls?.certFile), file(tls?.keyFile)]);
    return {
        servers: [...servers],
        name,
        maxReconnectAttempts: -1,
        // A login that is refused while a server is being set up, or a secret renewed, may be good again.
        ignoreAuthErrorAbort: true,
        reconnectTimeWait: retryMs,
        reconnectJitter: retryMs,
        pingInterval: pingIntervalMs,
        maxPingOut: 2,
        noAsyncTraces: true,
        ...(user === undefined ? {} : { user }),
        ...(password === undefined ? {} : { pass: password }),
        ...(token === undefined ? {} : { token }),
        ...(creds === undefined ? {} : { authenticator: (0, nats_1.credsAuthenticator)(creds) }),
        ...(tls === undefined
            ? {}
            : {
                tls: {
                    ...(ca === undefined ? {} : { ca }),
                    ...(cert === undefined ? {} : { cert }),
                    ...(key === undefined ? {} : { key }),
                },
            }),
    };
}
