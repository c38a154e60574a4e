import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerWritableStream,
  StatusObject,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import {
  CancelledError,
  DeadlineExceededError,
  InvalidRequestError,
  isStoreError,
  OverloadedError,
  StoreUnavailableError,
} from '../store/errors';
import type { CallContext } from '../store/event-store';
import { decodeRequest, type MessageType } from './decode';
import { toStatus } from './status';

/**
 * Turns the callbacks of grpc-js into async functions and async generators: decoding, deadline, cancellation,
 * backpressure and errors are dealt with here and nowhere else. Requests come as bytes, because what goes wrong in
 * a deserializer of grpc-js cannot be answered with a typed error.
 */
export interface Calls {
  readonly unary: <Request, Response>(
    type: MessageType<Request>,
    handler: (request: Request, context: CallContext) => Promise<Response>,
  ) => handleUnaryCall<Buffer, Response>;

  /** A read: the handler yields encoded responses. */
  readonly serverStreaming: <Request>(
    type: MessageType<Request>,
    handler: (request: Request, context: CallContext) => AsyncIterable<Buffer>,
  ) => handleServerStreamingCall<Buffer, Buffer>;

  /** One response for each request, for as long as the caller likes or until `endOpenCalls`. */
  readonly questions: <Request, Response>(
    type: MessageType<Request>,
    answer: (request: Request) => Response,
  ) => handleBidiStreamingCall<Buffer, Response>;

  /** Lets a handler of another package run until the caller has enough, or until `endOpenCalls`. */
  readonly openEnded: <Call extends OpenCall>(handler: (call: Call) => void) => (call: Call) => void;

  /** Ends the calls that would not end by themselves with UNAVAILABLE. Later ones end at once. */
  readonly endOpenCalls: () => void;
}

/** What all calls of grpc-js have in common. */
type AnyCall = Pick<
  ServerWritableStream<unknown, unknown>,
  'metadata' | 'cancelled' | 'getDeadline' | 'getPath'
> &
  OpenCall;

interface OpenCall {
  on(event: 'cancelled', listener: () => void): unknown;
  off(event: 'cancelled', listener: () => void): unknown;
  emit(event: 'error', error: StatusObject): boolean;
}

export function createCalls(limits: Limits, log: Logger): Calls {
  const attempt = createAttempt(limits, log);
  const openCalls = createOpenCalls();
  let reads = 0;
  return {
    unary: (type, handler) => (call, respond) => {
      const work = async (context: CallContext): Promise<void> => {
        respond(null, await handler(decodeRequest(type, call.request), context));
      };
      void attempt(call, work, respond);
    },

    serverStreaming: (type, handler) => (call) => {
      const work = async (context: CallContext): Promise<void> => {
        if (reads >= limits.readsMax) throw new OverloadedError(`${reads} reads are under way`);
        reads++;
        try {
          await sendAll(call, handler(decodeRequest(type, call.request), context), context.signal, limits);
        } finally {
          reads--;
        }
      };
      void attempt(call, work, (status) => call.emit('error', status));
    },

    questions: (type, answer) =>
      openCalls.track((call) => {
        const work = async (): Promise<void> => {
          // A plain loop would destroy the call at the end of the requests, and with it the way to end it well.
          for await (const bytes of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
            const response = answer(decodeRequest(type, bytes));
            await new Promise<void>((resolve, reject) => {
              call.once('close', resolve);
              call.write(response, (error: Error | null | undefined) => {
                call.off('close', resolve);
                if (error) reject(error);
                else resolve();
              });
            });
          }
          call.end();
        };
        void attempt(call, work, (status) => call.emit('error', status));
      }),

    openEnded: openCalls.track,
    endOpenCalls: openCalls.end,
  };
}

/** Runs the work of a call. Every error of every call comes by here. */
type Attempt = (
  call: AnyCall,
  work: (context: CallContext) => Promise<void>,
  fail: (status: StatusObject) => void,
) => Promise<void>;

function createAttempt(limits: Limits, log: Logger): Attempt {
  return async (call, work, fail) => {
    const scope = openScope(call);
    try {
      checkMetadata(call, limits);
      await work(scope.context);
    } catch (error) {
      const { signal } = scope.context;
      const isOurs = isStoreError(error);
      if (!isOurs && !signal.aborted)
        log.error({ err: error, rpc: call.getPath() }, 'a call failed unexpectedly');
      // A caller that has gone makes all kinds of things fail: that it has gone is what matters.
      fail(toStatus(!isOurs && signal.aborted ? signal.reason : error));
    } finally {
      scope.close();
    }
  };
}

interface Scope {
  readonly context: CallContext;
  close(): void;
}

/** The longest time a timer can take; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;
/** The typed answer has to reach the caller before the deadline, at which gRPC ends the call on both sides. */
const answerMarginMaxMs = 100;
const answerMarginShare = 0.1;

function openScope(call: AnyCall): Scope {
  const controller = new AbortController();
  const cancel = (): void => {
    controller.abort(new CancelledError('the caller has gone'));
  };
  if (call.cancelled) cancel();
  call.on('cancelled', cancel);
  const callMs = Number(call.getDeadline()) - Date.now();
  const leftMs = callMs - Math.min(answerMarginMaxMs, callMs * answerMarginShare);
  const timer =
    leftMs > timerMsMax
      ? undefined
      : setTimeout(() => {
          controller.abort(new DeadlineExceededError('the deadline passed before the answer was there'));
        }, leftMs);
  return {
    context: { signal: controller.signal, deadlineMs: Date.now() + leftMs },
    close() {
      clearTimeout(timer);
      call.off('cancelled', cancel);
    },
  };
}

/** grpc-js has no bound of its own below the 64 KiB at which HTTP/2 refuses the call. */
function checkMetadata({ metadata }: AnyCall, { requestMetadataBytesMax }: Limits): void {
  let bytes = 0;
  for (const [key, values] of Object.entries(metadata.toJSON())) {
    for (const value of values) bytes += key.length + value.length;
  }
  if (bytes <= requestMetadataBytesMax) return;
  const description = `has ${bytes} bytes, more than the limit of ${requestMetadataBytesMax}`;
  throw new InvalidRequestError([{ field: 'grpc_metadata', description }]);
}

/**
 * Sends the messages and ends the call. At most about two pages wait for the caller to take them; when it takes
 * nothing for `readStallTimeoutMs`, the read fails. Comes back when all is sent.
 */
async function sendAll(
  call: ServerWritableStream<Buffer, Buffer>,
  messages: AsyncIterable<Buffer>,
  signal: AbortSignal,
  { pageBytesMax, readStallTimeoutMs }: Limits,
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
    await untilUnsentIs(pageBytesMax);
  }
  call.end();
  await untilUnsentIs(0);
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

interface OpenCalls {
  readonly track: <Call extends OpenCall>(handler: (call: Call) => void) => (call: Call) => void;
  readonly end: () => void;
}

function createOpenCalls(): OpenCalls {
  const open = new Set<OpenCall>();
  let ended = false;
  const end = (call: OpenCall): void => {
    call.emit('error', toStatus(new StoreUnavailableError('the gateway is stopping')));
  };
  return {
    track: (handler) => (call) => {
      if (ended) {
        end(call);
        return;
      }
      open.add(call);
      // grpc-js says so also when the call has ended in any other way.
      call.on('cancelled', () => open.delete(call));
      handler(call);
    },
    end() {
      ended = true;
      for (const call of open) end(call);
    },
  };
}
