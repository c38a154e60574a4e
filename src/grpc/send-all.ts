import { constants } from 'node:http2';
import type { Metadata, ServerDuplexStream, ServerWritableStream, StatusObject } from '@grpc/grpc-js';
import type { Limits } from '../limits';
import { CancelledError } from '../store/errors';
import type { CallScope } from './call-scope';
import { endWith } from './end-with';
import { innerOf, type RequestBytes } from './request-bytes';

/** The encoded messages of a call; an array has all of them already. */
export type Messages = AsyncIterable<Buffer> | readonly Buffer[];

/** A call that answers with a stream. */
export type StreamingCall = ServerWritableStream<RequestBytes, Buffer> | ServerDuplexStream<Buffer, Buffer>;

export interface Sending {
  /** Bytes that may wait for the caller, except for one more message. */
  readonly unsentBytesMax: () => number;
  readonly limits: Limits;
}

/**
 * Sends the messages and ends the call. A caller that takes them too slowly, see `createPatience`, gets an error. Resolves when
 * all is sent.
 */
export async function sendAll(
  call: StreamingCall,
  messages: Messages,
  scope: Pick<CallScope, 'signal' | 'throwIfAborted' | 'trailers' | 'doneSending' | 'waitedMs'>,
  { unsentBytesMax, limits }: Sending,
): Promise<void> {
  // A call that has ended sends nothing more.
  scope.throwIfAborted();
  const [only] = Symbol.asyncIterator in messages || messages.length > 1 ? [] : messages;
  if (only !== undefined && only.length <= shortBytesMax) {
    scope.doneSending();
    await sendOnly(call, only, scope.trailers, limits);
    return;
  }
  const { signal } = scope;
  const patience = createPatience(limits);
  let unsentBytes = 0;
  let takenBytes = 0;
  let notify = (): void => undefined;
  const untilUnsentIs = async (bytesMax: number): Promise<void> => {
    while (unsentBytes > bytesMax) {
      const [since, before] = [performance.now(), takenBytes];
      await progress((listener) => (notify = listener), signal, patience.leftMs());
      const tookMs = performance.now() - since;
      scope.waitedMs += tookMs;
      patience.spend(tookMs, takenBytes - before);
    }
  };
  for await (const message of messages) {
    signal.throwIfAborted();
    unsentBytes += message.length;
    call.write(message, () => {
      unsentBytes -= message.length;
      takenBytes += message.length;
      notify();
    });
    await untilUnsentIs(unsentBytesMax());
  }
  call.end(scope.trailers);
  scope.doneSending();
  await untilUnsentIs(0);
}

/** Of a shorter response it does not matter how much the caller has taken. */
const shortBytesMax = 16 << 10;

/** Sends a single message together with the end of the call, which is reset if the caller does not take it in time. */
function sendOnly(
  call: StreamingCall,
  message: Buffer,
  trailers: Metadata | undefined,
  { readStallTimeoutMs }: Limits,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(reset, readStallTimeoutMs, call);
    call.once('cancelled', done); // also emitted when the call has ended in another way
    endWith(call, message, trailers, done);
  });
}

/** grpc-js has no other way to end a call while its caller takes no data. */
function reset(call: StreamingCall): void {
  innerOf(call).stream.close(constants.NGHTTP2_CANCEL);
}

/** How much longer a call waits for its caller. */
interface Patience {
  leftMs(): number;
  /** Notes how long the call has waited, and what its caller has taken meanwhile. Throws CancelledError. */
  spend(ms: number, takenBytes: number): void;
}

/**
 * In each `readStallTimeoutMs` that messages wait, the caller has to take `readBytesPerSecondMin`: with a time-out alone, a
 * caller could keep its slot by taking a byte now and then. The time in which nothing waits does not count.
 */
function createPatience({ readStallTimeoutMs, readBytesPerSecondMin }: Limits): Patience {
  const bytesMin = Math.ceil((readBytesPerSecondMin * readStallTimeoutMs) / 1_000);
  let bytes = 0;
  let waitedMs = 0;
  return {
    leftMs: () => Math.max(1, Math.ceil(readStallTimeoutMs - waitedMs)),
    spend(ms, takenBytes) {
      waitedMs += ms;
      bytes += takenBytes;
      if (waitedMs < readStallTimeoutMs) return;
      if (bytes < bytesMin) {
        throw new CancelledError(
          `the caller took ${bytes} bytes of what waited for it in ${readStallTimeoutMs} ms, fewer than ${bytesMin} ` +
            '(read_bytes_per_second_min)',
        );
      }
      bytes = 0;
      waitedMs = 0;
    },
  };
}

/**
 * Ends a read with an error, which the caller gets after what was sent before. If the caller takes nothing for
 * `readStallTimeoutMs`, the call is reset, which frees what it holds.
 */
export function failRead(call: StreamingCall, status: StatusObject, { readStallTimeoutMs }: Limits): void {
  call.emit('error', status);
  if (call.cancelled) return;
  const timer = setTimeout(reset, readStallTimeoutMs, call);
  // Also emitted when the call has ended in another way.
  call.once('cancelled', () => {
    clearTimeout(timer);
  });
}

/** Waits until the listener is called or the time is over; throws the signal's reason when that aborts. */
function progress(
  listen: (listener: () => void) => void,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      then();
    };
    const abort = settle(() => {
      reject(signal.reason as Error);
    });
    const timer = setTimeout(settle(resolve), timeoutMs);
    listen(settle(resolve));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
