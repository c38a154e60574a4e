import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { textAnswer, type Answer } from './answer';
import { boundConnections } from './connection-bounds';
import { HttpCounts } from './http-counts';

/** What is served, by path. Each route takes GET and HEAD. */
export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/** Serves paths that are not listed one by one, with methods, headers and bodies of its own. */
export interface Handler {
  /** The route by which its requests are counted. */
  readonly route: string;
  /** `path`: without the query. */
  takes(path: string): boolean;
  /** Ends the response. */
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export interface HttpServerOptions {
  /** host:port; port 0 takes a free one. */
  readonly address: string;
  readonly routes: Routes;
  /** Asked in this order for what is no route. */
  readonly handlers?: readonly Handler[];
  readonly counts: HttpCounts;
  readonly limits: Limits;
  readonly log: Logger;
}

/** A server that listens. */
export interface HttpServer {
  /** host:port, with the port that is in use. */
  readonly address: string;
  /** Lets requests under way finish for a short time. */
  close(): Promise<void>;
}

const closeTimeoutMs = 1_000;

/** Answers are for the caller alone, are what they say they are, and run nothing. */
export const safeHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Throws if it cannot listen. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { address, limits } = options;
  const server = createServer(
    {
      maxHeaderSize: limits.httpHeaderBytesMax,
      headersTimeout: limits.httpRequestTimeoutMs,
      requestTimeout: limits.httpBodyTimeoutMs,
      keepAliveTimeout: limits.httpIdleMs,
      connectionsCheckingInterval: checkIntervalMs,
      keepAlive: true, // a caller that is gone without a word must not keep its calls
      keepAliveInitialDelay: limits.keepaliveIntervalMs,
    },
    (request, response) => void respond(request, response, options),
  );
  boundConnections(server, limits);
  server.setTimeout(limits.httpIdleMs);
  const port = await listen(server, address);
  return {
    address: address.replace(/\d+$/, port.toString()),
    close: () => close(server),
  };
}

/** How often Node looks for requests that take too long. */
const checkIntervalMs = 1_000;

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpServerOptions,
): Promise<void> {
  const path = request.url?.split('?', 1)[0] ?? '';
  const handler = Object.hasOwn(options.routes, path)
    ? undefined
    : options.handlers?.find((one) => one.takes(path));
  if (handler !== undefined) {
    await handle(request, response, handler, options);
    return;
  }
  const route = Object.hasOwn(options.routes, path) ? path : 'other';
  const answer = await answerOf(request, route, options);
  options.counts.note(route, answer.status);
  const allow = answer.status === 405 ? { allow: 'GET, HEAD' } : {};
  const length = Buffer.byteLength(answer.body);
  response.writeHead(answer.status, {
    ...safeHeaders,
    ...allow,
    'content-type': answer.type,
    'content-length': length,
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  handler: Handler,
  { counts, log }: HttpServerOptions,
): Promise<void> {
  try {
    await handler.serve(request, response);
  } catch (err) {
    log.error({ err, route: handler.route }, 'an HTTP request failed unexpectedly');
    if (response.headersSent) response.destroy();
    else response.writeHead(500, safeHeaders).end();
  }
  counts.note(handler.route, response.statusCode);
}

async function answerOf(
  { method = '' }: IncomingMessage,
  route: string,
  { routes, log }: HttpServerOptions,
): Promise<Answer> {
  const make = routes[route];
  if (make === undefined) return textAnswer(404, `not found; there is ${Object.keys(routes).join(', ')}`);
  if (method !== 'GET' && method !== 'HEAD') return textAnswer(405, 'only GET and HEAD');
  try {
    return await make();
  } catch (err) {
    log.error({ err, route }, 'an HTTP request failed unexpectedly');
    return textAnswer(500, 'internal error; the log of the gateway has more');
  }
}

function listen(server: Server, address: string): Promise<number> {
  const [, host = '', port = ''] = /^\[?([^\]]+)\]?:(\d+)$/.exec(address) ?? [];
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === 'EADDRINUSE' ? 'the port is in use' : cause.message;
      const message = `cannot listen on ${address} for HTTP: ${reason}; choose another --http-listen, or off`;
      reject(new Error(message, { cause }));
    });
    server.listen(Number(port), host, () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.closeAllConnections();
    }, closeTimeoutMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
