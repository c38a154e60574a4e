"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.adjustHttp2 = adjustHttp2;
/**
 * Does to the HTTP/2 servers below a server of grpc-js (1.14), which has to listen, what it has no setting for; gives
 * a function that ends all connections at once. `forceShutdown` waits for the other side of a connection to end it too,
 * which one that is stuck never does.
 */
function adjustHttp2(server) {
    const { http2Servers } = server;
    const sockets = new Set();
    for (const http2Server of http2Servers.keys()) {
        ignoreLongTimeouts(http2Server);
        http2Server.on('connection', (socket) => {
            sockets.add(socket);
            socket.once('close', () => sockets.delete(socket));
        });
    }
    return () => {
        for (const socket of sockets)
            socket.destroy();
    };
}
const msOf = { H: 3_600_000, M: 60_000, S: 1_000 };
/** What a timer can take. */
const timeoutMsMax = 2 ** 31 - 1;
/**
 * Makes calls with a deadline of more than 24.8 days calls without one: grpc-js lets the number overflow, so that they
 * would end at once or at any time.
 */
function ignoreLongTimeouts(http2Server) {
    http2Server.prependListener('stream', (_stream, headers) => {
        const [, amount, unit = ''] = /^(\d+)(\w)$/.exec(String(headers['grpc-timeout'])) ?? [];
        if (Number(amount) * (msOf[unit] ?? 0) > timeoutMsMax)
            delete headers['grpc-timeout'];
    });
}
