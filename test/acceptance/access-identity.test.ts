import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import pino from 'pino';
import { readFileSync } from 'node:fs';
import {
  ServerReflectionClient,
  ServerReflectionRequest,
} from '../../generated/grpc/reflection/v1/reflection';
import { UnauthenticatedError } from '../../src/auth/errors';
import { noAudit } from '../../src/auth/audit';
import { openGuard, type Guard } from '../../src/auth/guard';
import { allPermissions } from '../../src/auth/permissions';
import { anonymous, type Credentials, type Identity } from '../../src/auth/identity';
import { startGrpcServer, type GrpcServer, type GrpcServerOptions } from '../../src/grpc/server';
import { defaultLimits } from '../../src/limits';
import { startGuarded } from '../support/access';
import { newEvents } from '../support/attempts';
import { makeAuthority } from '../support/certificates';
import { FakeGroups } from '../support/fake-groups';
import { createModelStore } from '../support/model-store';
import { openAccess } from '../support/open-access';
import { until } from '../support/nats-server';
import { patience } from '../support/patience';
import { messageHeader, openCall, openSession, statusOf } from '../support/raw-http2';
import { haveOpenssl } from '../support/tools';
import { connectRpc } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';
import { connectWire, wireFailureOf, type WireMessage } from '../support/wire-client';
import { withToken } from '../support/with-token';

/** Callers are identified before anything of their requests is read. */

const message = Buffer.concat([messageHeader(16 << 20), Buffer.alloc(16 << 20)]);

/** What a caller can send before flow control stops it: the windows of HTTP/2, twice, and what is around it. */
const unreadBytesMax = 512 << 10;

const principals = {
  admin: { grants: [{ actions: ['append', 'read', 'subscribe', 'info', 'admin'], streams: ['>'] }] },
};

test.each(['Append', 'AppendMulti', 'AppendSession'])(
  'a caller of %s without a credential never makes the gateway read 16 MiB',
  async (method) => {
    await using guarded = await startGuarded(principals, { requestStallTimeoutMs: 1_000 });
    const session = openSession(guarded.gateway.address);
    try {
      const stream = openCall(session, method, { authorization: 'Bearer nothing' });
      const ended = statusOf(stream);
      const closed = once(stream, 'close');
      stream.write(message);
      expect(await ended).toBe(status.UNAUTHENTICATED);
      await sleep(300);
      expect(session.socket.bytesWritten).toBeLessThan(unreadBytesMax);
      // What the caller still has to send is given up with its call.
      await closed;
      expect(session.socket.bytesWritten).toBeLessThan(unreadBytesMax);
    } finally {
      session.destroy();
    }
    // The gateway goes on, and holds nothing of it.
    const { version } = await guarded.as('admin').append({ stream: 'a', events: newEvents(1) });
    expect(version).toBe(1n);
  },
  30_000,
);

/** A gateway without NATS whose guard is the one of a test. */
async function serve(
  identify: Guard['identify'],
  options: Partial<Omit<GrpcServerOptions, 'guard'>> = {},
  guard: Partial<Guard> = {},
): Promise<GrpcServer & AsyncDisposable> {
  const server = await startGrpcServer({
    address: '127.0.0.1:0',
    tls: undefined,
    store: createModelStore(),
    groups: new FakeGroups(),
    limits: defaultLimits,
    slowCallMs: 0,
    tracing: undefined,
    about: { version: '0', durability: 'unknown', embedded: false, access: openAccess },
    log: pino({ level: 'silent' }),
    guard: Object.setPrototypeOf(guard, {
      ...openGuard,
      isOn: true,
      generation: 1,
      identify,
      remembers: () => false,
    }) as Guard,
    recordPrincipal: false,
    audit: noAudit,
    reflection: 'authenticated',
    ...options,
  });
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}

const alice: Identity = {
  principal: 'corp:alice',
  credential: { kind: 'jwt', id: '' },
  roles: [],
  claims: new Map(),
  expiresAtMs: undefined,
};

test.each(['Append', 'GetVersion', 'ReadStream'])(
  'a request of %s that is complete after its credential has expired is refused',
  async (method) => {
    const expiresAtMs = Date.now() + 2_000;
    await using server = await serve(
      () => ({ ...alice, expiresAtMs }),
      {},
      {
        check() {
          if (Date.now() >= expiresAtMs) throw new UnauthenticatedError('expired', 'it has expired');
        },
      },
    );
    const session = openSession(server.address);
    try {
      const body = Buffer.from('\n\x01a');
      const stream = openCall(session, method);
      const ended = statusOf(stream);
      stream.write(messageHeader(body.length));
      await sleep(expiresAtMs - Date.now() + 20);
      stream.end(body);
      expect(await ended).toBe(status.UNAUTHENTICATED);
    } finally {
      session.destroy();
    }
  },
);

test('nothing is read while a caller is being identified', async () => {
  let identified = (identity: Identity): unknown => identity;
  await using server = await serve(() => new Promise((resolve) => (identified = resolve)));
  const session = openSession(server.address);
  try {
    const stream = openCall(session, 'Append');
    const ended = statusOf(stream);
    stream.end(message);
    await sleep(500);
    expect(session.socket.bytesWritten).toBeLessThan(unreadBytesMax);
    identified(alice);
    expect(await ended).toBe(status.INVALID_ARGUMENT); // all of it was read
    expect(session.socket.bytesWritten).toBeGreaterThan(16 << 20);
  } finally {
    session.destroy();
  }
});

test('each append is asked about once, alone, in a session, and for each stream of a transaction', async () => {
  const asked: string[] = [];
  const permissions = {
    ...allPermissions,
    allows: (action: string, stream: string) => asked.push(`${action} ${stream}`) > 0,
  };
  await using server = await serve(() => alice, {}, { permissionsOf: () => permissions });
  using wire = connectWire(server.address);
  const append = (stream: string): WireMessage => ({ stream, events: [{ type: 'A' }] });
  await wire.unary('Append', append('a'));
  const session = wire.duplex('AppendSession');
  session.end({ appends: [1, 2, 3].map((tag) => ({ tag, append: append(`s.${tag}`), in_order: tag > 1 })) });
  await once(session.resume(), 'end');
  await wire.unary('AppendMulti', {
    appends: [append('m.1'), append('m.2')],
    checks: [{ stream: 'c', expected_version: '0' }],
  });
  expect(asked).toEqual([
    ...['append a', 'append s.1', 'append s.2', 'append s.3'],
    ...['append m.1', 'append m.2', 'read c'],
  ]);
});

test('a token is recognized once for each connection and generation, and never after it has expired', async () => {
  const identified: string[] = [];
  let generation = 1;
  const expiresAtMs = Date.now() + 3_000;
  const identify = ({ authorization = '' }: Credentials): Identity => {
    identified.push(authorization);
    if (Date.now() >= expiresAtMs) throw new UnauthenticatedError('expired', 'the token has expired');
    return { ...alice, credential: { kind: 'token', id: authorization }, expiresAtMs };
  };
  const guard = {
    get generation() {
      return generation;
    },
    remembers: () => Date.now() < expiresAtMs,
  };
  await using server = await serve(identify, {}, guard);
  using client = connectWire(server.address);
  const call = (token: string): Promise<unknown> => {
    const metadata = new Metadata();
    metadata.set('authorization', token);
    return client.unary('GetVersion', { stream: 'a' }, { metadata });
  };
  for (const token of ['one', 'one', 'other', 'one', 'one']) await call(token);
  expect(identified.splice(0)).toEqual(['one', 'other', 'one']);
  generation = 2;
  for (const token of ['one', 'one']) await call(token);
  expect(identified.splice(0)).toEqual(['one']);
  await sleep(expiresAtMs - Date.now() + 20);
  expect((await wireFailureOf(call('one'))).code).toBe(status.UNAUTHENTICATED);
  expect(identified).toEqual(['one']);
});

test('a token that takes time to verify is verified once for each connection, until the guard forgets it', async () => {
  const identified: string[] = [];
  let isRemembered = true;
  const identify = async ({ authorization = '' }: Credentials): Promise<Identity> => {
    identified.push(authorization);
    await sleep(1);
    return { ...alice, credential: { kind: 'jwt', id: authorization } };
  };
  await using server = await serve(identify, {}, { remembers: () => isRemembered });
  using client = connectWire(server.address);
  const call = (token: string): Promise<unknown> => {
    const metadata = new Metadata();
    metadata.set('authorization', token);
    return client.unary('GetVersion', { stream: 'a' }, { metadata });
  };
  for (const token of ['one', 'one', 'other', 'other']) await call(token);
  expect(identified.splice(0)).toEqual(['one', 'other']);
  isRemembered = false;
  await call('other');
  expect(identified).toEqual(['other']);
});

test('calls of all kinds wait for the identity of their caller', async () => {
  await using server = await serve(async () => {
    await sleep(100);
    return alice;
  });
  using client = connectRpc(server.address);
  using wire = connectWire(server.address);
  await client.append({ stream: 'a', events: newEvents(1) });
  expect((await client.readStream({ stream: 'a' })).events).toHaveLength(1);
  const appends = wire.duplex('AppendSession');
  appends.end({ appends: [{ tag: '7', append: { stream: 'a', events: [{ type: 'A' }] } }] });
  const answers: unknown[] = [];
  for await (const answer of appends) answers.push(answer);
  expect(answers).toMatchObject([{ answers: [{ tag: '7', result: { version: '2' } }] }]);
});

test('callers that are being identified are bounded in number and in time', async () => {
  const limits = { ...defaultLimits, identifyingMax: 3, identifyTimeoutMs: 1_000 };
  let asked = 0;
  await using server = await serve(
    () => {
      asked++;
      return new Promise<Identity>(() => undefined);
    },
    { limits },
  );
  using client = connectRpc(server.address);
  const calls = Array.from({ length: 5 }, () => failureOf(client.getVersion({ stream: 'a' })));
  const startedAt = performance.now();
  const first = await Promise.race(calls);
  expect(performance.now() - startedAt).toBeLessThan(900 * patience);
  expect([first.code, first.reason]).toEqual([status.RESOURCE_EXHAUSTED, 'OVERLOADED']);
  const failures = await Promise.all(calls);
  expect(failures.map(({ reason }) => reason)).toEqual(Array.from({ length: 5 }, () => 'OVERLOADED'));
  expect(performance.now() - startedAt).toBeGreaterThan(950);
  expect(failures.filter(({ message: text }) => text.includes('within 1000 ms'))).toHaveLength(3);
  expect(asked).toBe(1); // they have the same credential
});

test('a connection whose callers are never identified leaves places for those of others', async () => {
  const limits = { ...defaultLimits, identifyingMax: 8 };
  const identify = async ({ authorization }: Credentials): Promise<Identity> => {
    await (authorization === 'good' ? sleep(20) : new Promise(() => undefined));
    return alice;
  };
  await using server = await serve(identify, { limits });
  const flood = openSession(server.address);
  const other = openSession(server.address);
  const call = (session: typeof flood, authorization: string): Promise<number | undefined> => {
    const stream = openCall(session, 'GetVersion', { authorization });
    const body = Buffer.from('\n\x01a');
    stream.end(Buffer.concat([messageHeader(body.length), body]));
    return statusOf(stream);
  };
  try {
    const ended = Array.from({ length: 100 }, (_, i) => call(flood, i % 2 === 0 ? 'bad' : `bad ${i}`));
    expect(await Promise.race(ended)).toBe(status.RESOURCE_EXHAUSTED);
    expect(await Promise.all([1, 2, 3].map(() => call(other, 'good')))).toEqual([0, 0, 0]);
  } finally {
    flood.destroy();
    other.destroy();
  }
});

test('different tokens of one connection that are being verified are bounded, calls with the same one are not', async () => {
  const limits = { ...defaultLimits, connectionIdentifyingMax: 4 };
  const asked: [string | undefined, boolean | undefined][] = [];
  const identify = async ({ authorization, isBusy }: Credentials): Promise<Identity> => {
    asked.push([authorization, isBusy]);
    await sleep(300);
    return alice;
  };
  await using server = await serve(identify, { limits });
  const session = openSession(server.address);
  try {
    for (const token of ['a', 'b', 'a', 'c', 'a', 'd', 'e', 'a'])
      openCall(session, 'GetVersion', { authorization: token }).resume();
    await until(() => asked.length === 5);
    await sleep(50);
    expect(asked).toEqual([
      ['a', false],
      ['b', false],
      ['c', false],
      ['d', false],
      ['e', true],
    ]);
  } finally {
    session.destroy();
  }
});

test('a caller that goes away, or whose deadline passes, while it is being identified harms nobody', async () => {
  const identifying: ((identity: Identity) => void)[] = [];
  await using server = await serve(() => new Promise((resolve) => identifying.push(resolve)));
  using client = connectRpc(server.address);
  using wire = connectWire(server.address);
  const late = failureOf(client.getVersion({ stream: 'a' }, { deadline: Date.now() + 300 }));
  const gone = wire.open('GetVersion', { stream: 'a' }).on('error', () => undefined);
  await until(() => identifying.length === 2);
  gone.cancel();
  expect((await late).code).toBe(status.DEADLINE_EXCEEDED);
  await sleep(100);
  for (const resolve of identifying) resolve(alice);
  const next = client.getVersion({ stream: 'a' });
  await until(() => identifying.length === 3);
  identifying[2]?.(alice);
  expect((await next).version).toBe(0n);
});

test.each([
  [
    'at once',
    (error: Error) => {
      throw error;
    },
  ],
  ['later', (error: Error) => Promise.reject(error)],
])('a guard that refuses or fails %s ends the call, and the log has no credential', async (_when, fail) => {
  let error: Error = new UnauthenticatedError('expired', 'the credential has expired');
  let logged = '';
  const log = pino({ level: 'trace' }, { write: (line: string) => (logged += line) });
  await using server = await serve(() => fail(error), { log });
  using client = connectRpc(server.address, 'the-secret');
  const expired = await failureOf(client.getVersion({ stream: 'a' }));
  expect(expired.code).toBe(status.UNAUTHENTICATED);
  expect(expired.detail('google.rpc.ErrorInfo')?.metadata.get('cause')).toBe('expired');
  error = Object.assign(new Error('a bug'), { payload: 'the-secret' });
  const bug = await failureOf(client.getVersion({ stream: 'a' }));
  expect([bug.code, bug.reason]).toEqual([status.INTERNAL, 'INTERNAL']);
  expect(logged).toContain('a bug');
  expect(logged).not.toContain('the-secret');
});

describe('reflection', () => {
  const listed = (address: string, token?: string): Promise<number> =>
    new Promise((resolve) => {
      const client = new ServerReflectionClient(address, credentials.createInsecure(), withToken(token));
      const call = client.serverReflectionInfo(new Metadata());
      call.on('data', () => {
        resolve(status.OK);
        call.cancel();
      });
      call.on('error', ({ code }: { code: number }) => {
        resolve(code);
        client.close();
      });
      call.write(
        ServerReflectionRequest.fromPartial({ messageRequest: { $case: 'listServices', value: '' } }),
      );
    });
  const identify = ({ authorization }: Credentials): Identity => {
    if (authorization === undefined) return anonymous;
    if (authorization === 'Bearer right') return alice;
    throw new UnauthenticatedError('invalid', 'wrong');
  };

  test.each([
    ['on', [status.OK, status.OK, status.OK]],
    ['authenticated', [status.UNAUTHENTICATED, status.UNAUTHENTICATED, status.OK]],
    ['off', [status.UNIMPLEMENTED, status.UNIMPLEMENTED, status.UNIMPLEMENTED]],
  ] as const)('%s', async (reflection, codes) => {
    await using server = await serve(identify, { reflection });
    const found = [];
    for (const token of [undefined, 'wrong', 'right']) found.push(await listed(server.address, token));
    expect(found).toEqual(codes);
  });
});

(haveOpenssl() ? test : test.skip)('a client certificate is looked up once for each connection', async () => {
  using authority = await makeAuthority();
  const [own, clients] = [await authority.issue('server'), await authority.issue('orders')];
  const seen: Credentials[] = [];
  const tls = {
    certFile: own.cert,
    keyFile: own.key,
    clientCaFile: authority.ca,
    clientCert: 'required' as const,
  };
  await using server = await serve(
    (presented) => {
      seen.push(presented);
      return alice;
    },
    { tls },
  );
  const [ca, key, cert] = [authority.ca, clients.key, clients.cert].map((path) => readFileSync(path));
  const security = credentials.createSsl(ca, key, cert);
  for (let connection = 0; connection < 2; connection++) {
    using wire = connectWire(server.address.replace('127.0.0.1', 'localhost'), { security });
    await Promise.all([1, 2, 3].map(() => wire.unary('GetVersion', { stream: 'a' })));
  }
  expect(seen).toHaveLength(6);
  const [first, second] = [seen[0]?.certificate, seen[3]?.certificate];
  expect(first?.subject.CN).toBe('orders');
  expect(seen.map(({ certificate }) => certificate === first)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(seen.slice(3).every(({ certificate }) => certificate === second)).toBe(true);
});
