import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { DescMethod } from '@bufbuild/protobuf';
import { Metadata, status } from '@grpc/grpc-js';
import { messageBytesMaxOf } from '../grpc/call-kind';
import { OriginDeniedError, type Failure } from '../grpc/failure';
import { requestIdKey, requestIdOf } from '../grpc/request-id';
import { safeHeaders, type Handler } from '../http/http-server';
import type { Limits } from '../limits';
import { isStoreError, OverloadedError, StoreUnavailableError, type AnyStoreError } from '../store/errors';
import { Bodies } from './body';
import { endingOf, plainEnding, type Ending } from './ending';
import { InnerCall } from './inner-call';
import { InnerConnections, type Give } from './inner-connections';
import { invalid, metadataOf } from './metadata';
import { isServicePath, methodAt } from './methods';
import { Origins } from './origins';
import { protocolOf, type Protocol } from './protocols';
import { sendError, type Reply } from './replies';
import { sendRequest } from './request';

export interface WebCallsOptions {
  /** Origins of web pages that may make calls, besides pages of this server. */
  readonly origins: readonly string[];
  /** Why no calls are served; undefined: they are. */
  readonly closed: string | undefined;
  readonly limits: Limits;
}

/** Where calls go once there is a gRPC server. */
export interface CallTarget {
  readonly give: Give;
  /** Counts what is refused before it. */
  note(failure: Failure): void;
}

/**
 * Serves unary and server-streaming RPCs over HTTP: the Connect protocol and gRPC-Web, in protobuf and in JSON. Each call becomes one of
 * gRPC to this gateway, on a connection of its caller's own, so that everything but its form is the same.
 */
export class WebCalls implements Handler {
  readonly route = 'calls';
  private readonly origins: Origins;
  private readonly bodies: Bodies;
  private readonly underWay = new WeakMap<Socket, number>();
  private target: (CallTarget & { readonly connections: InnerConnections }) | undefined;

  constructor(private readonly options: WebCallsOptions) {
    this.origins = new Origins(options.origins);
    this.bodies = new Bodies(options.limits);
  }

  takes(path: string): boolean {
    return isServicePath(path);
  }

  begin(target: CallTarget): void {
    this.target = { ...target, connections: new InnerConnections(target.give) };
  }

  async close(): Promise<void> {
    await this.target?.connections.close();
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = { ...safeHeaders, ...this.origins.headersFor(request.headers) };
    const refuse = (ending: Ending, httpStatus?: number, more?: OutgoingHttpHeaders): void => {
      sendError(response, ending, { ...headers, ...more }, httpStatus);
    };
    if (!this.origins.accepts(request.headers)) {
      refuse(endingOf(new OriginDeniedError(request.headers.origin ?? ''), requestIdTrailer(request)));
      return;
    }
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { ...headers, ...this.origins.preflight, allow: 'POST' }).end();
      return;
    }
    if (request.method !== 'POST') {
      refuse(plainEnding(status.UNIMPLEMENTED, 'calls are made with POST'), 405, { allow: 'POST' });
      return;
    }
    const path = request.url?.split('?', 1)[0] ?? '';
    const method = methodAt(path);
    if (method === undefined) {
      refuse(plainEnding(status.UNIMPLEMENTED, `there is no RPC ${path.slice(1)}`), 404);
      return;
    }
    const protocol = protocolOf(request.headers, method);
    const hasStream = method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
    const unserved = plainEnding(status.UNIMPLEMENTED, `${method.name} takes a stream of requests: use gRPC`);
    if (typeof protocol === 'string') {
      if (hasStream) refuse(unserved);
      else refuse(this.failed(invalid('content-type', protocol), request), 415);
      return;
    }
    const { isJson, type } = protocol;
    const reply = protocol.reply({ response, method, isJson, type, headers });
    if (hasStream) reply.end(unserved);
    else await this.call({ request, response, path, method, protocol }, reply);
  }

  private async call(web: WebCall, reply: Reply): Promise<void> {
    const { request, response } = web;
    const { socket } = request;
    const leave = this.enter(socket);
    const closed = new Promise((resolve) => response.once('close', resolve));
    try {
      const ending = await this.relay(web, reply);
      this.awaitCaller(socket);
      reply.end(ending);
      await closed;
    } catch (error) {
      if (!isStoreError(error)) throw error;
      reply.end(this.failed(error, request));
    } finally {
      leave();
    }
  }

  /** Resolves with how the call ended, when its messages are sent. Throws StoreError for one that does not get to gRPC. */
  private async relay({ request, response, path, method, protocol }: WebCall, reply: Reply): Promise<Ending> {
    const { closed, limits } = this.options;
    const { target } = this;
    if (closed !== undefined) return plainEnding(status.UNIMPLEMENTED, closed);
    if (target === undefined) throw new StoreUnavailableError('the gateway is starting');
    if ((this.underWay.get(request.socket) ?? 0) > limits.httpConnectionCallsMax) {
      const message = `this connection has more than ${limits.httpConnectionCallsMax} calls under way`;
      throw new OverloadedError('httpConnectionCallsMax', message);
    }
    const metadata = metadataOf(request.headers, protocol);
    const session = await target.connections.of(request.socket);
    if (session.destroyed) return plainEnding(status.UNAVAILABLE, 'the connection has ended');
    const call = new InnerCall(session, path, metadata);
    const cancel = (): void => {
      call.cancel();
    };
    response.once('close', cancel);
    // Until its end, gRPC bounds how long it may take; what is left then, the caller must take.
    request.socket.setTimeout(0);
    const awaitCaller = (): void => {
      this.awaitCaller(request.socket);
    };
    call.stream.once('trailers', awaitCaller).once('close', awaitCaller);
    try {
      const bytesMax = messageBytesMaxOf(path, limits);
      const sending = { request, method, protocol, bodies: this.bodies, limits, bytesMax };
      const trouble = watch(sendRequest(call, sending), cancel);
      for await (const { bytes } of call.messages()) await reply.message(bytes);
      const ending = call.end();
      if (trouble.error !== undefined) throw trouble.error;
      if (trouble.description === undefined || !unreadable.includes(ending.code)) return ending;
      return endingOf(invalid('request', trouble.description), ending.trailers);
    } finally {
      call.stream.off('trailers', awaitCaller).off('close', awaitCaller);
      cancel();
      response.off('close', cancel);
    }
  }

  /** The last call under way on a connection is over: from now on its caller must take what there is, or send another one. */
  private awaitCaller(socket: Socket): void {
    if ((this.underWay.get(socket) ?? 0) <= 1) socket.setTimeout(this.options.limits.httpIdleMs);
  }

  /** Returns a function that ends it. */
  private enter(socket: Socket): () => void {
    const add = (calls: number): void => {
      this.underWay.set(socket, (this.underWay.get(socket) ?? 0) + calls);
    };
    add(1);
    return () => {
      add(-1);
    };
  }

  /** A call that ends before it gets to gRPC. */
  private failed(failure: Failure, request: IncomingMessage): Ending {
    this.target?.note(failure);
    return endingOf(failure, requestIdTrailer(request));
  }
}

/** With the id that the caller has given, or another one. */
function requestIdTrailer({ headers }: IncomingMessage): Ending['trailers'] {
  const metadata = new Metadata();
  const given = headers[requestIdKey];
  if (typeof given === 'string') metadata.set(requestIdKey, given);
  return { [requestIdKey]: requestIdOf(metadata) };
}

/** How calls end whose request is no message; the second is of grpc-js, for the service of health. */
const unreadable: readonly number[] = [status.INVALID_ARGUMENT, status.INTERNAL];

/** What is wrong with a request, as far as it has come. */
interface Trouble {
  description?: string | undefined;
  error?: AnyStoreError;
}

/** gRPC may refuse a call before its request has come, so that nobody can wait for all of the request. */
function watch(sent: Promise<string | undefined>, cancel: () => void): Trouble {
  const trouble: Trouble = {};
  sent.then(
    (description) => (trouble.description = description),
    (error: unknown) => {
      if (isStoreError(error)) trouble.error = error;
      cancel();
    },
  );
  return trouble;
}

interface WebCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly method: DescMethod;
  readonly protocol: Protocol;
}
