import { randomBytes } from 'node:crypto';
import {
  compressionAlgorithms,
  credentials,
  Metadata,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { ServerReflectionService } from '../../generated/grpc/reflection/v1/reflection';
import { ServerReflectionService as AlphaService } from '../../generated/grpc/reflection/v1alpha/reflection';
import {
  EventStoreServiceClient,
  EventStoreServiceService,
} from '../../generated/sluice/v1/event_store_service';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { wholeOf } from '../support/one-process';
import { connectRpc } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';
import { openSession } from '../support/raw-http2';

/** What goes for every call, whatever it asks for: metadata, methods, compression, deadlines, cancellation, pages. */
const status = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
};

/** Of all services that the gateway has. */
const services: ServiceDefinition[] = [
  EventStoreServiceService,
  ServerReflectionService,
  AlphaService,
  healthService,
];
const paths = services.flatMap((service) => Object.values(service).map(({ path }) => path));

const dayMs = 24 * 3_600_000;
const readsMax = 3;
const eventCount = 60;
const payload = randomBytes(50_000);

let nats: TestNats;
let gateway: TestGateway;
let wire: WireClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url], [`--reads-max=${wholeOf(readsMax)}`]);
  wire = connectWire(gateway.address);
  for (let i = 0; i < eventCount; i += 10) {
    const events = Array.from({ length: 10 }, () => ({ type: 'Large', binary: payload }));
    await wire.unary('Append', { stream: 'calls.large', events });
  }
});

afterAll(async () => {
  wire[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** That the gateway serves, over the channel in use and over a new one. */
async function expectItServes(): Promise<void> {
  using fresh = connectWire(gateway.address);
  for (const client of [wire, fresh]) {
    expect(await client.unary('GetVersion', { stream: 'calls.large' })).toMatchObject({
      version: eventCount.toString(),
    });
  }
}

describe('metadata of a call', () => {
  const withMetadata = (bytes: number, values = 1): Metadata => {
    const metadata = new Metadata();
    for (let i = 0; i < values; i++) metadata.add('x-large', 'v'.repeat(bytes / values));
    return metadata;
  };

  test.each([1, 20])('of 20 KB in %d values is refused with the limit and what was found', async (values) => {
    const call = wire.unary('GetVersion', { stream: 'calls.1' }, { metadata: withMetadata(20_000, values) });
    const failure = await wireFailureOf(call);
    expect(failure.code).toBe(status.invalidArgument);
    const [info, badRequest] = failure.details;
    expect(info).toMatchObject({ reason: 'INVALID_REQUEST', domain: 'sluice.v1' });
    expect(badRequest?.['field_violations']).toEqual([
      {
        field: 'grpc_metadata',
        description: expect.stringMatching(/^has 20\d{3} bytes, more than the limit of 16384$/) as string,
      },
    ]);
  });

  test.each(paths)('is bounded for %s, as for every RPC of every service', async (path) => {
    using client = new EventStoreServiceClientWithDispose(gateway.address, credentials.createInsecure());
    const same = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest(path, same, same, withMetadata(20_000));
    call.on('error', () => undefined).on('data', () => undefined);
    call.write(Buffer.alloc(0));
    call.end();
    const { code, details } = await new Promise<StatusObject>((resolve) => call.once('status', resolve));
    expect([code, details]).toEqual([
      status.invalidArgument,
      expect.stringMatching(/^grpc_metadata: has 20\d{3} bytes, more than the limit of 16384$/),
    ]);
  });

  test('of 70 KB fails the call and nothing else', async () => {
    const call = wire.unary('GetVersion', { stream: 'calls.1' }, { metadata: withMetadata(70_000, 70) });
    const { code } = await wireFailureOf(call);
    expect(code).not.toBe(status.deadlineExceeded);
    await expectItServes();
  });

  test('of 10 KB is fine', async () => {
    expect(await wire.unary('GetVersion', { stream: 'calls.1' }, { metadata: withMetadata(10_000) })).toEqual(
      {},
    );
  });
});

test('unknown methods and services are UNIMPLEMENTED', async () => {
  using client = new EventStoreServiceClientWithDispose(gateway.address, credentials.createInsecure());
  const paths = [
    '/sluice.v1.EventStoreService/Nothing',
    '/sluice.v2.EventStoreService/Append',
    '/',
    '/a/b/c',
    '/sluice.v1.EventStoreService/append',
  ];
  for (const path of paths) {
    const error = await new Promise<ServiceError | null>((resolve) => {
      const same = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(path, same, same, Buffer.alloc(0), resolve);
    });
    expect([path, error?.code]).toEqual([path, status.unimplemented]);
  }
  await expectItServes();
});

class EventStoreServiceClientWithDispose extends EventStoreServiceClient {
  [Symbol.dispose](): void {
    this.close();
  }
}

describe('compression', () => {
  const { gzip } = compressionAlgorithms;
  test('of requests with gzip works', async () => {
    using client = connectWire(gateway.address, { channel: { 'grpc.default_compression_algorithm': gzip } });
    const text = 'again and '.repeat(10_000);
    await client.unary('Append', { stream: 'calls.gzip', events: [{ id: 'e-1', type: 'Said', text }] });
    const [message] = await client.stream('ReadStream', { stream: 'calls.gzip' });
    expect(message).toMatchObject({ events: [{ id: 'e-1', text }] });
  });

  test('does not help a request above the limit', async () => {
    using client = connectWire(gateway.address, { channel: { 'grpc.default_compression_algorithm': gzip } });
    const bomb = Buffer.alloc(64 << 20);
    bomb[0] = 0x0a; // what follows does not matter: it is never decoded
    expect(await wireFailureOf(client.bytes('Append', bomb))).toMatchObject({
      code: status.invalidArgument,
    });
    await expectItServes();
  });
});

describe('the deadline of a call', () => {
  test('of 1 ms passes, and the gateway goes on', async () => {
    const codes = await Promise.all(
      Array.from({ length: 50 }, () =>
        wireFailureOf(wire.stream('ReadStream', { stream: 'calls.large' }, { deadline: Date.now() + 1 })),
      ),
    );
    expect(new Set(codes.map(({ code }) => code))).toEqual(new Set([status.deadlineExceeded]));
    await until(() =>
      wire.stream('ReadStream', { stream: 'calls.large', max_count: '1' }).then(
        () => true,
        () => false,
      ),
    );
    await expectItServes();
  });

  test.each([20, 30, 50, 400, 36_500])('may be %d days away', async (days) => {
    const deadline = Date.now() + days * dayMs;
    expect(await wire.unary('GetVersion', { stream: 'calls.large' }, { deadline })).toMatchObject({
      version: eventCount.toString(),
    });
    const messages = await wire.stream('ReadStream', { stream: 'calls.large' }, { deadline });
    expect(messages.at(-1)).toMatchObject({ end: { event_count: eventCount.toString() } });
  });

  test.each(['99999999H', '0n', '1x', '-1S', 'soon'])('written as %s does no harm', async (timeout) => {
    const session = openSession(gateway.address);
    try {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/sluice.v1.EventStoreService/GetVersion',
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': timeout,
      });
      stream.end(Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, 0x61]));
      stream.resume();
      await new Promise((resolve) => stream.on('close', resolve));
    } finally {
      session.close();
    }
    await expectItServes();
  });
});

describe('a call that is cancelled', () => {
  test('in the middle of a read frees its slot', async () => {
    for (let round = 0; round < 4 * readsMax; round++) {
      const call = wire.open('ReadStream', { stream: 'calls.large', page: { events_max: 1 } });
      const ended = new Promise<ServiceError>((resolve) =>
        call.on('error', (error) => {
          resolve(error as ServiceError);
        }),
      );
      await new Promise((resolve) => call.once('data', resolve));
      call.cancel();
      expect((await ended).code).toBe(status.cancelled);
    }
    await until(() =>
      wire.stream('ReadStream', { stream: 'calls.large', max_count: '1' }).then(
        () => true,
        () => false,
      ),
    );
    await expectItServes();
  });

  test('a thousand times in a row harms no other', async () => {
    using busy = connectRpc(gateway.address);
    const codes = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        return new Promise<number | undefined>((resolve) => {
          const request = { stream: 'calls.cancelled', asOf: undefined };
          const call = busy.raw.getVersion(request, (error) => {
            resolve(error?.code);
          });
          if (i % 2 === 0) call.cancel();
          else
            setImmediate(() => {
              call.cancel();
            });
        });
      }),
    );
    expect(codes.length).toBe(1_000);
    using fresh = connectRpc(gateway.address);
    for (let i = 0; i < 20; i++) await fresh.append({ stream: 'calls.after', events: [{ type: 'Fine' }] });
    expect((await fresh.getVersion({ stream: 'calls.after' })).version).toBe(20n);
    const failure = await failureOf(
      fresh.append({ stream: 'calls.after', events: [{ type: 'Fine' }], expectedVersion: 3n }),
    );
    expect(failure.reason).toBe('VERSION_CONFLICT');
  });
});

describe('response messages', () => {
  const sizesOf = async (page: WireMessage): Promise<{ events: number[]; bytes: number[] }> => {
    const messages = await wire.stream('ReadStream', { stream: 'calls.large', page });
    const events = messages.map((message) => (message['events'] as unknown[] | undefined)?.length ?? 0);
    const bytes = messages.map((message) =>
      ((message['events'] as { binary: Buffer }[] | undefined) ?? []).reduce(
        (sum, { binary }) => sum + binary.length,
        0,
      ),
    );
    expect(events.reduce((sum, count) => sum + count, 0)).toBe(eventCount);
    return { events, bytes };
  };

  test('hold no more than page_bytes_max', async () => {
    const { limits } = (await wire.unary('GetServerInfo', {})) as { limits: { page_bytes_max: number } };
    for (const page of [{}, { bytes_max: 4_294_967_295 }]) {
      const { bytes, events } = await sizesOf(page);
      expect(Math.max(...bytes)).toBeLessThanOrEqual(limits.page_bytes_max);
      expect(Math.max(...events)).toBe(Math.floor(limits.page_bytes_max / 50_200));
    }
  });

  test('hold as few events or bytes as the caller wishes, but never none', async () => {
    expect((await sizesOf({ events_max: 2 })).events).toEqual(Array.from({ length: 30 }, () => 2));
    expect((await sizesOf({ events_max: 1 })).events).toEqual(Array.from({ length: 60 }, () => 1));
    expect((await sizesOf({ bytes_max: 110_000 })).events).toEqual(Array.from({ length: 30 }, () => 2));
    expect((await sizesOf({ bytes_max: 1 })).events).toEqual(Array.from({ length: 60 }, () => 1));
  });

  test('hold a single event that is larger', async () => {
    const binary = randomBytes(1_000_000);
    await wire.unary('Append', {
      stream: 'calls.huge',
      events: [{ type: 'Huge', binary }, { type: 'Small' }],
    });
    const messages = await wire.stream('ReadStream', { stream: 'calls.huge' });
    expect(messages.map((message) => (message['events'] as unknown[]).length)).toEqual([1, 1]);
    const [first] = messages[0]?.['events'] as { binary: Buffer }[];
    expect(first?.binary.equals(binary)).toBe(true);
  });
});
