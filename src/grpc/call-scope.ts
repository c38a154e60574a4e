import { setMaxListeners } from 'node:events';
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

/**
 * What nobody has thought of goes to the log. A caller that has gone, or whose time is up, makes all kinds of things fail: that is
 * what it is told. Not so an append, which runs to its end all the same, and may be stored whatever is wrong.
 */
export function createExplain(log: Logger): Explain {
  return (error, context, path) => {
    if (!isStoreError(error)) {
      const isExpected = context.signal.aborted && !isAppend(path);
      if (!isExpected) log.error({ err: error, rpc: path }, 'a call failed unexpectedly');
      return isExpected ? (context.signal.reason as Error) : error;
    }
    const isLate = error.code === 'STORE_UNAVAILABLE' && Date.now() >= context.deadlineMs - timerSlackMs;
    return isLate ? deadlineExceeded({ cause: error }) : error;
  };
}

export function isAppend(path: string): boolean {
  return /\/Append(Multi|Session)?$/.test(path);
}

/** Timers fire early by the time that their turn of the event loop has taken. */
const timerSlackMs = 25;

function deadlineExceeded(options?: ErrorOptions): DeadlineExceededError {
  return new DeadlineExceededError('the deadline passed before the answer was there', options);
}

/** The longest time a timer can take; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;
/** The typed answer has to reach the caller before the deadline, at which gRPC ends the call on both sides. */
const answerMarginMaxMs = 100;
const answerMarginShare = 0.1;

/**
 * A call to those who work on it, until it is closed. A class, since a getter in an object literal would get a hidden
 * class of its own for each call, in the old generation, which keeps all of the call until the next full collection.
 */
export class CallScope implements CallContext {
  readonly deadlineMs: number;
  readonly connection: string;
  private reason: Error | undefined;
  /** Most appends end without anybody asking for it. */
  private controller: AbortController | undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(private readonly call: AnyCall) {
    const callMs = Number(call.getDeadline()) - Date.now();
    const leftMs = Math.floor(callMs - Math.min(answerMarginMaxMs, callMs * answerMarginShare));
    this.deadlineMs = Date.now() + leftMs;
    this.connection = call.getPeer();
    if (leftMs <= timerMsMax) this.timer = setTimeout(this.onDeadline, leftMs);
    call.on('cancelled', this.onCancelled);
    if (call.cancelled) this.onCancelled();
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      setMaxListeners(0, this.controller.signal); // one for each question that waits for an answer
      if (this.reason !== undefined) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  /** As of the signal, which need not be made for it. */
  throwIfAborted(): void {
    if (this.reason !== undefined) throw this.reason;
  }

  close(): void {
    clearTimeout(this.timer);
    this.call.off('cancelled', this.onCancelled);
  }

  private readonly onCancelled = (): void => {
    this.abort(new CancelledError('the caller has gone'));
  };

  private readonly onDeadline = (): void => {
    this.abort(deadlineExceeded());
  };

  /** Ends the call for this reason, unless it has ended for another one. */
  abort(reason: Error): void {
    this.reason ??= reason;
    this.controller?.abort(this.reason);
  }
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
