import { once } from 'node:events';
import {
  constants,
  createServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { openSession } from '../support/raw-http2';

/** What happens to a call. */
export type CallFault =
  /** The proxy ends it by itself, with a status of gRPC or of HTTP; before that, the gateway may have handled it. */
  | {
      readonly fault: 'answer';
      readonly status?: number | undefined;
      readonly http?: number | undefined;
      readonly passes?: boolean | undefined;
    }
  /** The gateway handles it; its answer is lost, together with the connection. */
  | { readonly fault: 'lose' }
  /** Nothing is passed on, and nothing comes back. */
  | { readonly fault: 'hang' }
  /** Ends with OK after this many messages. */
  | { readonly fault: 'cutRead'; readonly messages: number };

/** A proxy that knows the calls of its HTTP/2 connections. */
export interface CallProxy extends AsyncDisposable {
  readonly port: number;
  /** The next calls of a method, this many, meet a fault. */
  meet(method: string, times: number, fault: CallFault): void;
  /** Nothing comes back any more on the present calls of a method; the gateway gets what is sent on them. */
  mute(method: string): void;
  /** Ends all connections as a server does that restarts: calls under way go on, new ones need another connection. */
  goAway(): void;
  /** How many calls of a method have come. */
  calls(method: string): number;
}

type Rule = CallFault & { readonly method: string; left: number };

/** Starts a proxy for the gateway at host:port. */
export async function startCallProxy(gateway: string): Promise<CallProxy> {
  const sessions = new Map<ServerHttp2Session, ClientHttp2Session>();
  const rules: Rule[] = [];
  const seen: { readonly method: string; readonly call: PassedCall }[] = [];
  const server = createServer();
  server.on('session', (near) => {
    const far = openSession(gateway);
    sessions.set(near, far);
    near.on('error', () => undefined);
    near.on('close', () => {
      sessions.delete(near);
      far.destroy();
    });
    far.on('close', () => {
      near.destroy();
    });
  });
  server.on('stream', (stream, headers) => {
    const far = sessions.get(stream.session as ServerHttp2Session);
    const method = String(headers[':path']).split('/').at(-1) ?? '';
    stream.on('error', () => undefined);
    const rule = rules.find((each) => each.method === method && each.left > 0);
    if (rule !== undefined) rule.left--;
    const call = new PassedCall(stream, rule);
    seen.push({ method, call });
    if (far === undefined || far.destroyed) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else call.pass(far, { ...headers, ':authority': gateway });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    meet: (method, times, fault) => void rules.push({ ...fault, method, left: times }),
    mute(method) {
      for (const each of seen) if (each.method === method) each.call.mute();
    },
    goAway() {
      for (const near of sessions.keys()) near.goaway(constants.NGHTTP2_NO_ERROR);
    },
    calls: (method) => seen.filter((each) => each.method === method).length,
    async [Symbol.asyncDispose]() {
      for (const near of sessions.keys()) destroyLater(near);
      await once(server.close(), 'close');
    },
  };
}

/** Node 20 corrupts its memory if a session is destroyed while it delivers an answer. */
function destroyLater(session: Http2Session): void {
  setImmediate(() => {
    session.destroy();
  });
}

const grpc = { ':status': 200, 'content-type': 'application/grpc' };

class PassedCall {
  private messages = 0;
  private rest = Buffer.alloc(0);
  private trailers: OutgoingHttpHeaders = {};
  private far: ClientHttp2Stream | undefined;

  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly rule: CallFault | undefined,
  ) {}

  pass(session: ClientHttp2Session, headers: IncomingHttpHeaders): void {
    const { stream, rule } = this;
    if (rule?.fault === 'hang') return;
    if (rule?.fault === 'answer' && rule.passes !== true) {
      this.answer(rule);
      return;
    }
    const far = session.request(headers);
    this.far = far;
    far.on('error', () => undefined);
    stream.pipe(far);
    stream.on('close', () => {
      far.close(stream.rstCode);
    });
    far.on('close', () => {
      if (far.rstCode !== constants.NGHTTP2_NO_ERROR && !stream.closed) stream.close(far.rstCode);
    });
    if (rule?.fault === 'lose' || rule?.fault === 'answer') {
      far.resume();
      far.on('end', () => {
        if (rule.fault === 'answer') this.answer(rule);
        else if (stream.session !== undefined) destroyLater(stream.session);
      });
      return;
    }
    far.on('response', (answer, flags) => {
      if (stream.destroyed) return;
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) stream.respond(answer, { endStream: true });
      else {
        stream.respond(answer, { waitForTrailers: true });
        stream.on('wantTrailers', () => {
          stream.sendTrailers(this.trailers);
        });
        if (rule?.fault === 'cutRead') this.passMessages(far, rule.messages);
        else far.pipe(stream);
      }
    });
    far.on('trailers', (trailers) => {
      this.trailers = trailers as OutgoingHttpHeaders;
    });
  }

  mute(): void {
    this.far?.unpipe(this.stream).removeAllListeners('close').resume();
  }

  private answer({ status, http }: Extract<CallFault, { fault: 'answer' }>): void {
    const { stream } = this;
    stream.resume();
    if (stream.destroyed) return;
    if (http === undefined)
      stream.respond(
        { ...grpc, 'grpc-status': String(status), 'grpc-message': 'by the proxy' },
        { endStream: true },
      );
    else {
      stream.respond({ ':status': http, 'content-type': 'text/html' });
      stream.end('<html><body><h1>Sorry</h1></body></html>');
    }
  }

  /** Passes whole messages, this many, and ends with OK. */
  private passMessages(far: ClientHttp2Stream, count: number): void {
    const { stream } = this;
    const finish = (): void => {
      this.trailers = { 'grpc-status': '0' };
      far.removeAllListeners('close').removeAllListeners('trailers');
      stream.end();
      far.close(constants.NGHTTP2_CANCEL);
    };
    if (count === 0) finish();
    far.on('data', (bytes: Buffer) => {
      this.rest = Buffer.concat([this.rest, bytes]);
      while (this.rest.length >= 5 && this.messages < count) {
        const length = 5 + this.rest.readUInt32BE(1);
        if (this.rest.length < length) return;
        stream.write(this.rest.subarray(0, length));
        this.rest = this.rest.subarray(length);
        if (++this.messages === count) finish();
      }
    });
  }
}
