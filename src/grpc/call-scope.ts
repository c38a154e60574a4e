import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { CancelledError, DeadlineExceededError, InvalidRequestError, isStoreError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { OpenCall } from './open-calls';

/** What all calls of grpc-js have in common. */
export type AnyCall = Pick<
  ServerWritableStream<unknown, unknown>,
  'metadata' | 'cancelled' | 'getDeadline' | 'getPath' | 'getPeer'
> &
  OpenCall;

/** What an error means to the caller of a call. */
export type Explain = (error: unknown, context: CallContext, path: string) => unknown;

/** What nobody has thought of goes to the log. */
export function createExplain(log: Logger): Explain {
  return (error, context, path) => {
    if (!isStoreError(error) && !context.signal.aborted)
      log.error({ err: error, rpc: path }, 'a call failed unexpectedly');
    return whatMatters(error, context);
  };
}

/** Timers fire early by the time that their turn of the event loop has taken. */
const timerSlackMs = 25;

/** A caller that has gone, or whose time is up, makes all kinds of things fail: that is what it is told. */
function whatMatters(error: unknown, { signal, deadlineMs }: CallContext): unknown {
  if (!isStoreError(error)) return signal.aborted ? signal.reason : error;
  const isLate = error.code === 'STORE_UNAVAILABLE' && Date.now() >= deadlineMs - timerSlackMs;
  return isLate ? deadlineExceeded({ cause: error }) : error;
}

function deadlineExceeded(options?: ErrorOptions): DeadlineExceededError {
  return new DeadlineExceededError('the deadline passed before the answer was there', options);
}

export interface Scope {
  readonly context: CallContext;
  close(): void;
}

/** The longest time a timer can take; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;
/** The typed answer has to reach the caller before the deadline, at which gRPC ends the call on both sides. */
const answerMarginMaxMs = 100;
const answerMarginShare = 0.1;

export function openScope(call: AnyCall): Scope {
  let reason: Error | undefined;
  // Most appends end without anybody asking for it.
  let controller: AbortController | undefined;
  const abort = (error: Error): void => {
    reason ??= error;
    controller?.abort(reason);
  };
  const cancel = (): void => {
    abort(new CancelledError('the caller has gone'));
  };
  if (call.cancelled) cancel();
  call.on('cancelled', cancel);
  const callMs = Number(call.getDeadline()) - Date.now();
  const leftMs = Math.floor(callMs - Math.min(answerMarginMaxMs, callMs * answerMarginShare));
  const timer =
    leftMs > timerMsMax
      ? undefined
      : setTimeout(() => {
          abort(deadlineExceeded());
        }, leftMs);
  return {
    context: {
      get signal() {
        if (controller === undefined) {
          controller = new AbortController();
          if (reason !== undefined) controller.abort(reason);
        }
        return controller.signal;
      },
      deadlineMs: Date.now() + leftMs,
      connection: call.getPeer(),
    },
    close() {
      clearTimeout(timer);
      call.off('cancelled', cancel);
    },
  };
}

/** grpc-js has no bound of its own below the 64 KiB at which HTTP/2 refuses the call. */
export function checkMetadata({ metadata }: AnyCall, { requestMetadataBytesMax }: Limits): void {
  let bytes = 0;
  for (const [key, values] of Object.entries(metadata.toJSON())) {
    for (const value of values) bytes += key.length + value.length;
  }
  if (bytes <= requestMetadataBytesMax) return;
  const description = `has ${bytes} bytes, more than the limit of ${requestMetadataBytesMax}`;
  throw new InvalidRequestError([{ field: 'grpc_metadata', description }]);
}
