import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  ServerUnaryCall,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { isStoreError } from '../store/errors';
import type { CallAudit } from './call-audit';
import type { CallReports } from './call-reports';
import type { AnyCall, Caller, CallScope } from './call-scope';
import { decodeRequest, type MessageType } from './decode';
import { encode, type Encodable } from './encode';
import { endWith } from './end-with';
import type { AccessWatch } from './access-watch';
import { createEnterCall, type EnterCall, type Entered } from './enter-call';
import type { FailureCounts } from './failure-counts';
import { createRecognise, type Failure, type Recognise } from './failure';
import { OpenCalls } from './open-calls';
import { takeRequest, type RequestBytes } from './request-bytes';
import { requestsOf, respondToEach, type Requests } from './requests';
import type { Messages } from './send-all';
import { createAllSlots, type Kind, type Slots } from './slots';
import { shareOf, streamsOf } from './stream-calls';

/**
 * The kinds of calls. Each turns the callbacks of grpc-js into async functions and async generators, and deals with decoding,
 * backpressure and bounds. Requests come as bytes, because an error in a deserializer of grpc-js cannot get a typed status.
 */
export interface Calls {
  /** One request, one response. */
  readonly unary: <Request, Response>(
    type: MessageType<Request>,
    responseType: Encodable<Response>,
    handler: (request: Request, caller: Caller) => Promise<Response>,
  ) => Entered<handleUnaryCall<RequestBytes, Buffer>>;

  /** A unary call that waits for the store and appends nothing, with bounds of its own. */
  readonly lookup: Calls['unary'];

  /** A read, with bounds of its own: the handler gives encoded responses. */
  readonly read: <Request>(
    type: MessageType<Request>,
    handler: (request: Request, caller: Caller) => Messages | Promise<Messages>,
  ) => Entered<handleServerStreamingCall<RequestBytes, Buffer>>;

  /**
   * A read without an end, with bounds of its own: the handler yields encoded responses until the connection of its caller
   * stops, and then throws an error that says why. `bytesMax` bounds one response; it falls as the number of subscriptions grows.
   */
  readonly subscription: <Request>(
    type: MessageType<Request>,
    handler: (request: Request, caller: Caller, bytesMax: number) => AsyncIterable<Buffer>,
  ) => Entered<handleServerStreamingCall<RequestBytes, Buffer>>;

  /** Requests and responses side by side, with bounds of its own: the handler yields encoded responses. */
  readonly session: (
    handler: (session: Session) => AsyncIterable<Buffer>,
  ) => Entered<handleBidiStreamingCall<Buffer, Buffer>>;

  /** The same for a member of a group, with bounds of its own, which counts as a subscription. `bytesMax`: as of one. */
  readonly member: (
    handler: (session: Session, bytesMax: number) => AsyncIterable<Buffer>,
  ) => Entered<handleBidiStreamingCall<Buffer, Buffer>>;

  /** One encoded response for each request, until the caller has enough or `endOpenCalls` is called. */
  readonly perRequest: <Request>(
    type: MessageType<Request>,
    respond: (request: Request) => Uint8Array,
  ) => Entered<handleBidiStreamingCall<Buffer, Uint8Array>>;

  /** A unary call whose handler is from another package. */
  readonly foreignUnary: <Request, Response>(
    handler: handleUnaryCall<Request, Response>,
  ) => Entered<handleUnaryCall<Request, Response>>;

  /** A call without an end, whose handler is from another package: until the caller has enough or `endOpenCalls` is called. */
  readonly foreignStreaming: <Request, Response>(
    handler: handleServerStreamingCall<Request, Response>,
  ) => Entered<handleServerStreamingCall<Request, Response>>;

  /** Ends `perRequest` and `foreignStreaming` calls with UNAVAILABLE. Later ones end at once. */
  readonly endOpenCalls: () => void;

  /** How many calls of each kind are under way. */
  readonly slots: Readonly<Record<Kind, Pick<Slots, 'taken'>>>;

  /** Ends reads and subscriptions that are still under way with UNAVAILABLE. */
  readonly endReads: () => void;
}

/** What the handler of a session works with. */
export interface Session {
  readonly requests: Requests;
  /** Once its connection stops, the session takes no more requests, answers those it has, and throws an error that says why. */
  readonly caller: Caller;
  /** The listener is called when the caller may no longer have the session, which it then ends with this error. */
  readonly onAccessLost: (listener: (error: Error) => void) => void;
  /** Tells what an error of one append means to the caller, as if it were the error of a call. */
  readonly recognise: (error: unknown) => Failure;
  /** Ends the call with what this error means to the caller. */
  readonly fail: (error: unknown) => void;
}

export interface CallsOptions {
  readonly limits: Limits;
  readonly log: Logger;
  readonly watch: AccessWatch;
  readonly audit: CallAudit;
  readonly reports: CallReports;
  readonly failures: FailureCounts;
}

export function createCalls({ limits, log, watch, audit, reports, failures }: CallsOptions): Calls {
  const recognise = createRecognise(log, audit, failures);
  const common = {
    enter: createEnterCall({ limits, recognise, audit, reports }),
    recognise,
    slots: createAllSlots(limits),
    limits,
    watch,
  };
  return { ...unaryCalls(common), ...streams(common), ...openCalls(common), slots: common.slots };
}

/** What all kinds of calls share. */
interface Common {
  readonly enter: EnterCall;
  readonly recognise: Recognise;
  readonly slots: ReturnType<typeof createAllSlots>;
  readonly limits: Limits;
  readonly watch: AccessWatch;
}

/** A call whose request has not been taken. */
type Unread = AnyCall & Parameters<typeof takeRequest>[0];

function requestOf<Request>(type: MessageType<Request>, call: Unread, limits: Limits): Request {
  return decodeRequest(type, takeRequest(call), call.getPath(), limits);
}

function unaryCalls({ enter, slots, limits }: Common): Pick<Calls, 'unary' | 'lookup' | 'foreignUnary'> {
  const unary: Calls['unary'] = (type, responseType, handler) =>
    enter((call: ServerUnaryCall<RequestBytes, Buffer>, respond) => ({
      async serve(caller) {
        const response = encode(responseType, await handler(requestOf(type, call, limits), caller));
        endWith(call, response, caller.trailers, nothing);
      },
      fail: respond,
    }));
  return {
    unary,

    lookup: (type, responseType, handler) =>
      unary(type, responseType, async (request, caller) => {
        const leave = slots.lookups.take(caller);
        try {
          return await handler(request, caller);
        } finally {
          leave();
        }
      }),

    foreignUnary: (handler) =>
      enter((call, respond) => ({
        serve({ trailers }) {
          handler(call, (error, value) => {
            respond(error, value, trailers);
          });
          return Promise.resolve();
        },
        fail: respond,
      })),
  };
}

function streams({
  enter,
  recognise,
  slots,
  limits,
  watch,
}: Common): Pick<Calls, 'read' | 'subscription' | 'session' | 'member' | 'endReads'> {
  const open = new OpenCalls();
  const common = { open, watch, limits };
  const unsentBytesMax = (): number => limits.pageBytesMax;
  const subscriptionBytesMax = (): number => shareOf(limits, slots.subscriptions.taken + slots.members.taken);
  const reads = streamsOf({ ...common, slots: slots.reads, unsentBytesMax });
  const subscriptions = streamsOf({
    ...common,
    slots: slots.subscriptions,
    unsentBytesMax: subscriptionBytesMax,
  });
  const members = streamsOf({ ...common, slots: slots.members, unsentBytesMax: subscriptionBytesMax });
  const sessions = streamsOf({ ...common, slots: slots.sessions, unsentBytesMax, open: undefined });
  return {
    read: (type, handler) =>
      enter((call) => reads(call, (caller) => handler(requestOf(type, call, limits), caller))),

    subscription: (type, handler) =>
      enter((call) =>
        subscriptions(call, (caller) =>
          handler(requestOf(type, call, limits), caller, subscriptionBytesMax()),
        ),
      ),

    session: (handler) =>
      enter((call) => sessions(call, (caller) => handler(sessionOf(call, caller, recognise)))),

    member: (handler) =>
      enter((call) =>
        members(call, (caller) => handler(sessionOf(call, caller, recognise), subscriptionBytesMax())),
      ),

    endReads: open.end,
  };
}

function sessionOf(
  call: ServerDuplexStream<Buffer, Buffer>,
  caller: CallScope,
  recognise: Recognise,
): Session {
  return {
    requests: requestsOf(call),
    caller,
    onAccessLost: (listener) => {
      caller.onAccessLost = listener;
    },
    recognise: (error) => recognise(error, caller),
    fail: (error) => {
      caller.abort(isStoreError(error) ? error : recognise(error, caller));
    },
  };
}

function openCalls({
  enter,
  limits,
  watch,
}: Common): Pick<Calls, 'perRequest' | 'foreignStreaming' | 'endOpenCalls'> {
  const open = new OpenCalls();
  return {
    perRequest: (type, respond) =>
      enter((call) => {
        const respondTo = (bytes: Buffer): Uint8Array =>
          respond(decodeRequest(type, bytes, call.getPath(), limits));
        return {
          serve: (caller) => watch.run(caller, () => open.run(caller, () => respondToEach(call, respondTo))),
          fail: (status) => call.emit('error', status),
        };
      }),

    foreignStreaming: (handler) =>
      enter((call) => ({
        serve: (caller) =>
          open.run(caller, () => {
            handler(call);
            return new Promise(nothing);
          }),
        fail: (status) => call.emit('error', status),
      })),

    endOpenCalls: open.end,
  };
}

const nothing = (): void => undefined;
