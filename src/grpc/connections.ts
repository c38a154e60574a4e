import { setMaxListeners } from 'node:events';
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server as NetServer, Socket } from 'node:net';
import { TLSSocket, type DetailedPeerCertificate } from 'node:tls';
import type { Logger } from 'pino';
import type { Identity } from '../auth/identity';
import type { Share } from '../auth/quota';
import type { Limits } from '../limits';
import { boundByDescriptors } from './descriptors';
import type { HeldOfConnection } from './held';
import { hasPeer, peerOf, type Peer } from './peer';

/** The client connections: bounded in number, in the time without calls, and in age. */
export interface Connections {
  /** To be called for each HTTP/2 server, before any connection comes. */
  watch(http2Server: Http2Server): void;
  /** Ends all calls without an end of their own, later ones too, with this reason. */
  drain(reason: string): void;
  /** Destroys all connections. */
  end(): void;
  /** How many are open. */
  readonly size: number;
  /** How many were closed at once, because there were too many. */
  readonly refused: number;
  /** How many there may be. */
  readonly max: number;
}

/** A token that one generation of the auth file has accepted. */
export interface KnownToken {
  readonly authorization: string;
  readonly generation: number;
  readonly identity: Identity;
}

/** A connection of a client. */
export class Connection implements HeldOfConnection {
  /** The other end as people know it: `address:port`, or `unix`. */
  readonly peer: string;
  readonly isRelayed: boolean;
  heldBytes = 0;
  /** Under way, in sessions or not. */
  appends = 0;
  appendBytes = 0;
  inflating: Promise<unknown> | undefined;
  /** The token of its last call that had one. */
  knownToken: KnownToken | undefined;
  /** The callers of its calls that are being identified, by the value of `authorization`. */
  readonly identifying = new Map<string | undefined, Promise<Identity>>();
  /** Of its calls without a credential. */
  anonymousShare: Share | undefined;
  calls = 0;
  session: ServerHttp2Session | undefined;
  isGreeted = false;
  /** Aborted to end the calls that have no end of their own; the reason is for their callers. */
  private readonly draining = new AbortController();
  private readonly openedAtMs = performance.now();
  private idleSinceMs = performance.now();
  private leavingSinceMs: number | undefined;
  private bytesRead = 0;
  private callsBegun = 0;
  private isPinged = false;
  private pingedAtMs = -Infinity;
  /** undefined: not looked up yet. */
  private verified: DetailedPeerCertificate | 'none' | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly limits: Limits,
    /** 0.9 to 1.1, so that connections that were opened together do not all end together. */
    private readonly ageFactor = 0.9 + Math.random() / 5,
  ) {
    this.peer = peerOf(socket);
    this.isRelayed = hasPeer(socket);
    setMaxListeners(0, this.draining.signal); // one for each of its calls without an end
  }

  /** Of the client, if TLS has verified one. */
  get certificate(): DetailedPeerCertificate | undefined {
    if (this.verified === undefined) this.verified = certificateOf(this.session?.socket);
    return this.verified === 'none' ? undefined : this.verified;
  }

  get stop(): AbortSignal {
    return this.draining.signal;
  }

  begin(session: ServerHttp2Session): void {
    this.session = session;
    session.once('remoteSettings', () => {
      this.isGreeted = true;
    });
  }

  callBegins(): void {
    this.calls++;
    this.callsBegun++;
  }

  callEnds(): void {
    if (--this.calls === 0) this.idleSinceMs = performance.now();
  }

  drain(reason: string): void {
    this.draining.abort(reason);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** To be called from time to time. */
  check(nowMs: number): void {
    const { session } = this;
    const { greetingTimeoutMs, connectionIdleMs, connectionAgeMaxMs, connectionAgeGraceMs } = this.limits;
    if (session === undefined || !this.isGreeted) {
      if (nowMs - this.openedAtMs >= greetingTimeoutMs) this.destroy();
    } else if (this.leavingSinceMs !== undefined) {
      const leavingMs = nowMs - this.leavingSinceMs;
      if (leavingMs >= connectionAgeGraceMs) this.destroy();
      // By then, all calls that the client had sent before the notice have arrived.
      else if (this.calls === 0 && leavingMs >= noticeMs && !session.closed) session.close();
    } else if (connectionAgeMaxMs > 0 && nowMs - this.openedAtMs >= connectionAgeMaxMs * this.ageFactor) {
      this.leave(session, nowMs);
    } else if (this.calls === 0 && nowMs - this.idleSinceMs >= connectionIdleMs) this.leave(session, nowMs);
    else this.checkHearing(session, nowMs);
  }

  /** Asks the client to make its next calls on another connection; those that it has begun, or begins meanwhile, go on. */
  private leave(session: ServerHttp2Session, nowMs: number): void {
    this.leavingSinceMs = nowMs;
    this.drain('the connection ends; others can be opened');
    const anyStream = 2 ** 31 - 1;
    if (!session.destroyed) session.goaway(0, anyStream);
  }

  /**
   * Ends a connection that has gone deaf: after some errors, Node sends a GOAWAY without an event, and ignores what comes. When
   * bytes come and no call begins, the gateway sends a ping; a ping that never leaves shows that the connection is deaf.
   */
  private checkHearing(session: ServerHttp2Session, nowMs: number): void {
    if (session.destroyed) return;
    const { bytesRead } = session.socket;
    const wasQuiet = bytesRead === this.bytesRead || this.callsBegun > 0;
    this.bytesRead = bytesRead;
    this.callsBegun = 0;
    const sinceMs = nowMs - this.pingedAtMs;
    if (this.isPinged) {
      if (sinceMs >= hearingMs && (session.state.outboundQueueSize ?? 0) > 0) this.destroy();
    } else if (!wasQuiet && sinceMs >= hearingMs) {
      this.isPinged = session.ping(() => {
        this.isPinged = false;
      });
      this.pingedAtMs = nowMs;
    }
  }
}

function certificateOf(socket: Socket | TLSSocket | undefined): DetailedPeerCertificate | 'none' {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return 'none';
  const certificate = socket.getPeerCertificate(true);
  return 'raw' in certificate ? certificate : 'none';
}

const sweepIntervalMs = 500;
const noticeMs = 1_000;
const warnIntervalMs = 60_000;
const hearingMs = 10_000;

const key = Symbol('connection');
interface Marked {
  [key]?: Connection;
}

/** Whether the client presented a certificate that could not be verified, which TLS accepts where they are optional. */
function hasUnverified({ socket, encrypted }: ServerHttp2Session): boolean {
  if (encrypted !== true) return false;
  const tls = socket as TLSSocket;
  return !tls.authorized && tls.getPeerX509Certificate() !== undefined;
}

/** The connection of an HTTP/2 stream of a server that is watched. */
export function connectionOf(stream: ServerHttp2Stream & Marked): Connection {
  const connection = stream[key];
  if (connection === undefined) throw new Error('a stream of a server that nobody watches');
  return connection;
}

function onStreamClose(this: Marked): void {
  this[key]?.callEnds();
}

export function createConnections(limits: Limits, log: Logger): Connections {
  const open = new Map<string, Connection>();
  const connectionsMax = boundByDescriptors(limits, log);
  let stopped: string | undefined;
  let refused = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const connection of open.values()) connection.check(nowMs);
  }, sweepIntervalMs);
  timer.unref();

  const onConnection = (socket: Socket): void => {
    const name = nameOf(socket);
    const connection = new Connection(socket, limits);
    if (stopped !== undefined) connection.drain(stopped);
    open.set(name, connection);
    socket.once('close', () => {
      if (open.get(name) === connection) open.delete(name);
    });
  };
  const onSession = (session: ServerHttp2Session & Marked): void => {
    // With TLS, its socket is not the one that connected.
    const connection = open.get(nameOf(session.socket));
    if (connection === undefined || hasUnverified(session)) {
      // Before a call of its can begin; the session alone would leave the connection open.
      session.destroy();
      connection?.destroy();
    } else (session[key] = connection).begin(session);
  };
  const onStream = (stream: ServerHttp2Stream & Marked): void => {
    const connection = (stream.session as (ServerHttp2Session & Marked) | undefined)?.[key];
    if (connection === undefined) return;
    stream[key] = connection;
    connection.callBegins();
    stream.once('close', onStreamClose);
  };
  return {
    get size() {
      return open.size;
    },
    get refused() {
      return refused;
    },
    max: connectionsMax,
    watch(http2Server) {
      refuseBeyond(connectionsMax, http2Server, log);
      http2Server.on('drop', () => refused++);
      http2Server.prependListener('connection', (socket: Socket) => {
        // A server that does not listen counts nothing; the session finds no connection, and ends.
        if (http2Server.listening || open.size < connectionsMax) onConnection(socket);
        else {
          http2Server.emit('drop');
          socket.destroy();
        }
      });
      http2Server.prependListener('session', onSession);
      http2Server.prependListener('stream', onStream);
    },
    drain(reason) {
      stopped = reason;
      for (const connection of open.values()) connection.drain(reason);
    },
    end() {
      clearInterval(timer);
      for (const connection of open.values()) connection.destroy();
    },
  };
}

const number = Symbol('number');
let socketsWithoutAddress = 0;

/** The name of a connection in the server. A Unix socket has no address and gets a number, which its session has as well. */
function nameOf(socket: Peer & { [number]?: number | undefined }): string {
  if (socket.remoteAddress !== undefined) return peerOf(socket);
  return `unix ${(socket[number] ??= socketsWithoutAddress++)}`;
}

/** Closes connections above the bound as soon as they are opened. */
function refuseBeyond(connectionsMax: number, server: NetServer, log: Logger): void {
  let refused = 0;
  let warnedAtMs = -Infinity;
  server.maxConnections = connectionsMax;
  server.on('drop', () => {
    refused++;
    if (performance.now() - warnedAtMs < warnIntervalMs) return;
    log.warn({ connectionsMax, refused }, 'connections are refused: the limit is reached');
    warnedAtMs = performance.now();
    refused = 0;
  });
}
