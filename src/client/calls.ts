import { setMaxListeners } from 'node:events';
import {
  status,
  type InterceptingListener,
  type Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Channel } from './channel';
import { malformed, toFailure, type Failure } from './failure';
import { beginSpan } from './spans';
import { Incoming, type GrpcCall } from './incoming';
import { decode, type ResponseType } from './text';
import { toError, type RequestedCommit } from './to-error';

/** The options of every call. */
export interface CallOptions {
  /** Ends the call when it aborts; the call then fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long the whole call may take, in milliseconds; Infinity: without limit. See ConnectOptions for the default. */
  readonly deadlineMs?: number | undefined;
}

/** The options of a call with many responses. */
export interface StreamOptions extends CallOptions {
  /**
   * After waiting this long for a response, in milliseconds, the call fails with UnavailableError, and its connection is given up;
   * undefined: it waits as long as the connection lives.
   */
  readonly silentMsMax?: number | undefined;
}

/** A call as it is sent. */
export interface SendOptions extends StreamOptions {
  readonly metadata: Metadata;
}

/** A method of the contract, with what a call of it needs. */
export interface Method<Response> {
  readonly path: string;
  readonly response: ResponseType<Response>;
}

/** A call with one request. */
export interface Call<Response> {
  readonly method: Method<Response>;
  /** The encoded request. */
  readonly request: Uint8Array;
  /** The commit that an append requests; undefined: the call stores nothing. */
  readonly commit?: RequestedCommit | undefined;
}

/** One request, one response. Fails with the signal's reason, or with an error of errors.ts. */
export async function sendUnary<Response>(
  channel: Channel,
  { method, request, commit }: Call<Response>,
  { signal, deadlineMs = channel.deadlineMs, metadata }: SendOptions,
): Promise<Response> {
  signal?.throwIfAborted();
  const grpc = channel.client.getChannel();
  const call = grpc.createCall(method.path, toDeadline(deadlineMs), null, null, null);
  const span = beginSpan(method.path);
  const stop = listen(signal, () => {
    cancel(call);
  });
  let response: Buffer | undefined;
  const end = await new Promise<StatusObject>((resolve) => {
    const take = (message: Buffer): void => {
      response = message;
    };
    start(call, span?.metadataOf(metadata) ?? metadata, request, {
      onReceiveMetadata: ignore,
      onReceiveMessage: take,
      onReceiveStatus: resolve,
    });
  });
  stop();
  span?.end(end.code);
  if (end.code === status.OK) {
    if (response !== undefined) return decoded(method, response, commit);
    throw toError(malformed('the call ended with OK, but without a response'), commit);
  }
  signal?.throwIfAborted();
  // Until a call has a connection, its peer is the target of the channel.
  throw toError(toFailure(end, call.getPeer() !== grpc.getTarget()), commit);
}

/**
 * One request, many responses: at most 16 of them wait for the caller, still encoded; the rest stays at the gateway. Leaving
 * the loop ends the call. Fails like `sendUnary`.
 */
export async function* sendServerStream<Response>(
  channel: Channel,
  { method, request }: Call<Response>,
  { signal, deadlineMs = Infinity, metadata, silentMsMax }: SendOptions,
): AsyncGenerator<Response, void> {
  signal?.throwIfAborted();
  const { client } = channel;
  const call = client.getChannel().createCall(method.path, toDeadline(deadlineMs), null, null, null);
  const stop = listen(signal, () => {
    cancel(call);
  });
  const incoming = new Incoming(call);
  const leave = (): void => {
    channel.leave(client);
  };
  const endWatch = silentMsMax === undefined ? ignore : incoming.watch(silentMsMax, leave);
  const span = beginSpan(method.path);
  try {
    start(call, span?.metadataOf(metadata) ?? metadata, request, incoming);
    for (let message = await incoming.take(); message !== undefined; message = await incoming.take())
      yield decoded(method, message);
    const { end } = incoming;
    if (end !== undefined && end.code !== status.OK) throw toError(toFailure(end, true));
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    stop();
    endWatch();
    if (incoming.end === undefined) cancel(call);
    span?.end(incoming.end?.code ?? status.CANCELLED);
  }
}

/** How a call with many requests and responses ended. */
export interface DuplexEnd {
  /** Its status may be OK. */
  readonly failure: Failure;
  /** The error of every append without a response, in place of the failure: the reason of the aborted signal, for instance. */
  readonly reason: Error | undefined;
}

/** The events of a call with many requests and responses. */
export interface DuplexListener {
  onResponse(bytes: Buffer): void;
  /** After `write` has returned false: the next request can be written. */
  onDrain(): void;
  /** The last event. */
  onEnd(end: DuplexEnd): void;
}

export interface Duplex {
  /** False if the caller should wait for `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** After the last request. */
  end(): void;
  /** Resolves after `onEnd`. */
  readonly ended: Promise<void>;
}

/** Many requests, many responses. Throws the signal's reason if that has aborted. */
export function sendDuplexStream(
  { client }: Channel,
  { path }: { readonly path: string },
  { signal, deadlineMs = Infinity, metadata }: SendOptions,
  listener: DuplexListener,
): Duplex {
  signal?.throwIfAborted();
  const span = beginSpan(path);
  const sent = span?.metadataOf(metadata) ?? metadata;
  const call = client.makeBidiStreamRequest(path, asBuffer, sameBytes, sent, {
    deadline: toDeadline(deadlineMs),
  });
  const target = client.getChannel().getTarget();
  const cancel = (): void => {
    call.cancel();
  };
  const stop = listen(signal, cancel);
  const ended = new Promise<void>((resolve) => {
    const end = (ended: StatusObject): void => {
      stop();
      span?.end(ended.code);
      const reason = signal?.aborted === true ? (signal.reason as Error) : undefined;
      listener.onEnd({ failure: toFailure(ended, call.getPeer() !== target), reason });
      resolve();
    };
    call.on('error', (error: ServiceError) => {
      end(error);
    });
    call.on('status', (ended: StatusObject) => {
      if (ended.code === status.OK) end(ended);
    });
  });
  call.on('data', (bytes: Buffer) => {
    try {
      listener.onResponse(bytes);
    } catch {
      cancel();
    }
  });
  call.on('drain', () => {
    listener.onDrain();
  });
  return {
    write: (bytes) => call.write(bytes),
    end: () => call.end(),
    ended,
  };
}

/** Starts a call and sends its one request. */
function start(
  call: GrpcCall,
  metadata: Metadata,
  { buffer, byteOffset, byteLength }: Uint8Array,
  listener: InterceptingListener,
): void {
  call.start(metadata, listener);
  call.startRead();
  call.sendMessageWithContext({}, Buffer.from(buffer, byteOffset, byteLength));
  call.halfClose();
}

function decoded<Response>(method: Method<Response>, bytes: Buffer, commit?: RequestedCommit): Response {
  try {
    return decode(method.response, bytes);
  } catch (error) {
    throw toError(malformed('a response of the gateway cannot be decoded', error), commit);
  }
}

function ignore(): void {
  // Nothing to do.
}

function cancel(call: GrpcCall): void {
  call.cancelWithStatus(status.CANCELLED, 'cancelled by the client');
}

/** Many calls may share a signal. Returns a function that removes the listener. */
function listen(signal: AbortSignal | undefined, onAbort: () => void): () => void {
  if (signal === undefined) return ignore;
  setMaxListeners(0, signal);
  signal.addEventListener('abort', onAbort);
  return () => {
    signal.removeEventListener('abort', onAbort);
  };
}

/** The longest time of a timer; with a longer one it would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** Throws a RangeError. */
export function toDeadline(deadlineMs: number): number {
  if (!(deadlineMs > 0)) throw new RangeError(`deadlineMs must be above 0; found ${deadlineMs}`);
  return deadlineMs > timerMsMax ? Infinity : Date.now() + deadlineMs;
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}
