import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { contract } from '../../src/grpc/contract';
import { makeAuthFile, type TestAuthFile } from '../support/access';
import { startTestGateway, type LocalGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';

/** Calls over HTTP, as scripts, browsers and clients of the Connect protocol make them. */

const origin = 'https://app.example';
const mebibyte = 1 << 20;
const audit = join(makeReplicaDir(), 'audit.log');
let nats: TestNats;
let file: TestAuthFile;
/** Without access control, and with. */
let open: LocalGateway;
let guarded: LocalGateway;
/** With small bounds. */
let small: LocalGateway;

beforeAll(async () => {
  const http = '--http-listen=127.0.0.1:0';
  nats = await startNats();
  file = makeAuthFile(
    {
      orders: { grants: [{ actions: ['append', 'read', 'subscribe'], streams: ['order.>'] }] },
      one: {
        grants: [{ actions: ['read', 'subscribe'], streams: ['order.>'] }],
        limits: { subscriptions: 1 },
      },
    },
    { audit: { file: audit, events: 'writes' } },
  );
  open = await startTestGateway([nats.url], [http, `--http-origins=${origin}`]);
  guarded = await startTestGateway(
    [nats.url],
    [http, `--auth-file=${file.path}`, '--store-name=GUARDED', '--store-prefix=guarded'],
  );
  small = await startTestGateway([nats.url], [http, '--store-name=SMALL', '--store-prefix=small'], {
    httpBodiesBytesMax: mebibyte,
    httpIdleMs: 2_000,
    readStallTimeoutMs: 200,
    requestStallBytes: 1,
    requestStallTimeoutMs: 2_000,
  });
});
afterAll(async () => {
  await small[Symbol.asyncDispose]();
  await guarded[Symbol.asyncDispose]();
  await open[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const service = 'sluice.v1.EventStoreService';
const json = { 'content-type': 'application/json' };
const lines = { ...json, accept: 'application/x-ndjson' };

interface Sending {
  readonly to?: LocalGateway;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

function post(
  rpc: string,
  body: unknown,
  { to = open, headers = {}, method = 'POST' }: Sending = {},
): Promise<Response> {
  const path = rpc.includes('/') ? rpc : `${service}/${rpc}`;
  const sent = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return fetch(`${to.http ?? ''}/${path}`, {
    method,
    headers: { ...json, ...headers },
    ...(method === 'POST' ? { body: sent } : {}),
  });
}

interface JsonError {
  readonly code: string;
  readonly message: string;
  readonly details: readonly {
    readonly type: string;
    readonly value: string;
    readonly debug: Readonly<Record<string, unknown>>;
  }[];
}

/** The HTTP status, the code, and the reason of an error. */
async function errorOf(response: Response): Promise<[number, string, unknown, string]> {
  const error = (await response.json()) as JsonError;
  const info = error.details.find(({ type }) => type === 'google.rpc.ErrorInfo');
  return [response.status, error.code, info?.debug['reason'], error.message];
}

async function linesOf(response: Response): Promise<Record<string, unknown>[]> {
  const text = await response.text();
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a script appends, reads a version, and reads a stream as lines of JSON', async () => {
  const events = [
    { type: 'OrderPlaced', text: '{"total":5}' },
    { type: 'OrderPaid', binary: 'AQID' },
  ];
  const appended = await post('Append', { stream: 'order.1', expectedVersion: '0', events });
  expect(appended.status).toBe(200);
  expect(appended.headers.get('content-type')).toBe('application/json');
  expect(await appended.json()).toMatchObject({ version: '2', firstVersion: '1' });
  expect(await (await post('GetVersion', { stream: 'order.1' })).json()).toMatchObject({ version: '2' });
  const read = await post('ReadStream', { stream: 'order.1' }, { headers: lines });
  expect(read.headers.get('content-type')).toBe('application/x-ndjson');
  const [message, ...rest] = await linesOf(read);
  expect(rest).toEqual([]);
  expect(message).toMatchObject({
    header: { version: '2' },
    events: [
      { type: 'OrderPlaced', text: '{"total":5}', version: '1' },
      { type: 'OrderPaid', binary: 'AQID', version: '2' },
    ],
    end: { eventCount: '2' },
  });
});

test('an error has the details that gRPC has, in base64 and for people', async () => {
  const response = await post(
    'Append',
    { stream: 'conflict.1', expectedVersion: '3', events: [{ type: 'A' }] },
    { headers: { 'x-request-id': 'mine-1' } },
  );
  expect(response.status).toBe(409);
  expect(response.headers.get('trailer-x-request-id')).toBe('mine-1');
  const error = (await response.json()) as JsonError;
  expect(error.code).toBe('aborted');
  const conflict = error.details.find(({ type }) => type === 'sluice.v1.VersionConflict');
  expect(conflict?.debug).toEqual({ stream: 'conflict.1', expectedVersion: '3' });
  const type = contract.getMessage('sluice.v1.VersionConflict');
  if (type === undefined) throw new Error('no such type');
  expect(fromBinary(type, Buffer.from(conflict?.value ?? '', 'base64'))).toMatchObject({
    expectedVersion: 3n,
  });
});

test.each<[string, string | Uint8Array, string]>([
  ['JSON that ends too early', '{"stream":', 'request: is not valid JSON'],
  ['no body', '', 'request: is empty'],
  ['text that is not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'request: is not UTF-8'],
  ['half a character', '{"stream":"\\ud800"}', 'invalid UTF8'],
  ['an unknown field', '{"stream":"a","strem":"b"}', 'key "strem" is unknown'],
  ['a field of another type', '{"stream":5}', 'expected string'],
  ['a number that is rounded', '{"stream":"a","asOf":9007199254740993}', 'has a number that programs round'],
  ['a key twice', '{"stream":"a","\\u0073tream":"b"}', 'duplicate object key "stream"'],
  ['both names of a field', '{"as_of":null,"asOf":null}', 'set multiple times'],
  ['a list', '[]', 'is not a valid sluice.v1.GetVersionRequest'],
  ['what the contract does not allow', '{"stream":"a b"}', 'stream: '],
])('a request with %s is invalid', async (_what, body, text) => {
  const [status, code, reason, message] = await errorOf(await post('GetVersion', body));
  expect([status, code, reason]).toEqual([400, 'invalid_argument', 'INVALID_REQUEST']);
  expect(message).toContain(text);
});

test('a request with the largest number that is exact is valid', async () => {
  const response = await post('Append', '{"stream":"a","expectedVersion":9007199254740991,"events":[]}');
  expect((await errorOf(response))[3]).toContain('not at the expected 9007199254740991');
});

test('a request to the service of health that is no message is invalid', async () => {
  const [status, code, reason] = await errorOf(await post('grpc.health.v1.Health/Check', { strem: '' }));
  expect([status, code, reason]).toEqual([400, 'invalid_argument', 'INVALID_REQUEST']);
});

test('a request with more values than fields are allowed is not parsed', async () => {
  const body = `{"stream":"a","events":[${'{},'.repeat(500_000)}{}]}`;
  const [status, , reason, message] = await errorOf(await post('Append', body));
  expect([status, reason]).toEqual([400, 'INVALID_REQUEST']);
  expect(message).toContain('more JSON values than the limit of 500000');
});

test.each<[string, string, Record<string, string>]>([
  ['GetVersion', 'text/plain', {}],
  ['GetVersion', 'application/json; charset=latin1', {}],
  ['GetVersion', 'application/connect+json', {}],
  ['ReadStream', 'application/json', {}],
  ['ReadStream', 'application/grpc-web-text', {}],
])('%s does not take %s, and says what it takes', async (rpc, type, headers) => {
  const response = await post(rpc, '{}', { headers: { 'content-type': type, ...headers } });
  const [status, code, reason, message] = await errorOf(response);
  expect([status, code, reason]).toEqual([415, 'invalid_argument', 'INVALID_REQUEST']);
  expect(message).toContain(rpc === 'GetVersion' ? 'application/json' : 'application/connect+json');
});

test('only POST makes a call, and only of an RPC that there is', async () => {
  const get = await post('GetVersion', '', { method: 'GET' });
  expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  expect((await errorOf(await post('GetVersions', {}))).slice(0, 2)).toEqual([404, 'unimplemented']);
  expect((await post('sluice.v1.NoService/GetVersion', {})).status).toBe(404);
});

test.each(['AppendSession', 'sluice.v1.ConsumerGroupService/Consume'])('%s needs gRPC', async (rpc) => {
  const [status, code, , message] = await errorOf(await post(rpc, {}));
  expect([status, code]).toEqual([501, 'unimplemented']);
  expect(message).toContain('use gRPC');
});

describe('a body of 20 MiB', () => {
  const large = Buffer.alloc(20 * mebibyte, 'x');
  const tooLarge = `more than the limit of ${16 * mebibyte}`;
  test.each<[string, string, Buffer, Record<string, string>]>([
    ['a small call', 'GetVersion', large, {}],
    ['protobuf', 'Append', large, { 'content-type': 'application/proto' }],
    [
      'JSON',
      'Append',
      Buffer.from(`{"stream":"a","events":[{"type":"A","text":"${large.toString()}"}]}`),
      {},
    ],
    [
      'gRPC-Web',
      'Append',
      Buffer.concat([Buffer.from([0, 1, 64, 0, 0]), large]),
      { 'content-type': 'application/grpc-web' },
    ],
    ['gzip', 'Append', gzipSync(large), { 'content-type': 'application/proto', 'content-encoding': 'gzip' }],
  ])('is refused as over gRPC: %s', async (what, rpc, body, headers) => {
    const response = await post(rpc, body, { headers });
    if (what === 'gRPC-Web') {
      expect(await response.text()).toMatch(/grpc-status: 3\r\n.*more%20than%20the%20limit/s);
      return;
    }
    const [status, code, reason, message] = await errorOf(response);
    expect([status, code, reason]).toEqual([400, 'invalid_argument', 'INVALID_REQUEST']);
    expect(message).toContain(what === 'a small call' ? `more than the limit of ${64 << 10}` : tooLarge);
  });

  test('of JSON that is inflated to more than it may have is not inflated', async () => {
    const body = gzipSync(Buffer.alloc(64 * mebibyte, ' '));
    const [status, , reason, message] = await errorOf(
      await post('Append', body, { headers: { 'content-encoding': 'gzip' } }),
    );
    expect([status, reason]).toEqual([400, 'INVALID_REQUEST']);
    expect(message).toContain(tooLarge);
  });

  test('of JSON in gzip data that lies about its size is not inflated', async () => {
    const body = gzipSync(Buffer.alloc(mebibyte, ' '));
    body.writeUInt32LE(10, body.length - 4);
    const [status, , reason] = await errorOf(
      await post('Append', body, { headers: { 'content-encoding': 'gzip' } }),
    );
    expect([status, reason]).toEqual([400, 'INVALID_REQUEST']);
  });
});

test('JSON may be compressed with gzip, and with nothing else', async () => {
  const body = gzipSync('{"stream":"order.none"}');
  expect((await post('GetVersion', body, { headers: { 'content-encoding': 'gzip' } })).status).toBe(200);
  const [status, , , message] = await errorOf(
    await post('GetVersion', body, { headers: { 'content-encoding': 'br' } }),
  );
  expect(status).toBe(400);
  expect(message).toContain('gzip');
});

describe('a web page', () => {
  const ask = async (from: string, more: Record<string, string> = {}): Promise<IncomingMessage> => {
    const { hostname, port, host } = new URL(open.http ?? '');
    const headers = { host, ...json, origin: from, ...more };
    return new Promise((resolve, reject) => {
      httpRequest({ hostname, port, path: `/${service}/GetVersion`, method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response);
      })
        .on('error', reject)
        .end('{"stream":"a"}');
    });
  };

  test('of another site makes no calls', async () => {
    for (const foreign of ['https://evil.example', 'null', 'http://127.0.0.1:1']) {
      const { statusCode, headers } = await ask(foreign);
      expect([foreign, statusCode, headers['access-control-allow-origin']]).toEqual([
        foreign,
        403,
        undefined,
      ]);
    }
    const evil = { origin: 'https://evil.example', 'x-request-id': 'mine-2' };
    const refused = await post('GetVersion', { stream: 'a' }, { to: open, headers: evil });
    expect(refused.headers.get('trailer-x-request-id')).toBe('mine-2');
    const { code, details } = (await refused.json()) as JsonError;
    expect([code, ...details.map(({ debug }) => debug)]).toEqual([
      'permission_denied',
      { reason: 'ACCESS_DENIED', domain: 'sluice.v1', metadata: { origin: 'https://evil.example' } },
      { requestId: 'mine-2' },
    ]);
    const long = { origin: `https://${'e'.repeat(5_000)}.example` };
    const text = await (await post('GetVersion', { stream: 'a' }, { to: open, headers: long })).text();
    expect(text).toContain('permission_denied');
    expect(text.length).toBeLessThan(2_000);
    const preflight = await post('GetVersion', '', { method: 'OPTIONS', headers: evil });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([403, null]);
  });

  test('of a name that points here now makes no calls', async () => {
    expect((await ask('http://evil.example', { host: 'evil.example' })).statusCode).toBe(403);
  });

  test('of this gateway, and of an allowed origin, makes calls', async () => {
    expect((await ask(open.http ?? '')).statusCode).toBe(200);
    const { statusCode, headers } = await ask(origin);
    expect([statusCode, headers['access-control-allow-origin'], headers['vary']]).toEqual([
      200,
      origin,
      'origin',
    ]);
    const preflight = await post('GetVersion', '', { method: 'OPTIONS', headers: { origin } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
  });
});

describe('access control', () => {
  const as = (name: string, more: Record<string, string> = {}): Sending => ({
    to: guarded,
    headers: { authorization: `Bearer ${file.tokenOf(name)}`, ...more },
  });

  test('a caller without a token, or with a wrong one, is refused', async () => {
    const refused = [401, 'unauthenticated', 'UNAUTHENTICATED'];
    expect(
      (await errorOf(await post('GetVersion', { stream: 'order.1' }, { to: guarded }))).slice(0, 3),
    ).toEqual(refused);
    const wrong = { to: guarded, headers: { authorization: 'Bearer wrong' } };
    expect((await errorOf(await post('GetVersion', { stream: 'order.1' }, wrong))).slice(0, 3)).toEqual(
      refused,
    );
    const [line] = await linesOf(await post('ReadAll', {}, { to: guarded, headers: lines }));
    expect(line).toMatchObject({ error: { code: 'unauthenticated' } });
  });

  test('a caller has its grants, and the audit log has its address', async () => {
    const event = [{ type: 'A' }];
    expect((await post('Append', { stream: 'order.7', events: event }, as('orders'))).status).toBe(200);
    const denied = await post('Append', { stream: 'stock.7', events: event }, as('orders'));
    expect((await errorOf(denied)).slice(0, 3)).toEqual([403, 'permission_denied', 'ACCESS_DENIED']);
    const entries = (): Record<string, unknown>[] =>
      readFileSync(audit, 'utf8')
        .split('\n')
        .filter((line) => line.includes('stock.7'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    await until(() => entries().length > 0);
    expect(entries()).toMatchObject([
      { principal: 'token:orders', call: 'Append', outcome: 'ACCESS_DENIED' },
    ]);
    expect(entries()[0]?.['peer']).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('a caller has its limits, over all of its connections', async () => {
    const subscribe = (signal: AbortSignal): Promise<Response> =>
      fetch(`${guarded.http ?? ''}/${service}/Subscribe`, {
        method: 'POST',
        headers: { ...lines, authorization: `Bearer ${file.tokenOf('one')}` },
        body: JSON.stringify({ patterns: ['order.>'] }),
        signal,
      });
    const [first, third] = [new AbortController(), new AbortController()];
    expect((await subscribe(first.signal)).status).toBe(200);
    const [second] = await linesOf(await subscribe(third.signal));
    expect(second).toMatchObject({ error: { code: 'resource_exhausted' } });
    first.abort(); // the gateway notices, and ends the call
    await until(async () => (await subscribe(third.signal)).status === 200);
    third.abort();
  });

  test('a stream whose grant is lost ends with an error as its last line', async () => {
    const principals = {
      orders: { grants: [{ actions: ['append', 'read', 'subscribe'], streams: ['order.>'] }] },
      one: {
        grants: [{ actions: ['read', 'subscribe'], streams: ['order.>'] }],
        limits: { subscriptions: 1 },
      },
      leaving: { grants: [{ actions: ['subscribe', 'read'], streams: ['order.>'] }] },
    };
    file.write(principals);
    await guarded.reload();
    const response = await post('Subscribe', { patterns: ['order.>'] }, as('leaving', lines));
    expect(response.status).toBe(200);
    const { leaving, ...rest } = principals;
    expect(leaving).toBeDefined();
    file.write(rest);
    await guarded.reload();
    const all = await linesOf(response);
    expect(all.length).toBeGreaterThan(1);
    expect(all.at(-1)).toMatchObject({ error: { code: 'unauthenticated' } });
    expect(all.slice(0, -1).every((line) => !('error' in line))).toBe(true);
  });
});

test('a deadline is the one of the call, and one that is no number is refused', async () => {
  const late = await post('Subscribe', {}, { headers: { ...lines, 'connect-timeout-ms': '200' } });
  expect((await linesOf(late)).at(-1)).toMatchObject({ error: { code: 'deadline_exceeded' } });
  const wrong = await post('GetVersion', { stream: 'a' }, { headers: { 'connect-timeout-ms': 'soon' } });
  expect((await errorOf(wrong)).slice(0, 3)).toEqual([400, 'invalid_argument', 'INVALID_REQUEST']);
});

test('headers that metadata cannot have are left out, and are not written to stderr', async () => {
  const said = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    const headers = { traceparent: '00-é', tracestate: 'é', authorization: 'Bearer é' };
    expect((await post('GetVersion', { stream: 'a' }, { headers })).status).toBe(200);
    const compressed = await post('GetVersion', { stream: 'a' }, { headers: { 'content-encoding': 'é' } });
    expect((await errorOf(compressed)).slice(0, 3)).toEqual([400, 'invalid_argument', 'INVALID_REQUEST']);
    expect(said).not.toHaveBeenCalled();
  } finally {
    said.mockRestore();
  }
});

test('a caller that reads nothing stops the gateway from reading on', async () => {
  const event = { type: 'Large', text: 'x'.repeat(500_000) };
  for (let at = 0; at < 40; at++) await post('Append', { stream: 'large.1', events: [event] });
  const before = await messagesSent();
  const socket = readWithout(open);
  await until(async () => (await reads()) === 1);
  let sent = -1;
  await until(async () => sent === (sent = await messagesSent()));
  expect(sent - before).toBeLessThan(40);
  expect(await reads()).toBe(1);
  socket.destroy();
  await until(async () => (await reads()) === 0);
});

describe('with small bounds', () => {
  test('JSON that is compressed counts as what it is inflated to', async () => {
    const headers = { 'content-encoding': 'gzip' };
    const large = gzipSync(Buffer.alloc(2 * mebibyte, ' '));
    const refused = await errorOf(await post('Append', large, { to: small, headers }));
    expect(refused.slice(0, 3)).toEqual([429, 'resource_exhausted', 'OVERLOADED']);
    const body = gzipSync('{"stream":"order.none"}');
    expect((await post('GetVersion', body, { to: small, headers })).status).toBe(200);
  });

  test('a caller that never takes what was read for it loses its connection', async () => {
    const event = { type: 'Large', text: 'x'.repeat(500_000) };
    for (let at = 0; at < 20; at++)
      await post('Append', { stream: 'large.1', events: [event] }, { to: small });
    const socket = readWithout(small);
    const connections = (): Promise<number> =>
      valueOf(/^sluice_bound_usage\{bound="connections_max"\} (\d+)/m, small);
    await until(async () => (await connections()) > 0);
    await until(async () => (await connections()) === 0);
    socket.destroy();
  });
});

describe('a request that comes slowly', () => {
  /** Sends pieces of a request that never ends, or ends after them, and returns what comes. */
  async function sendSlowly(pieces: readonly string[], length: number): Promise<string> {
    const { hostname, port } = new URL(small.http ?? '');
    const socket = connect(Number(port), hostname);
    const answer = once(socket, 'data');
    socket.write(
      `POST /${service}/Append HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`,
    );
    for (const piece of pieces) {
      socket.write(piece);
      await sleep(250);
    }
    const [data] = (await answer) as [Buffer];
    socket.destroy();
    return data.toString();
  }

  test('is served as long as it comes, and refused when it stops', async () => {
    const body = JSON.stringify({ stream: 'slow.1', events: [{ type: 'A', text: 'x'.repeat(80) }] });
    const pieces = Array.from({ length: 14 }, (_, at) => body.slice(10 * at, 10 * at + 10));
    const [served, refused] = await Promise.all([
      sendSlowly(pieces, body.length),
      sendSlowly(['{"stream":'], 100),
    ]);
    expect(served).toMatch(/^HTTP\/1.1 200 /);
    expect(refused).toMatch(/^HTTP\/1.1 499 /);
    expect(refused).toContain('the request did not come within 2000 ms');
  });
});

/** Reads a stream over HTTP, and takes nothing of the answer. */
function readWithout(gateway: LocalGateway): Socket {
  const { hostname, port } = new URL(gateway.http ?? '');
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  const body = '{"stream":"large.1"}';
  socket.pause();
  socket.write(
    `POST /${service}/ReadStream HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\naccept: application/x-ndjson\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

/** Values of the page of metrics, which is half a second old at most. */
async function valueOf(metric: RegExp, of = open): Promise<number> {
  await sleep(600);
  const page = await (await fetch(`${of.http ?? ''}/metrics`)).text();
  return Number(metric.exec(page)?.[1] ?? 0);
}

function reads(): Promise<number> {
  return valueOf(/^sluice_bound_usage\{bound="reads_max"\} (\d+)/m);
}

function messagesSent(): Promise<number> {
  return valueOf(/^grpc_server_msg_sent_total\{[^}]*grpc_method="ReadStream"[^}]*\} (\d+)/m);
}

describe('calls over HTTP', () => {
  test('are counted with those of gRPC, and by their HTTP status', async () => {
    await post('GetServerInfo', {});
    const page = await (await fetch(`${open.http ?? ''}/metrics`)).text();
    expect(page).toMatch(/^sluice_http_requests_total\{route="calls",code="200"\} [1-9]/m);
    expect(page).toMatch(
      /^grpc_server_handled_total\{[^}]*grpc_method="GetVersion"[^}]*grpc_code="InvalidArgument"[^}]*\} [1-9]/m,
    );
  });

  test.each<[string, readonly string[], string]>([
    ['switched off', ['--http-listen=127.0.0.1:0', '--http-calls=off'], 'are off (--http-calls)'],
    ['on an address that other machines reach', ['--http-listen=0.0.0.0:0'], 'are plain text'],
  ])('are refused where they are %s', async (_what, args, text) => {
    await using gateway = await startTestGateway([nats.url], args);
    const to = { ...gateway, http: gateway.http?.replace('0.0.0.0', '127.0.0.1') };
    const [status, code, , message] = await errorOf(await post('GetVersion', { stream: 'a' }, { to }));
    expect([status, code]).toEqual([501, 'unimplemented']);
    expect(message).toContain(text);
  });
});
