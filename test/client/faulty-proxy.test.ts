import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import {
  connect,
  InternalError,
  NotPermittedError,
  UnauthenticatedError,
  type SluiceClient,
} from '../../src/client/client';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { openSession } from '../support/raw-http2';
import { failureOf } from './outcomes';

/** A proxy in front of a gateway that breaks the first call of each method. */

/** Ends a call. */
type Fault = (stream: ServerHttp2Stream) => void;

interface Answer {
  readonly body: Buffer;
  /** The status of gRPC, wherever it came. */
  readonly trailers: OutgoingHttpHeaders;
}

let nats: TestNats;
let gateway: TestGateway;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const grpc = { ':status': 200, 'content-type': 'application/grpc' };

function respond(stream: ServerHttp2Stream, body: Buffer, trailers: OutgoingHttpHeaders): void {
  stream.respond(grpc, { waitForTrailers: true });
  stream.on('wantTrailers', () => {
    stream.sendTrailers(trailers);
  });
  stream.end(body);
}

const page =
  (status: number): Fault =>
  (stream) => {
    stream.respond({ ':status': status, 'content-type': 'text/html' });
    stream.end('<html><body><h1>Sorry</h1></body></html>');
  };

/** A client behind the proxy, and the number of calls that the proxy got. */
async function withProxy(
  fault: Fault,
  passesOn: boolean,
  test: (client: SluiceClient, calls: () => number) => Promise<void>,
): Promise<void> {
  const far = openSession(gateway.address);
  const ask = (headers: IncomingHttpHeaders, request: Buffer): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const call = far.request({ ...headers, ':authority': gateway.address });
      const trailers: OutgoingHttpHeaders = {};
      const note = (found: IncomingHttpHeaders): void => {
        for (const [name, value] of Object.entries(found))
          if (name.startsWith('grpc-s')) trailers[name] = value;
      };
      call.on('response', note).on('trailers', note);
      buffer(call).then((body) => {
        resolve({ body, trailers });
      }, reject);
      call.end(request);
    });
  const seen: string[] = [];
  const server = createServer();
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const path = String(headers[':path']);
    const isFirst = !seen.includes(path);
    seen.push(path);
    void buffer(stream).then(async (request) => {
      const none = { body: Buffer.alloc(0), trailers: {} };
      const { body, trailers } = isFirst && !passesOn ? none : await ask(headers, request);
      if (isFirst) fault(stream);
      else respond(stream, body, trailers);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    await test(client, () => seen.length);
  } finally {
    client.close();
    far.destroy();
    server.close();
  }
}

const event = { type: 'Happened' };
let streams = 0;

test.each<[string, Fault]>([
  [
    'a reset for too much',
    (stream) => {
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    },
  ],
  [
    'RESOURCE_EXHAUSTED without a reason',
    (stream) => {
      stream.respond({ ...grpc, 'grpc-status': '8', 'grpc-message': 'too much' }, { endStream: true });
    },
  ],
  ['a page for 413', page(413)],
  ['a page for 429', page(429)],
  ['a page for 504', page(504)],
  [
    'OK without an answer',
    (stream) => {
      respond(stream, Buffer.alloc(0), { 'grpc-status': '0' });
    },
  ],
])('%s, after the append was passed on, leaves a doubt, and its commit id resolves it', (_name, fault) =>
  withProxy(fault, true, async (client, calls) => {
    const stream = `proxy.${++streams}`;
    expect(await client.append(stream, [event])).toMatchObject({ version: 1n, replayed: true });
    const transaction = await client.appendMulti([{ stream, events: [event] }]);
    expect(transaction).toMatchObject({ streams: [{ version: 2n }], replayed: true });
    expect(calls()).toBe(4);
  }),
);

test.each([
  [401, UnauthenticatedError],
  [403, NotPermittedError],
  [404, InternalError],
])('a page for %d is a refusal, and is not sent again', (status, kind) =>
  withProxy(page(status), false, async (client, calls) => {
    const stream = `proxy.${++streams}`;
    expect(await failureOf(client.append(stream, [event]))).toBeInstanceOf(kind);
    expect(await failureOf(client.appendMulti([{ stream, events: [event] }]))).toBeInstanceOf(kind);
    expect(calls()).toBe(2);
    expect((await gateway.client.getVersion({ stream })).version).toBe(0n);
  }),
);
