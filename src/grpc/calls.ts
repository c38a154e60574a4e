import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  StatusObject,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import { CompactingMap } from '../collections/compacting-map';
import { CallScope, checkMetadata, type AnyCall, type Caller } from './call-scope';
import { decodeRequest, type MessageType } from './decode';
import { encode, type Encodable } from './encode';
import { endWith } from './end-with';
import { createRecognise, type Failure, type Recognise } from './failure';
import { createOpenCalls, type OpenCall } from './open-calls';
import { createAllPlaces, type Places } from './places';
import { incomingOf, takeRequest, type RequestBytes } from './request-bytes';
import { requestsOf, type Requests } from './requests';
import { failRead, sendAll, type Messages, type StreamingCall } from './send-all';
import { toStatus } from './status';

/**
 * Turns the callbacks of grpc-js into async functions and async generators: decoding, deadline, cancellation,
 * backpressure and errors are dealt with here and nowhere else. Requests come as bytes, because what goes wrong in
 * a deserializer of grpc-js cannot be answered with a typed error.
 */
export interface Calls {
  readonly unary: <Request, Response>(
    type: MessageType<Request>,
    responseType: Encodable<Response>,
    handler: (request: Request, context: Caller) => Promise<Response>,
  ) => handleUnaryCall<RequestBytes, Buffer>;

  /** A unary call that waits for the store and appends nothing, with bounds of its own. */
  readonly question: Calls['unary'];

  /** A read: the handler gives encoded responses. */
  readonly serverStreaming: <Request>(
    type: MessageType<Request>,
    handler: (request: Request, context: Caller) => Messages | Promise<Messages>,
  ) => handleServerStreamingCall<RequestBytes, Buffer>;

  /**
   * A read without an end, with bounds of its own: the handler yields encoded responses until `stop` is aborted, and
   * then says with an error why it ends. `bytesMax` is for one of them, the less the more there are.
   */
  readonly subscription: <Request>(
    type: MessageType<Request>,
    handler: (
      request: Request,
      context: Caller,
      stop: AbortSignal,
      bytesMax: number,
    ) => AsyncIterable<Buffer>,
  ) => handleServerStreamingCall<RequestBytes, Buffer>;

  /** Requests and responses side by side, with bounds of its own: the handler yields encoded responses. */
  readonly session: (
    handler: (session: Session) => AsyncIterable<Buffer>,
  ) => handleBidiStreamingCall<Buffer, Buffer>;

  /** One encoded response for each request, for as long as the caller likes or until `endOpenCalls`. */
  readonly questions: <Request>(
    type: MessageType<Request>,
    answer: (request: Request) => Uint8Array,
  ) => handleBidiStreamingCall<Buffer, Uint8Array>;

  /** Lets a handler of another package run until the caller has enough, or until `endOpenCalls`. */
  readonly openEnded: <Call extends OpenCall>(handler: (call: Call) => void) => (call: Call) => void;

  /** Ends `questions` and `openEnded` with UNAVAILABLE. Later ones end at once. */
  readonly endOpenCalls: () => void;

  /** Ends reads and subscriptions that are still under way with UNAVAILABLE. */
  readonly endReads: () => void;
}

/** What the handler of a session works with. */
export interface Session {
  readonly requests: Requests;
  readonly call: Caller;
  /** Aborted when it shall take no more, answer what it has, and then say with an error why it ends. */
  readonly stop: AbortSignal;
  /** What an error of one append means to the caller, as if it were the error of a call. */
  readonly recognise: (error: unknown) => Failure;
}

/** A call whose request has not been taken. */
type Unread = Parameters<typeof takeRequest>[0];

export function createCalls(limits: Limits, log: Logger): Calls {
  const recognise = createRecognise(log);
  const attempt = createAttempt(limits, recognise);
  const openCalls = createOpenCalls();
  const places = createAllPlaces(limits);
  const open = new OpenReads();
  const pageBytes = (): number => limits.pageBytesMax;
  const subscriptionBytes = (): number => shareOf(limits, places.subscriptions.taken);
  const reads = createStreaming(attempt, limits, places.reads, pageBytes, open);
  const subscriptions = createStreaming(attempt, limits, places.subscriptions, subscriptionBytes, open);
  const sessions = createStreaming(attempt, limits, places.sessions, pageBytes);
  const requestOf = <Request>(type: MessageType<Request>, call: AnyCall & Unread): Request =>
    decodeRequest(type, takeRequest(call), call.getPath(), limits);
  const unary: Calls['unary'] = (type, responseType, handler) => (call, respond) => {
    const work = async (context: Caller): Promise<void> => {
      endWith(call, encode(responseType, await handler(requestOf(type, call), context)), nothing);
    };
    void attempt(call, work, respond);
  };
  return {
    unary,

    question: (type, responseType, handler) =>
      unary(type, responseType, async (request, context) => {
        const leave = places.lookups.take(context.connection);
        try {
          return await handler(request, context);
        } finally {
          leave();
        }
      }),

    serverStreaming: (type, handler) => (call) => {
      reads(call, (context) => handler(requestOf(type, call), context));
    },

    subscription: (type, handler) => (call) => {
      subscriptions(call, (context) =>
        handler(requestOf(type, call), context, context.connection.stop, subscriptionBytes()),
      );
    },

    session: (handler) => (call) => {
      sessions(call, (caller) =>
        handler({
          requests: requestsOf(call),
          call: caller,
          stop: caller.connection.stop,
          recognise: (error) => recognise(error, caller, call.getPath()),
        }),
      );
    },

    questions: (type, answer) =>
      openCalls.track((call) => {
        void attempt(
          call,
          () => answerEach(call, (bytes) => answer(decodeRequest(type, bytes, call.getPath(), limits))),
          (status) => call.emit('error', status),
        );
      }),

    openEnded: openCalls.track,
    endOpenCalls: openCalls.end,
    endReads: open.end,
  };
}

/** Calls that store nothing, to be ended together. A list of listeners of one AbortSignal would take more for each. */
class OpenReads {
  /** By a number each: the map keeps keys for a while. */
  private readonly scopes = new CompactingMap<number, CallScope>();
  private begun = 0;
  private isOver = false;

  add(scope: CallScope): number {
    if (this.isOver) stopRead(scope);
    else this.scopes.set(this.begun, scope);
    return this.begun++;
  }

  delete(number: number): void {
    this.scopes.delete(number);
  }

  readonly end = (): void => {
    this.isOver = true;
    for (const scope of this.scopes.values()) stopRead(scope);
  };
}

function stopRead(scope: CallScope): void {
  scope.abort(new StoreUnavailableError('the gateway is stopping'));
}

const subscriptionBytesMin = 4 << 10;

/** Bytes that may wait for one subscriber of so many. */
function shareOf({ subscriptionBytesMax, subscriptionsBytesMax }: Limits, subscriptions: number): number {
  const share = Math.floor(subscriptionsBytesMax / Math.max(1, subscriptions));
  return Math.max(subscriptionBytesMin, Math.min(subscriptionBytesMax, share));
}

/** Answers one question after the other. */
async function answerEach(
  call: ServerDuplexStream<Buffer, Uint8Array>,
  answer: (bytes: Buffer) => Uint8Array,
): Promise<void> {
  // A plain loop would destroy the call at the end of the requests, and with it the way to end it well.
  for await (const bytes of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const response = answer(bytes);
    incomingOf(call).consumed(bytes.length);
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
}

/** Calls of one kind that answer with a stream; `unsentBytesMax` is for each, `open` has those that store nothing. */
function createStreaming(
  attempt: Attempt,
  limits: Limits,
  places: Places,
  unsentBytesMax: () => number,
  open?: OpenReads,
): (call: StreamingCall & AnyCall, handler: (context: Caller) => Messages | Promise<Messages>) => void {
  return (call, handler) => {
    const work = async (scope: CallScope): Promise<void> => {
      const leave = places.take(scope.connection);
      const number = open?.add(scope);
      try {
        await sendAll(call, await handler(scope), scope, unsentBytesMax, limits);
      } finally {
        if (number !== undefined) open?.delete(number);
        leave();
      }
    };
    void attempt(call, work, (status) => {
      failRead(call, status, limits);
    });
  };
}

const nothing = (): void => undefined;

/** Runs the work of a call. Every error of every call comes by here. */
type Attempt = (
  call: AnyCall,
  work: (scope: CallScope) => Promise<void>,
  fail: (status: StatusObject) => void,
) => Promise<void>;

function createAttempt(limits: Limits, recognise: Recognise): Attempt {
  return async (call, work, fail) => {
    const scope = new CallScope(call);
    try {
      checkMetadata(call, limits);
      await work(scope);
    } catch (error) {
      fail(toStatus(recognise(error, scope, call.getPath())));
    } finally {
      scope.close();
    }
  };
}
