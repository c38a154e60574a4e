import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peerOf } from '../grpc/peer';
import { StoreUnavailableError } from '../store/errors';

/** Above it, Node.js would end calls. A request in JSON is written at once; how many there may be is bounded elsewhere. */
const sessionMegabytesMax = 1_024;

/** Gives a connection to the gRPC server, as one of this caller. See `Adopt` of the room grpc. */
export type Give = (socket: Socket, peer: string) => void;

/**
 * Connections of the gateway to its own gRPC server, one for each connection of a caller over HTTP, so that bounds, identities and the
 * audit log are about that caller. They are Unix sockets in a folder that only this user can enter.
 */
export class InnerConnections {
  private listening: Promise<Listening> | undefined;
  /** Connections are made one after another, so that each end finds the other. */
  private dialled: Promise<unknown> = Promise.resolve();
  private isClosed = false;
  private readonly known = new WeakMap<Socket, Promise<ClientHttp2Session>>();

  constructor(private readonly give: Give) {}

  /** The connection for a caller; another one if the last one ends. It ends with that of the caller. Rejects if it cannot be made. */
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
    this.isClosed = true;
    const listening = await this.listening?.catch(() => undefined);
    listening?.server.close();
    if (listening !== undefined) await rm(listening.folder, { recursive: true, force: true });
  }

  private async open(caller: Socket): Promise<ClientHttp2Session> {
    const dialled = this.dialled.then(() => this.dial(peerOf(caller)));
    this.dialled = dialled.catch(() => undefined);
    const socket = await dialled;
    const session = connectHttp2('http://gateway', {
      createConnection: () => socket,
      settings: { enablePush: false },
      maxSessionMemory: sessionMegabytesMax,
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

  private async dial(peer: string): Promise<Socket> {
    if (this.isClosed) throw new StoreUnavailableError('the gateway is stopping');
    this.listening ??= listen();
    const { path, accept } = await this.listening.catch((error: unknown) => {
      this.listening = undefined;
      throw error;
    });
    const accepted = accept();
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      const fail = (): void => {
        reject(new StoreUnavailableError('the gateway has no connection for this call'));
      };
      // Without a free file descriptor, it is closed before it is accepted.
      socket.on('error', fail).once('close', fail);
      void accepted.then((other) => {
        socket.off('close', fail);
        this.give(other, peer);
        resolve();
      });
    });
    return socket;
  }
}

interface Listening {
  readonly folder: string;
  readonly path: string;
  readonly server: Server;
  /** Resolves with the next connection. */
  readonly accept: () => Promise<Socket>;
}

/** Listens where only this user can connect. A connection that is not waited for is closed. */
async function listen(): Promise<Listening> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'));
  const path = join(folder, 'grpc');
  let take = (socket: Socket): void => void socket.destroy();
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    const taken = take;
    take = (other) => void other.destroy();
    taken(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  server.unref();
  return { folder, path, server, accept: () => new Promise((resolve) => (take = resolve)) };
}
