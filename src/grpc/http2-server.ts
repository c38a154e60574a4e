import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { CompactingMap } from '../collections/compacting-map';
import type { Limits } from '../limits';
import type { Connections } from './connections';

/** Changes in the HTTP/2 servers below a server of grpc-js (1.14), which must be listening, what it has no setting for. */
export function adjustHttp2(server: Server, connections: Pick<Connections, 'watch'>, limits: Limits): void {
  const { http2Servers } = server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> };
  for (const http2Server of http2Servers.keys()) {
    ignoreLongTimeouts(http2Server);
    boundCancels(http2Server, limits);
    http2Server.on('session', compactStreams);
    connections.watch(http2Server);
  }
}

/** What a session of node:http2 keeps under a symbol, as far as it matters here (Node 20 to 26). */
interface SessionState {
  streams: Pick<Map<number, ServerHttp2Stream>, 'get' | 'delete' | 'size'> & {
    set(id: number, stream: ServerHttp2Stream): unknown;
    forEach(visit: (stream: ServerHttp2Stream, id: number) => void): void;
  };
}

/** A session keeps its streams in a Map, which takes a seventh of the gateway's time; see CompactingMap. */
function compactStreams(session: ServerHttp2Session): void {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state');
  if (symbol === undefined) return;
  const state = (session as unknown as Readonly<Record<symbol, Partial<SessionState>>>)[symbol];
  if (state?.streams === undefined) return;
  const compacting = new CompactingMap<number, ServerHttp2Stream>();
  state.streams.forEach((stream, id) => {
    compacting.set(id, stream);
  });
  state.streams = compacting;
}

/** Known to Node.js from 24 on; not yet to its types. */
interface ResetOptions {
  streamResetBurst: number;
  streamResetRate: number;
}

/** Sessions get their options from their server, where they lie under a symbol (Node 20 to 26). */
function boundCancels(http2Server: Http2Server, limits: Limits): void {
  const symbol = Object.getOwnPropertySymbols(http2Server).find(
    ({ description }) => description === 'options',
  );
  if (symbol === undefined) return;
  const bounds: ResetOptions = {
    streamResetBurst: limits.connectionCancelsMax,
    streamResetRate: limits.connectionCancelsPerSecond,
  };
  Object.assign((http2Server as unknown as Record<symbol, object>)[symbol] ?? {}, bounds);
}

const msOf: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };
/** The longest time of a timer. */
const timeoutMsMax = 2 ** 31 - 1;

/**
 * Removes deadlines of more than 24.8 days: grpc-js lets the number overflow, so that such calls would end at once or at any
 * time.
 */
function ignoreLongTimeouts(http2Server: Http2Server): void {
  http2Server.prependListener('stream', (_stream, headers) => {
    const [, amount, unit = ''] = /^(\d+)(\w)$/.exec(String(headers['grpc-timeout'])) ?? [];
    if (Number(amount) * (msOf[unit] ?? 0) > timeoutMsMax) delete headers['grpc-timeout'];
  });
}
