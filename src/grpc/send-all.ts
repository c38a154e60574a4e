import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ServerDuplexStream, ServerWritableStream, StatusObject } from '@grpc/grpc-js';
import type { Limits } from '../limits';
import { CancelledError } from '../store/errors';

/** A call that answers with a stream. */
export type StreamingCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/**
 * Sends the messages and ends the call. At most `unsentBytesMax` and one more message wait for the caller to take them;
 * when it takes nothing for `readStallTimeoutMs`, the read fails. Comes back when all is sent.
 */
export async function sendAll(
  call: StreamingCall,
  messages: AsyncIterable<Buffer>,
  signal: AbortSignal,
  unsentBytesMax: number,
  { readStallTimeoutMs }: Limits,
): Promise<void> {
  let unsentBytes = 0;
  let notify = (): void => undefined;
  const untilUnsentIs = async (bytesMax: number): Promise<void> => {
    while (unsentBytes > bytesMax) {
      if (!(await progress((listener) => (notify = listener), signal, readStallTimeoutMs))) {
        throw new CancelledError(`the caller took no message for ${readStallTimeoutMs} ms`);
      }
    }
  };
  for await (const message of messages) {
    signal.throwIfAborted();
    unsentBytes += message.length;
    call.write(message, () => {
      unsentBytes -= message.length;
      notify();
    });
    await untilUnsentIs(unsentBytesMax);
  }
  call.end();
  await untilUnsentIs(0);
}

/**
 * Ends a read with an error. The caller learns of it when it has taken what was sent before; if it takes nothing for
 * `readStallTimeoutMs` even now, the call is reset, which frees what it holds.
 */
export function failRead(call: StreamingCall, status: StatusObject, { readStallTimeoutMs }: Limits): void {
  call.emit('error', status);
  if (call.cancelled) return;
  const timer = setTimeout(() => {
    // grpc-js has no other way to end a call behind data that nobody takes.
    const { stream } = (call as unknown as { readonly call: { readonly stream: ServerHttp2Stream } }).call;
    stream.close(constants.NGHTTP2_CANCEL);
  }, readStallTimeoutMs);
  // grpc-js says so also when the call has ended in any other way.
  call.once('cancelled', () => {
    clearTimeout(timer);
  });
}

/** True when the listener was called, false after the time-out; throws the signal's reason when that aborts. */
function progress(
  listen: (listener: () => void) => void,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      then();
    };
    const abort = settle(() => {
      reject(signal.reason as Error);
    });
    const timer = setTimeout(
      settle(() => {
        resolve(false);
      }),
      timeoutMs,
    );
    listen(
      settle(() => {
        resolve(true);
      }),
    );
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
