import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Gives a connection to the gRPC server, as one of this caller. See `Adopt` of the room grpc. */
export type Give = (socket: Socket, peer: string) => void;

/**
 * Connections of the gateway to its own gRPC server, one for each connection of a caller over HTTP, so that bounds, identities and the
 * audit log are about that caller. They are Unix sockets in a folder that only this user can enter.
 */
export class InnerConnections {
  private folder: Promise<string> | undefined;
  private readonly known = new WeakMap<Socket, Promise<ClientHttp2Session>>();

  constructor(private readonly give: Give) {}

  /** The connection for a caller; another one if the last one ends. It ends with that of the caller. Rejects if there can be none. */
  of(caller: Socket): Promise<ClientHttp2Session> {
    const known = this.known.get(caller);
    if (known !== undefined) return known;
    const opened = this.open(caller);
    const forget = (): void => {
      if (this.known.get(caller) === opened) this.known.delete(caller);
    };
    this.known.set(caller, opened);
    opened.then((session) => {
      // Calls that are under way on it go on.
      session.once('goaway', forget);
      session.once('close', forget);
    }, forget);
    return opened;
  }

  async close(): Promise<void> {
    const folder = await this.folder?.catch(() => undefined);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }

  private async open(caller: Socket): Promise<ClientHttp2Session> {
    const socket = await this.dial(addressOf(caller));
    const session = connectHttp2('http://gateway', {
      createConnection: () => socket,
      settings: { enablePush: false },
    });
    session.on('error', () => undefined); // each of its calls fails
    const end = (): void => {
      session.destroy();
    };
    if (caller.destroyed) end();
    else {
      caller.once('close', end);
      session.once('close', () => caller.off('close', end));
    }
    return session;
  }

  /** Listens for one connection, which is its own. */
  private async dial(peer: string): Promise<Socket> {
    this.folder ??= mkdtemp(join(tmpdir(), 'sluice-'));
    const path = join(await this.folder, randomUUID().slice(0, 8));
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    server.maxConnections = 1;
    server.listen(path);
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      const [other] = await accepted;
      this.give(other, peer);
      return socket;
    } finally {
      server.close();
    }
  }
}

function addressOf({ remoteAddress = '', remotePort, remoteFamily }: Socket): string {
  const host = remoteFamily === 'IPv6' ? `[${remoteAddress}]` : remoteAddress;
  return `${host}:${String(remotePort)}`;
}
