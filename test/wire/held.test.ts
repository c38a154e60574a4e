import { on, once } from 'node:events';
import type { Socket } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { compressionAlgorithms } from '@grpc/grpc-js';
import { startGatewayProcess, withGateway, type GatewayProcess } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { divided, inOneProcess } from '../support/one-process';
import { residentBytes } from '../support/resident-memory';
import { connectWire, wireFailureOf } from '../support/wire-client';
import {
  frame,
  greeting,
  headersOf,
  messageHeader,
  openCall,
  openSession,
  openSocket,
  statusOf,
} from '../support/raw-http2';

/** What callers send and do not finish, or what becomes large, is held by the gateway only within bounds. */
const status = { cancelled: 1, invalidArgument: 3, resourceExhausted: 8 };
const mib = 1 << 20;
const heldBytesMax = 32 * mib;

let nats: TestNats;
let gateway: GatewayProcess;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startGatewayProcess([nats.url], [`--held-bytes-max=${heldBytesMax}`]);
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** The most memory that the gateway uses in addition while `work` is done. */
async function growthDuring(work: () => Promise<void>): Promise<number> {
  const before = residentBytes(gateway.process.pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(gateway.process.pid));
  }, 100);
  await work().finally(() => {
    clearInterval(timer);
  });
  return Math.max(most, residentBytes(gateway.process.pid)) - before;
}

async function expectItServes(): Promise<void> {
  using wire = connectWire(gateway.address);
  const text = 'x'.repeat(500_000);
  await wire.unary('Append', { stream: 'held.1', events: [{ type: 'Fine', text }] });
}

test('messages that are half sent are held up to held_bytes_max, and nobody else is refused', async () => {
  const sessions = Array.from({ length: 10 }, () => openSession(gateway.address));
  try {
    const growth = await growthDuring(async () => {
      const statuses = sessions.map((session) => {
        const call = openCall(session, 'Append');
        call.write(Buffer.concat([messageHeader(15 * mib), Buffer.alloc(14 * mib)]));
        return statusOf(call);
      });
      expect(await Promise.race(statuses)).toBe(status.resourceExhausted);
      await expectItServes();
    });
    expect(growth).toBeLessThan(heldBytesMax + 120 * mib);
  } finally {
    for (const session of sessions) session.destroy();
  }
});

test('a connection may hold connection_held_bytes_max', () =>
  withGateway([], async (_wire, _nats, address) => {
    const session = openSession(address);
    const statuses = Array.from({ length: 4 }, () => {
      const call = openCall(session, 'Append');
      call.write(Buffer.concat([messageHeader(15 * mib), Buffer.alloc(14 * mib)]));
      return statusOf(call);
    });
    expect(await Promise.race(statuses)).toBe(status.resourceExhausted);
    session.destroy();
  }));

test('a request that stops on its way is ended, and so is a call without a request', async () => {
  const session = openSession(gateway.address);
  const half = openCall(session, 'Append');
  half.write(Buffer.concat([messageHeader(1_000), Buffer.alloc(10)]));
  const whole = openCall(session, 'GetVersion');
  whole.write(messageHeader(0)); // its end does not come
  const none = openCall(session, 'Subscribe');
  const health = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const idle = openCall(session, 'AppendSession'); // may wait as long as it likes
  expect(await Promise.all([half, whole, none, health].map(statusOf))).toEqual(
    Array(4).fill(status.cancelled),
  );
  expect(idle.closed).toBe(false);
  session.destroy();
});

test('tiny frames cost what they hold', async () => {
  const sockets: Socket[] = [];
  // Few for each connection: a slow machine has read them before the request counts as stopped on its way.
  const bytes = 20_000;
  const tiny = Buffer.alloc(10 * bytes, frame(0, 0, 1, Buffer.alloc(1)));
  const request = greeting(headersOf('Append', 1), frame(0, 0, 1, messageHeader(2 * bytes)), tiny);
  try {
    const growth = await growthDuring(async () => {
      while (sockets.length < 60) {
        // Not before: a connection without a call ends.
        const socket = await openSocket(gateway.address);
        sockets.push(socket);
        // Once it is all read, the gateway acknowledges a ping.
        socket.write(Buffer.concat([request, frame(6, 0, 0, Buffer.alloc(8, 1))]));
        await receives(socket, Buffer.alloc(8, 1));
      }
    });
    // They are 1.2 MB. With a piece of memory for each of them, it was 139 MiB.
    expect(growth).toBeLessThan(60 * mib);
    await expectItServes();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

/** Fails if the connection ends before. */
async function receives(socket: Socket, bytes: Buffer): Promise<void> {
  let received = Buffer.alloc(0);
  for await (const data of on(socket, 'data', { close: ['close'] }) as AsyncIterable<[Buffer]>) {
    received = Buffer.concat([received, data[0]]);
    if (received.includes(bytes)) return;
  }
  throw new Error('the connection has ended');
}

describe('compressed requests', () => {
  test.each([
    ['gzip', compressionAlgorithms.gzip],
    ['deflate', compressionAlgorithms.deflate],
  ])('are taken: %s', async (_name, algorithm) => {
    using wire = connectWire(gateway.address, {
      channel: { 'grpc.default_compression_algorithm': algorithm },
    });
    const text = 'as it was '.repeat(1_000);
    const stream = `compressed.${algorithm}`;
    await wire.unary('Append', { stream, events: [{ type: 'Large', text }] });
    const [message] = await wire.stream('ReadStream', { stream });
    expect(message).toMatchObject({ events: [{ text }] });
  });

  const send = async (bytes: Buffer, encoding: string): Promise<number | undefined> => {
    const session = openSession(gateway.address);
    const call = openCall(session, 'Append', { 'grpc-encoding': encoding });
    call.end(Buffer.concat([messageHeader(bytes.length, true), bytes]));
    return statusOf(call).finally(() => {
      session.destroy();
    });
  };

  test('that become large are inflated within the bounds', async () => {
    const large = Buffer.alloc(16 * mib - 1_000);
    const small = [gzipSync(large), deflateSync(large)] as const;
    const growth = await growthDuring(async () => {
      const statuses = await Promise.all(
        Array.from({ length: 60 }, (_, i) => send(small[i % 2] as Buffer, i % 2 === 0 ? 'gzip' : 'deflate')),
      );
      for (const found of statuses)
        expect([status.invalidArgument, status.resourceExhausted]).toContain(found);
      await expectItServes();
    });
    expect(growth).toBeLessThan(heldBytesMax + 220 * mib);
  });

  test('that would become too large, or are not what they say, are refused', async () => {
    expect(await send(gzipSync(Buffer.alloc(17 * mib)), 'gzip')).toBe(status.invalidArgument);
    expect(await send(deflateSync(Buffer.alloc(17 * mib)), 'deflate')).toBe(status.invalidArgument);
    const modest = gzipSync(Buffer.alloc(10_000));
    modest.writeUInt32LE(10, modest.length - 4);
    expect(await send(modest, 'gzip')).toBe(status.invalidArgument);
    expect(await send(Buffer.from('not compressed'), 'gzip')).toBe(status.invalidArgument);
  });
});

test('what a call asks that appends nothing is at most query_bytes_max', () =>
  withGateway([], async (wire) => {
    const failure = await wireFailureOf(wire.unary('GetVersion', { stream: 'x'.repeat(70_000) }));
    expect(failure.code).toBe(status.invalidArgument);
    expect(failure.message).toMatch(/^request: has 7\d{4} bytes, more than the limit of 65536$/);
  }));

inOneProcess(divided)('more calls than calls_max are refused at once', () =>
  withGateway(['--calls-max=3'], async (wire, _nats, address) => {
    const session = openSession(address);
    for (let i = 0; i < 3; i++) openCall(session, 'AppendSession');
    await until(() =>
      wire.unary('GetVersion', { stream: 'a' }).then(
        () => false,
        (error: unknown) => (error as { details?: string }).details === '3 calls are open',
      ),
    );
    session.destroy();
    await once(session, 'close');
    await until(() => wire.unary('GetVersion', { stream: 'a' }).then(Boolean, () => false));
  }),
);
