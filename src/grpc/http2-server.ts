import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import type { Server } from '@grpc/grpc-js';

/**
 * Does to the HTTP/2 servers below a server of grpc-js (1.14), which has to listen, what it has no setting for; gives
 * a function that ends all connections at once. `forceShutdown` waits for the other side of a connection to end it too,
 * which one that is stuck never does.
 */
export function adjustHttp2(server: Server): () => void {
  const { http2Servers } = server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> };
  const sockets = new Set<Socket>();
  for (const http2Server of http2Servers.keys()) {
    ignoreLongTimeouts(http2Server);
    http2Server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

const msOf: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };
/** What a timer can take. */
const timeoutMsMax = 2 ** 31 - 1;

/**
 * Makes calls with a deadline of more than 24.8 days calls without one: grpc-js lets the number overflow, so that they
 * would end at once or at any time.
 */
function ignoreLongTimeouts(http2Server: Http2Server): void {
  http2Server.prependListener('stream', (_stream, headers) => {
    const [, amount, unit = ''] = /^(\d+)(\w)$/.exec(String(headers['grpc-timeout'])) ?? [];
    if (Number(amount) * (msOf[unit] ?? 0) > timeoutMsMax) delete headers['grpc-timeout'];
  });
}
