import { setMaxListeners } from 'node:events';
import {
  status,
  type CallOptions as GrpcCallOptions,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Channel } from './channel';
import { InternalError } from './errors';
import { toError, toFailure, type Failure } from './failure';

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
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** Makes an error of a failure. `wasSent` is false if it is certain that no gateway has seen the request. */
export type Explain = (failure: Failure, wasSent: boolean) => Error;

/** One request, one response. Fails with the signal's reason, or with an error of errors.ts. */
export async function unary<Response>(
  channel: Channel,
  { path, responseDeserialize }: Method<Response>,
  request: Uint8Array,
  { signal, deadlineMs = channel.deadlineMs }: CallOptions,
  explain: Explain = toError,
): Promise<Response> {
  signal?.throwIfAborted();
  const { client, metadata } = channel;
  const options = toGrpcOptions(deadlineMs);
  let cancel = (): void => undefined;
  try {
    return await new Promise((resolve, reject) => {
      let failed: ServiceError | undefined;
      const done = (error: ServiceError | null, response?: Response): void => {
        if (error === null) resolve(response as Response);
        else failed = error;
      };
      const call = client.makeUnaryRequest(
        path,
        asBuffer,
        responseDeserialize,
        request,
        metadata,
        options,
        done,
      );
      // Comes after `done`, with the status as it was sent.
      call.on('status', ({ code }: StatusObject) => {
        if (failed === undefined) return;
        const failure = toFailure(failed);
        // Of a call that went well, but has no answer, grpc-js tells UNIMPLEMENTED, as if the gateway did not know it.
        const told = code === status.OK ? { ...failure, status: status.INTERNAL } : failure;
        // Until a call has a connection, its peer is the target of the channel.
        reject(explain(told, call.getPeer() !== client.getChannel().getTarget()));
      });
      cancel = () => {
        call.cancel();
      };
      listen(signal, cancel);
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/**
 * One request, many responses: at most 16 of them wait for the caller, still encoded, and what it does not take stays
 * with the gateway. Leaving the loop ends the call. Fails like `unary`.
 */
export async function* serverStream<Response>(
  channel: Channel,
  { path, responseDeserialize }: Method<Response>,
  request: Uint8Array,
  { signal, deadlineMs = Infinity }: CallOptions,
): AsyncGenerator<Response, void> {
  signal?.throwIfAborted();
  const { client, metadata } = channel;
  const options = toGrpcOptions(deadlineMs);
  const call = client.makeServerStreamRequest(path, asBuffer, sameBytes, request, metadata, options);
  call.on('error', () => undefined); // it may come when the loop has been left
  const cancel = (): void => {
    call.cancel();
  };
  listen(signal, cancel);
  try {
    for await (const bytes of call) yield responseDeserialize(bytes as Buffer);
  } catch (error) {
    signal?.throwIfAborted();
    throw isServiceError(error) ? toError(toFailure(error)) : malformed(error);
  } finally {
    signal?.removeEventListener('abort', cancel);
    cancel();
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
  const call = client.makeBidiStreamRequest(path, asBuffer, sameBytes, metadata, toGrpcOptions(deadlineMs));
  const target = client.getChannel().getTarget();
  const cancel = (): void => {
    call.cancel();
  };
  listen(signal, cancel);
  const ended = new Promise<void>((resolve) => {
    const end = (failure: Failure): void => {
      signal?.removeEventListener('abort', cancel);
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

/** Any number of calls may share a signal, and each takes its listener away. */
function listen(signal: AbortSignal | undefined, onAbort: () => void): void {
  if (signal === undefined) return;
  setMaxListeners(0, signal);
  signal.addEventListener('abort', onAbort);
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'metadata' in error;
}

function malformed(cause: unknown): InternalError {
  return new InternalError('a response of the gateway cannot be decoded', { status: status.INTERNAL, cause });
}

/** The longest time a timer can take; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;

function toGrpcOptions(deadlineMs: number): GrpcCallOptions {
  if (!(deadlineMs > 0)) throw new RangeError(`deadlineMs must be above 0; found ${deadlineMs}`);
  return deadlineMs > timerMsMax ? {} : { deadline: Date.now() + deadlineMs };
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}
