import type { Server, Socket } from 'node:net';
import type { Limits } from '../limits';

/**
 * Closes the connections above the bounds at once. Unlike with `maxConnections` of Node, which counts a connection until it has been
 * torn down, callers that are refused take no place of others.
 */
export function boundConnections(
  server: Server,
  { httpConnectionsMax, httpAddressConnectionsMax }: Limits,
): void {
  let all = 0;
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const { remoteAddress = '' } = socket;
    const count = open.get(remoteAddress) ?? 0;
    if (all >= httpConnectionsMax || count >= httpAddressConnectionsMax) {
      socket.destroy();
      return;
    }
    all++;
    open.set(remoteAddress, count + 1);
    socket.once('close', () => {
      all--;
      const left = (open.get(remoteAddress) ?? 1) - 1;
      if (left > 0) open.set(remoteAddress, left);
      else open.delete(remoteAddress);
    });
  });
}
