import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type Side = 'client' | 'server';

/** Where a conversation is cut. */
export interface Cut {
  readonly side: Side;
  /** The bytes that this side may still send. As soon as it sends more, the rest is lost, and all connections with it. */
  readonly bytes: number;
  /** Whether new connections work only after `heal`, and not at once. */
  readonly staysAway: boolean;
}

/** A network between a client and a server on loopback that breaks at any byte. */
export interface CuttingRelay extends AsyncDisposable {
  /** The host:port of its ends, all alike: a client that waits before it returns to one end has another one. */
  readonly addresses: readonly string[];
  /** Cuts the conversation that begins now, and after each cut the next one. Replaces the cuts that were planned before. */
  cutWithin(cuts: readonly Cut[]): void;
  /** Bytes of each side that have passed in this conversation. */
  readonly said: Readonly<Record<Side, number>>;
  /** Lets new connections work. */
  heal(): void;
}

/** Starts a relay to a port on loopback. Only connections of clients that send `name` first count. */
export async function startCuttingRelay(port: number, name: string, ends: number): Promise<CuttingRelay> {
  const sockets = new Set<Socket>();
  let cuts: readonly Cut[] = [];
  let isAway = false;
  const said: Record<Side, number> = { client: 0, server: 0 };

  const begin = (next: readonly Cut[]): void => {
    cuts = next;
    said.client = said.server = 0;
  };
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const pass = (bytes: Buffer, side: Side, to: Socket): void => {
    const [cut] = cuts;
    const left = cut?.side === side ? cut.bytes - said[side] : Infinity;
    if (cut === undefined || bytes.length <= left) {
      said[side] += bytes.length;
      to.write(bytes);
      return;
    }
    isAway = cut.staysAway;
    begin(cuts.slice(1));
    // The bytes that may still be sent arrive; nothing else does, on any connection.
    for (const socket of sockets) socket.pause();
    to.write(bytes.subarray(0, left), endAll);
  };
  const keep = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const accept = (client: Socket): void => {
    if (isAway) {
      client.destroy();
      return;
    }
    const server = connect(port, '127.0.0.1');
    keep(client, server);
    keep(server, client);
    let counts: boolean | undefined;
    client.on('data', (bytes) => {
      const known = counts;
      // The greeting does not count: its length depends on the ends of the relay.
      counts ??= bytes.includes(name);
      if (known === true) pass(bytes, 'client', server);
      else server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (counts === true) pass(bytes, 'server', client);
      else client.write(bytes);
    });
  };
  const servers = Array.from({ length: ends }, () => createServer(accept).listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  return {
    addresses: servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port.toString()}`),
    cutWithin: begin,
    said,
    heal() {
      isAway = false;
    },
    async [Symbol.asyncDispose]() {
      const closed = servers.map((server) => once(server.close(), 'close'));
      endAll();
      await Promise.all(closed);
    },
  };
}
