import type { DescService } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type CallOptions, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { contract } from '../../src/grpc/contract';
import { startTestGateway, type LocalGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';

/** The clients of the Connect project, which know nothing of this gateway but its contract. */

let nats: TestNats;
let gateway: LocalGateway;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0']);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

interface Client {
  append(request: object): Promise<{ readonly version: bigint }>;
  readStream(request: object): AsyncIterable<{ readonly events: readonly { readonly version: bigint }[] }>;
  subscribe(request: object, options?: CallOptions): AsyncIterable<object>;
}

function clientOf(transport: Transport): Client {
  const service = contract.getService('sluice.v1.EventStoreService') as DescService;
  return createClient(service, transport) as unknown as Client;
}

const kinds: readonly [string, (baseUrl: string) => Transport][] = [
  ['Connect in JSON', (baseUrl) => createConnectTransport({ baseUrl, useBinaryFormat: false })],
  ['Connect in protobuf', (baseUrl) => createConnectTransport({ baseUrl, useBinaryFormat: true })],
  ['gRPC-Web in protobuf', (baseUrl) => createGrpcWebTransport({ baseUrl, useBinaryFormat: true })],
  ['gRPC-Web in JSON', (baseUrl) => createGrpcWebTransport({ baseUrl, useBinaryFormat: false })],
];

describe.each(kinds)('%s', (name, make) => {
  const stream = `client.${name.toLowerCase().replaceAll(/\W/g, '-')}`;
  const client = (): Client => clientOf(make(gateway.http ?? ''));

  test('appends and reads', async () => {
    const events = [1, 2, 3].map((number) => ({
      type: 'Counted',
      payload: { case: 'text', value: `${number}` },
    }));
    expect((await client().append({ stream, events })).version).toBe(3n);
    const versions: bigint[] = [];
    for await (const message of client().readStream({ stream }))
      versions.push(...message.events.map(({ version }) => version));
    expect(versions).toEqual([1n, 2n, 3n]);
  });

  test('gets the details of an error', async () => {
    const error = await client()
      .append({ stream, expectedVersion: 7n, events: [{ type: 'A' }] })
      .then(
        () => undefined,
        (reason: unknown) => ConnectError.from(reason),
      );
    expect(error?.code).toBe(Code.Aborted);
    const type = contract.getMessage('sluice.v1.VersionConflict');
    expect(type && error?.findDetails(type)[0]).toMatchObject({
      stream,
      expectedVersion: 7n,
      actualVersion: 3n,
    });
    const invalid = await (async () => {
      for await (const message of client().readStream({ stream: 'a b' })) expect(message).toBeUndefined();
    })().then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    expect(invalid?.code).toBe(Code.InvalidArgument);
  });

  test('follows what is appended', async () => {
    const abort = new AbortController();
    const versions: bigint[] = [];
    await (async () => {
      for await (const message of client().subscribe({ stream }, { signal: abort.signal })) {
        if ('body' in message) expect(message.body).toBeDefined();
        for (const { version } of (message as { events?: readonly { version: bigint }[] }).events ?? [])
          versions.push(version);
        if (versions.length === 3) await client().append({ stream, events: [{ type: 'Live' }] });
        if (versions.length === 4) abort.abort();
      }
    })().catch((error: unknown) => {
      expect(ConnectError.from(error).code).toBe(Code.Canceled);
    });
    expect(versions).toEqual([1n, 2n, 3n, 4n]);
  });

  test('has its deadline', async () => {
    const error = await (async () => {
      for await (const message of client().subscribe({ stream }, { timeoutMs: 300 }))
        expect(message).toBeDefined();
    })().then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    expect(error?.code).toBe(Code.DeadlineExceeded);
  });
});
