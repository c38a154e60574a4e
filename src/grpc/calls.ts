import { setMaxListeners } from 'node:events';
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
import { failRead, sendAll } from './send-all';
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

  /**
   * A read without an end, with bounds of its own: the handler yields encoded responses until `stop` is aborted, and
   * then says with an error why it ends.
   */
  readonly subscription: <Request>(
    type: MessageType<Request>,
    handler: (request: Request, context: CallContext, stop: AbortSignal) => AsyncIterable<Buffer>,
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
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // one for each subscription that waits
  const reads = createStreaming(attempt, limits, {
    callsMax: limits.readsMax,
    unsentBytesMax: limits.pageBytesMax,
    full: (count) => `${count} reads are under way`,
  });
  const subscriptions = createStreaming(attempt, limits, {
    callsMax: limits.subscriptionsMax,
    unsentBytesMax: limits.subscriptionBytesMax,
    full: (count) => `${count} subscriptions are open`,
  });
  return {
    unary: (type, handler) => (call, respond) => {
      const work = async (context: CallContext): Promise<void> => {
        respond(null, await handler(decodeRequest(type, call.request, call.getPath()), context));
      };
      void attempt(call, work, respond);
    },

    serverStreaming: reads,
    subscription: (type, handler) =>
      subscriptions(type, (request, context) => handler(request, context, stop.signal)),

    questions: (type, answer) =>
      openCalls.track((call) => {
        const work = async (): Promise<void> => {
          // A plain loop would destroy the call at the end of the requests, and with it the way to end it well.
          for await (const bytes of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
            const response = answer(decodeRequest(type, bytes, call.getPath()));
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
    endOpenCalls() {
      stop.abort();
      openCalls.end();
    },
  };
}

interface StreamingBounds {
  readonly callsMax: number;
  /** Of one call. */
  readonly unsentBytesMax: number;
  /** What is said to one call too many. */
  readonly full: (count: number) => string;
}

/** Server streams of one kind, which have their bounds together. */
function createStreaming(
  attempt: Attempt,
  limits: Limits,
  { callsMax, unsentBytesMax, full }: StreamingBounds,
): Calls['serverStreaming'] {
  let open = 0;
  return (type, handler) => (call) => {
    const work = async (context: CallContext): Promise<void> => {
      if (open >= callsMax) throw new OverloadedError(full(open));
      open++;
      try {
        const messages = handler(decodeRequest(type, call.request, call.getPath()), context);
        await sendAll(call, messages, context.signal, unsentBytesMax, limits);
      } finally {
        open--;
      }
    };
    void attempt(call, work, (status) => {
      failRead(call, status, limits);
    });
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
      if (!isStoreError(error) && !signal.aborted)
        log.error({ err: error, rpc: call.getPath() }, 'a call failed unexpectedly');
      fail(toStatus(whatMatters(error, scope.context)));
    } finally {
      scope.close();
    }
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
  const leftMs = Math.floor(callMs - Math.min(answerMarginMaxMs, callMs * answerMarginShare));
  const timer =
    leftMs > timerMsMax
      ? undefined
      : setTimeout(() => {
          controller.abort(deadlineExceeded());
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
