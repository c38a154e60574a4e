import { setMaxListeners } from 'node:events';
import { constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import {
  AppendMultiRequest,
  AppendRequest,
  AppendSessionRequest,
  GetVersionRequest,
  ReadAllRequest,
  ReadByCorrelationRequest,
  ReadStreamRequest,
  SubscribeRequest,
} from '../../generated/sluice/v1/event_store_service';
import { openSession } from './raw-http2';

/** How one kind of greedy callers asks for more than it may have. */
export interface Greed {
  readonly connections: number;
  /** Calls that each connection keeps open. */
  readonly callsEach: number;
  readonly method: string;
  /** The first request of each call; encoded once for each lane. */
  readonly request: (connection: number, call: number) => Uint8Array;
  /** Whether the caller takes no answers. */
  readonly isDeaf?: boolean;
  /** How much of the message is sent. Default: all of it. */
  readonly sentShare?: number;
  /** In a session: whether the request is sent again and again, as fast as the gateway reads it. */
  readonly isEndless?: boolean;
  /** The message of a refusal, with N for numbers; undefined: callers wait, and no call is refused. */
  readonly refusal?: RegExp;
}

const small = { type: 'Greedy', payload: { $case: 'text' as const, value: 'x'.repeat(100) } };
const append = (stream: string, bytes = 100): Uint8Array => {
  const payload = { $case: 'text' as const, value: 'x'.repeat(Math.min(bytes, 500_000)) };
  const events = Array.from({ length: Math.ceil(bytes / 500_000) }, () => ({ type: 'Greedy', payload }));
  return AppendRequest.encode(AppendRequest.fromPartial({ stream, events })).finish();
};
/** Stored before the greedy callers begin: more than may wait for one caller. */
export const longStream = 'greedy.long';
const page = { eventsMax: 1 };
const sessionOf = (connection: number, call: number): Uint8Array => {
  const appends = Array.from({ length: 100 }, (_, tag) => ({
    tag: BigInt(tag + 1),
    append: { stream: `greedy.session-${connection}-${call}-${tag % 10}`, events: [small] },
  }));
  return AppendSessionRequest.encode(AppendSessionRequest.fromPartial({ appends })).finish();
};

/** Each exceeds one bound, in the order of src/limits.ts. An open call takes a slot. */
export const greeds: Readonly<Record<string, Greed>> = {
  'one stream': {
    connections: 2,
    callsEach: 900,
    method: 'Append',
    request: () => append('greedy.hot'),
    refusal: /^N appends wait for stream greedy\.hot already$/,
  },
  'appends of one connection': {
    connections: 1,
    callsEach: 12,
    method: 'AppendSession',
    request: sessionOf,
    isEndless: true,
    isDeaf: true,
  },
  'bytes of appends': {
    connections: 3,
    callsEach: 8,
    method: 'Append',
    request: (connection, call) => append(`greedy.large-${connection}-${call}`, 4_000_000),
    refusal: /^N bytes of (appends of this connection|requests of this connection|requests) /,
  },
  appends: {
    connections: 10,
    callsEach: 900,
    method: 'Append',
    request: (connection, call) => append(`greedy.many-${connection}-${call}`),
    refusal: /^N appends are under way already$/,
  },
  batches: {
    connections: 2,
    callsEach: 100,
    method: 'AppendMulti',
    request: (connection, call) => {
      const appends = Array.from({ length: 100 }, (_, i) => ({
        stream: `greedy.multi-${connection}-${call}-${i}`,
        events: [small],
      }));
      return AppendMultiRequest.encode(AppendMultiRequest.fromPartial({ appends })).finish();
    },
  },
  sessions: {
    connections: 3,
    callsEach: 140,
    method: 'AppendSession',
    request: sessionOf,
    isEndless: true,
    isDeaf: true,
    refusal: /^N sessions( of this connection)? are under way, as many as (connection_)?sessions_max allows$/,
  },
  reads: {
    connections: 3,
    callsEach: 140,
    method: 'ReadStream',
    request: () =>
      ReadStreamRequest.encode(ReadStreamRequest.fromPartial({ stream: longStream, page })).finish(),
    isDeaf: true,
    refusal: /^N reads( of this connection)? are under way, as many as (connection_)?reads_max allows$/,
  },
  'reads of all': {
    connections: 2,
    callsEach: 140,
    method: 'ReadAll',
    request: () => ReadAllRequest.encode(ReadAllRequest.fromPartial({})).finish(),
    refusal: /^N reads( of this connection)? are under way, as many as (connection_)?reads_max allows$/,
  },
  'reads by correlation': {
    connections: 2,
    callsEach: 140,
    method: 'ReadByCorrelation',
    request: (_connection, call) =>
      ReadByCorrelationRequest.encode(
        ReadByCorrelationRequest.fromPartial({ correlationId: `greedy-${call}` }),
      ).finish(),
    refusal: /^N reads( of this connection)? are under way, as many as (connection_)?reads_max allows$/,
  },
  subscriptions: {
    connections: 5,
    callsEach: 900,
    method: 'Subscribe',
    request: () => SubscribeRequest.encode(SubscribeRequest.fromPartial({ stream: longStream })).finish(),
    isDeaf: true,
    refusal:
      /^N subscriptions( of this connection)? are under way, as many as (connection_)?subscriptions_max allows$/,
  },
  lookups: {
    connections: 5,
    callsEach: 900,
    method: 'GetVersion',
    request: (connection, call) =>
      GetVersionRequest.encode(
        GetVersionRequest.fromPartial({ stream: `greedy.many-${connection}-${call}` }),
      ).finish(),
    refusal: /^N lookups( of this connection)? are under way, as many as (connection_)?lookups_max allows$/,
  },
  'half-sent messages': {
    connections: 6,
    callsEach: 6,
    method: 'Append',
    request: (connection, call) => append(`greedy.half-${connection}-${call}`, 7_500_000),
    sentShare: 0.95,
    refusal: /^N bytes of requests( of this connection)? wait already$/,
  },
  'calls that ask for nothing': {
    connections: 6,
    callsEach: 900,
    method: 'AppendSession',
    request: () => new Uint8Array(),
    sentShare: 0,
    refusal: /^N (calls are open|sessions( of this connection)? are under way, .*)$/,
  },
};

const followedStreams = 100;
export const followedStream = (number: number): string => `followed.${number % followedStreams}`;
const following: Greed = {
  connections: 2,
  callsEach: 500,
  method: 'Subscribe',
  request: (_connection, call) =>
    SubscribeRequest.encode(SubscribeRequest.fromPartial({ stream: followedStream(call) })).finish(),
};

/** Subscribers that exceed no bound; some of them never read. */
export const followers: Readonly<Record<'reading subscribers' | 'deaf subscribers', Greed>> = {
  'reading subscribers': following,
  'deaf subscribers': { ...following, isDeaf: true },
};

/** The results of callers, by kind. */
export interface Tally {
  ok: number;
  /** Messages of RESOURCE_EXHAUSTED with the reason OVERLOADED, without their numbers. */
  readonly refusals: Record<string, number>;
  /** Anything else. */
  readonly others: Record<string, number>;
  /** The largest number of calls that were open at the same time. */
  openMax: number;
}

const exhausted = '8';
/** As RetryInfo says. */
const retryMs = 250;
const deafWindowBytes = 100;
const windowBytes = 1 << 20;

/** Calls as `greed` says until `signal` aborts. */
export async function beGreedy(address: string, greed: Greed, signal: AbortSignal): Promise<Tally> {
  const tally: Tally = { ok: 0, refusals: {}, others: {}, openMax: 0 };
  const open = { count: 0 };
  setMaxListeners(0, signal); // one for each call
  const initialWindowSize = greed.isDeaf === true ? deafWindowBytes : windowBytes;
  const callers = Array.from({ length: greed.connections }, async (_, connection) => {
    const session = openSession(address, { settings: { initialWindowSize } });
    session.setMaxListeners(0);
    const lanes = Array.from({ length: greed.callsEach }, async (_, call) => {
      const message = framed(greed.request(connection, call));
      while (!signal.aborted && !session.destroyed) {
        open.count++;
        tally.openMax = Math.max(tally.openMax, open.count);
        const wasTaken = note(tally, await oneCall(session, greed, message, signal));
        open.count--;
        if (!wasTaken) await sleep(retryMs);
      }
    });
    await Promise.all(lanes);
    session.destroy();
  });
  await Promise.all(callers);
  return tally;
}

type Outcome = { readonly code: string; readonly message: string; readonly reason: string } | undefined;

function framed(request: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(request.length, 1);
  return Buffer.concat([header, request]);
}

/** undefined: the caller has ended the call, or the connection is lost. */
function oneCall(
  session: ClientHttp2Session,
  greed: Greed,
  message: Buffer,
  signal: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/sluice.v1.EventStoreService/${greed.method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let outcome: Outcome;
    const hear = (headers: IncomingHttpHeaders): void => {
      if (headers['grpc-status'] === undefined) return;
      outcome = outcomeOf(headers);
      stream.resume();
      stream.end();
    };
    stream
      .on('response', hear)
      .on('trailers', hear)
      .on('error', () => undefined);
    if (greed.isDeaf !== true) stream.resume();
    const end = (): void => {
      stream.close(constants.NGHTTP2_CANCEL);
    };
    signal.addEventListener('abort', end);
    stream.once('close', () => {
      signal.removeEventListener('abort', end);
      resolve(outcome);
    });
    const { sentShare = 1, isEndless = false } = greed;
    if (isEndless) {
      const more = (): void => {
        while (!stream.destroyed && outcome === undefined && stream.write(message)) continue;
      };
      stream.on('drain', more);
      more();
    } else if (sentShare < 1) stream.write(message.subarray(0, Math.floor(message.length * sentShare)));
    else stream.end(message);
  });
}

function outcomeOf(headers: IncomingHttpHeaders): Outcome {
  const details = headers['grpc-status-details-bin'];
  const status = Status.decode(Buffer.from(typeof details === 'string' ? details : '', 'base64'));
  const info = status.details.find(({ typeUrl }) => typeUrl.endsWith('ErrorInfo'));
  return {
    code: String(headers['grpc-status']),
    message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
    reason: info === undefined ? '' : ErrorInfo.decode(info.value).reason,
  };
}

/** Returns whether the call was accepted. */
function note(tally: Tally, outcome: Outcome): boolean {
  if (outcome === undefined) return true;
  const { code, message, reason } = outcome;
  if (code === '0') {
    tally.ok++;
    return true;
  }
  const isRefusal = code === exhausted && reason === 'OVERLOADED';
  const counts = isRefusal ? tally.refusals : tally.others;
  const words = (isRefusal ? message : `${code} ${reason} ${message}`).replace(/\d+/g, 'N');
  counts[words] = (counts[words] ?? 0) + 1;
  return false;
}

/** Keeps as many sockets open as the gateway allows, and sends nothing. Resolves with how many were closed at once. */
export async function openSockets(address: string, count: number, signal: AbortSignal): Promise<number> {
  const [host = '', port = ''] = address.split(':');
  const sockets = new Set<Socket>();
  let closed = 0;
  while (!signal.aborted) {
    while (sockets.size < count) {
      const socket = connectSocket(Number(port), host);
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .once('close', () => {
          closed++;
          sockets.delete(socket);
        });
    }
    await sleep(retryMs);
  }
  for (const socket of sockets) socket.destroy();
  return closed;
}
