import { lookup } from 'node:dns/promises';
import { createServer, isIP, type AddressInfo, type Server, type Socket } from 'node:net';
import { placeSocket, socketPathOf } from '../grpc/unix-socket';

/** Accepts client connections, without reading from them. */
export interface Acceptor {
  /** host:port or unix:/path, with the port that is in use. */
  readonly address: string;
  /** Accepts no more. */
  close(): Promise<void>;
}

/** Listens on host:port, on each address of the host, or on unix:/path. Throws if it cannot. */
export async function acceptOn(address: string, onConnection: (socket: Socket) => void): Promise<Acceptor> {
  const path = socketPathOf(address);
  const servers: Server[] = [];
  const close = (): Promise<void> => {
    for (const server of servers) server.close();
    return Promise.resolve();
  };
  try {
    if (path !== undefined) {
      const remove = await placeSocket(path, (made) => listen(servers, { path: made }, onConnection));
      return { address, close: () => remove().then(close) };
    }
    const at = address.lastIndexOf(':');
    const host = address.slice(0, at).replace(/^\[(.*)\]$/, '$1');
    let port = Number(address.slice(at + 1));
    for (const one of await addressesOf(host))
      port = await listen(servers, { host: one, port }, onConnection);
    return { address: address.replace(/\d+$/, port.toString()), close };
  } catch (error) {
    await close();
    throw new Error(`cannot listen on ${address}: ${(error as Error).message}`, { cause: error });
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await lookup(host, { all: true });
  return [...new Set(found.map((one) => one.address))];
}

/** Resolves with the port. */
function listen(
  servers: Server[],
  where: { readonly path: string } | { readonly host: string; readonly port: number },
  onConnection: (socket: Socket) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    // A worker reads from it.
    const server = createServer({ pauseOnConnect: true, noDelay: true }, onConnection);
    servers.push(server);
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      // For instance when no descriptors are left; the next connection is tried again.
      server.on('error', () => undefined);
      resolve((server.address() as Partial<AddressInfo>).port ?? 0);
    });
  });
}
