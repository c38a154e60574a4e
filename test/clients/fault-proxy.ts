import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Where a conversation is cut: as soon as this side sends more than `bytes` from now on. */
export interface Cut {
  readonly side: 'client' | 'server';
  readonly bytes: number;
}

/** A network between a client and a server on loopback, with its faults as verbs. */
export interface FaultProxy extends AsyncDisposable {
  /** The host:port of this end; always the same. */
  readonly address: string;
  /** Breaks all connections; new ones work. */
  cut(): void;
  /** Breaks all connections once, at a byte; what comes before it arrives. New ones work. */
  cutAfter(cut: Cut): void;
  /** Loses everything on the present connections, both ways and their end as well; new ones work. */
  swallow(): void;
  /** Breaks all connections, and refuses new ones until `heal`. */
  refuse(): Promise<void>;
  /** Passes this many bytes a second from the server on each connection, until `heal`. */
  slow(bytesPerSecond: number): void;
  /** New connections work. Those that were swallowed stay as they are. */
  heal(): Promise<void>;
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  isSwallowed: boolean;
}

/** Starts a proxy to a port on loopback. */
export async function startFaultProxy(port: number): Promise<FaultProxy> {
  const proxy = new Proxy(port);
  await proxy.listen(0);
  return proxy;
}

class Proxy implements FaultProxy {
  private readonly connections = new Set<Connection>();
  private listener: Server | undefined;
  private ownPort = 0;
  private planned: { readonly side: Cut['side']; left: number } | undefined;
  private rate: number | undefined;

  constructor(private readonly port: number) {}

  get address(): string {
    return `127.0.0.1:${this.ownPort}`;
  }

  async listen(port: number): Promise<void> {
    const listener = createServer((client) => {
      this.accept(client);
    }).listen(port, '127.0.0.1');
    await once(listener, 'listening');
    this.listener = listener;
    this.ownPort = (listener.address() as AddressInfo).port;
  }

  cut(): void {
    for (const { client, server } of this.connections) {
      client.destroy();
      server.destroy();
    }
  }

  cutAfter({ side, bytes }: Cut): void {
    this.planned = { side, left: bytes };
  }

  swallow(): void {
    for (const connection of this.connections) connection.isSwallowed = true;
  }

  async refuse(): Promise<void> {
    const { listener } = this;
    this.listener = undefined;
    const closed = listener === undefined ? undefined : once(listener.close(), 'close');
    this.cut();
    await closed;
  }

  slow(bytesPerSecond: number): void {
    this.rate = bytesPerSecond;
  }

  async heal(): Promise<void> {
    this.rate = this.planned = undefined;
    if (this.listener === undefined) await this.listen(this.ownPort);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.refuse();
  }

  private accept(client: Socket): void {
    const server = connect(this.port, '127.0.0.1');
    const connection = { client, server, isSwallowed: false };
    this.connections.add(connection);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true);
      // An error on one side ends the other side as well.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        // Nobody learns of the end of a connection that is silent; it ends with the proxy.
        if (connection.isSwallowed && !client.destroyed) return;
        if (!connection.isSwallowed) other.destroy();
        if (client.destroyed && server.destroyed) this.connections.delete(connection);
      });
    }
    client.on('data', (bytes) => {
      this.pass(bytes, 'client', connection);
    });
    server.on('data', (bytes) => {
      this.pass(bytes, 'server', connection);
      if (this.rate === undefined) return;
      server.pause();
      setTimeout(() => server.resume(), (bytes.length / this.rate) * 1_000).unref();
    });
  }

  private pass(bytes: Buffer, side: Cut['side'], { client, server, isSwallowed }: Connection): void {
    if (isSwallowed) return;
    const to = side === 'client' ? server : client;
    const { planned } = this;
    if (planned?.side !== side || bytes.length <= planned.left) {
      if (planned?.side === side) planned.left -= bytes.length;
      to.write(bytes);
      return;
    }
    this.planned = undefined;
    // The bytes before the cut arrive; nothing else does, on any connection.
    for (const each of this.connections) {
      each.client.pause();
      each.server.pause();
    }
    to.write(bytes.subarray(0, planned.left), () => {
      this.cut();
    });
  }
}
