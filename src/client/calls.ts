import { setMaxListeners } from 'node:events';
import {
  status,
  type InterceptingListener,
  type Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Channel } from './channel';
import { toError, toFailure, type Failure } from './failure';
import { Incoming, type GrpcCall } from './incoming';
import { decode, type ResponseType } from './text';

/** What every call takes. */
export interface CallOptions {
  /** Ends the call when it aborts; the call then fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long the whole call may take, in milliseconds; Infinity: for ever. See ConnectOptions for the default. */
  readonly deadlineMs?: number | undefined;
}

/** A method of the contract, as far as calling it goes. */
export interface Method<Response> {
  readonly path: string;
  readonly response: ResponseType<Response>;
}

/** Makes an error of a failure. `wasSent` is false if it is certain that no gateway has seen the request. */
export type Explain = (failure: Failure, wasSent: boolean) => Error;

/** One request, one response. Fails with the signal's reason, or with an error of errors.ts. */
export async function unary<Response>(
  channel: Channel,
  { path, response }: Method<Response>,
  request: Uint8Array,
  { signal, deadlineMs = channel.deadlineMs }: CallOptions,
  explain: Explain = toError,
): Promise<Response> {
  signal?.throwIfAborted();
  const grpc = channel.client.getChannel();
  const call = grpc.createCall(path, toDeadline(deadlineMs), null, null, null);
  const stop = listen(signal, () => {
    cancel(call);
  });
  let answer: Buffer | undefined;
  const end = await new Promise<StatusObject>((resolve) => {
    const take = (message: Buffer): void => {
      answer = message;
    };
    send(call, channel.metadata, request, {
      onReceiveMetadata: ignore,
      onReceiveMessage: take,
      onReceiveStatus: resolve,
    });
  });
  stop();
  if (end.code === status.OK) {
    if (answer === undefined) throw explain(malformed('a call ended well, but without its response'), true);
    return decoded(response, answer, explain);
  }
  signal?.throwIfAborted();
  // Until a call has a connection, its peer is the target of the channel.
  throw explain(toFailure(end), call.getPeer() !== grpc.getTarget());
}

/**
 * One request, many responses: at most 16 of them wait for the caller, still encoded, and what it does not take stays
 * with the gateway. Leaving the loop ends the call. Fails like `unary`.
 */
export async function* serverStream<Response>(
  channel: Channel,
  { path, response }: Method<Response>,
  request: Uint8Array,
  { signal, deadlineMs = Infinity }: CallOptions,
): AsyncGenerator<Response, void> {
  signal?.throwIfAborted();
  const call = channel.client.getChannel().createCall(path, toDeadline(deadlineMs), null, null, null);
  const stop = listen(signal, () => {
    cancel(call);
  });
  const incoming = new Incoming(call);
  try {
    send(call, channel.metadata, request, incoming);
    for (let message = await incoming.take(); message !== undefined; message = await incoming.take())
      yield decoded(response, message, toError);
    if (incoming.end !== undefined && incoming.end.code !== status.OK) throw toError(toFailure(incoming.end));
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    stop();
    if (incoming.end === undefined) cancel(call);
  }
}

/** How a call ended. */
export interface DuplexEnd {
  /** With the status OK if it ended well. */
  readonly failure: Failure;
  /** That of the aborted signal. */
  readonly reason: Error | undefined;
  /** False if it is certain that no gateway has seen anything of it. */
  readonly wasSent: boolean;
}

/** What happens to a call with requests and responses side by side. */
export interface DuplexListener {
  onResponse(bytes: Buffer): void;
  /** There is room again, after `write` said that there is none. */
  onDrain(): void;
  /** Comes last. */
  onEnd(end: DuplexEnd): void;
}

export interface Duplex {
  /** False if the caller should wait for `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** There are no more requests. */
  end(): void;
  /** Resolves after `onEnd`. */
  readonly ended: Promise<void>;
}

/** Many requests, many responses. Throws the signal's reason if that has aborted. */
export function duplexStream(
  channel: Channel,
  { path }: { readonly path: string },
  { signal, deadlineMs = Infinity }: CallOptions,
  listener: DuplexListener,
): Duplex {
  signal?.throwIfAborted();
  const { client, metadata } = channel;
  const call = client.makeBidiStreamRequest(path, asBuffer, sameBytes, metadata, {
    deadline: toDeadline(deadlineMs),
  });
  const target = client.getChannel().getTarget();
  const cancel = (): void => {
    call.cancel();
  };
  const stop = listen(signal, cancel);
  const ended = new Promise<void>((resolve) => {
    const end = (failure: Failure): void => {
      stop();
      const reason = signal?.aborted === true ? (signal.reason as Error) : undefined;
      listener.onEnd({ failure, reason, wasSent: call.getPeer() !== target });
      resolve();
    };
    call.on('error', (error: ServiceError) => {
      end(toFailure(error));
    });
    call.on('status', ({ code, details }: StatusObject) => {
      if (code === status.OK)
        end({ status: code, message: details, cause: undefined, reason: undefined, details: new Map() });
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

/** Begins a call with one request. */
function send(
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

function decoded<Response>(type: ResponseType<Response>, bytes: Buffer, explain: Explain): Response {
  try {
    return decode(type, bytes);
  } catch (error) {
    throw explain(malformed('a response of the gateway cannot be decoded', error), true);
  }
}

function malformed(message: string, cause?: unknown): Failure {
  return { status: status.INTERNAL, message, cause, reason: undefined, details: new Map() };
}

function ignore(): void {
  // There is nothing to do.
}

function cancel(call: GrpcCall): void {
  call.cancelWithStatus(status.CANCELLED, 'cancelled by the client');
}

/** Any number of calls may share a signal, and each takes its listener away by what this gives. */
function listen(signal: AbortSignal | undefined, onAbort: () => void): () => void {
  if (signal === undefined) return ignore;
  setMaxListeners(0, signal);
  signal.addEventListener('abort', onAbort);
  return () => {
    signal.removeEventListener('abort', onAbort);
  };
}

/** The longest time a timer can take; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;

function toDeadline(deadlineMs: number): number {
  if (!(deadlineMs > 0)) throw new RangeError(`deadlineMs must be above 0; found ${deadlineMs}`);
  return deadlineMs > timerMsMax ? Infinity : Date.now() + deadlineMs;
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}
