import { once } from 'node:events';
import { credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { create, createFileRegistry, fromBinary, type FileRegistry } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import {
  ServerReflectionClient,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../generated/grpc/reflection/v1/reflection';
import { ServerReflectionClient as AlphaClient } from '../../generated/grpc/reflection/v1alpha/reflection';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';

/** grpc.reflection in both versions, as tools ask it. */
const code = { invalidArgument: 3, notFound: 5 };

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

type Asked = ServerReflectionRequest['messageRequest'];
type Answer = ServerReflectionResponse['messageResponse'];

describe.each([
  ['v1', ServerReflectionClient],
  ['v1alpha', AlphaClient],
])('grpc.reflection.%s', (_version, Client) => {
  let client: InstanceType<typeof Client>;
  let call: ClientDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;

  beforeAll(() => {
    client = new Client(gateway.address, credentials.createInsecure());
    call = client.serverReflectionInfo();
  });

  afterAll(async () => {
    // The end of the requests is the end of the call, with OK.
    const ended = once(call, 'status');
    call.end();
    call.resume();
    expect(await ended).toMatchObject([{ code: 0 }]);
    client.close();
  });

  /** All requests of this version go over one call. */
  async function ask(messageRequest: Asked): Promise<Answer> {
    const request = { host: 'any', messageRequest };
    const responded = once(call, 'data');
    call.write(request);
    const [response] = (await responded) as [ServerReflectionResponse];
    expect(response).toMatchObject({ validHost: 'any', originalRequest: request });
    return response.messageResponse;
  }

  async function filesOf(messageRequest: Asked): Promise<FileDescriptorProto[]> {
    const answer = await ask(messageRequest);
    if (answer?.$case !== 'fileDescriptorResponse') throw new Error(JSON.stringify(answer));
    return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  }

  /** Loads the files from the last to the first; fails if one is not there when it is needed. */
  function load(files: readonly FileDescriptorProto[]): FileRegistry {
    return createFileRegistry(create(FileDescriptorSetSchema, { file: files.toReversed() }));
  }

  function expectError(answer: Answer, errorCode: number, errorMessage: RegExp): void {
    expect(answer).toEqual({
      $case: 'errorResponse',
      value: { errorCode, errorMessage: expect.stringMatching(errorMessage) as string },
    });
  }

  test('lists the services', async () => {
    const names = [
      'sluice.v1.EventStoreService',
      'sluice.v1.ConsumerGroupService',
      'sluice.v1.StreamService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ];
    expect(await ask({ $case: 'listServices', value: '*' })).toEqual({
      $case: 'listServicesResponse',
      value: { service: names.map((name) => ({ name })) },
    });
  });

  test.each([
    'sluice/v1/event_store_service.proto',
    'sluice/v1/stream_service.proto',
    'sluice/v1/event.proto',
    'sluice/v1/errors.proto',
    'google/rpc/error_details.proto',
    'google/protobuf/timestamp.proto',
    'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto',
    'grpc/reflection/v1alpha/reflection.proto',
  ])('gives %s by its name, with all that it imports, each once', async (name) => {
    const files = await filesOf({ $case: 'fileByFilename', value: name });
    const names = files.map((file) => file.name);
    expect(names[0]).toBe(name);
    expect(new Set(names).size).toBe(names.length);
    expect([...load(files).files].map((file) => `${file.name}.proto`).sort()).toEqual(names.sort());
  });

  test.each([
    ['a service', 'sluice.v1.EventStoreService', 'sluice/v1/event_store_service.proto'],
    ['a method', 'sluice.v1.EventStoreService.Append', 'sluice/v1/event_store_service.proto'],
    ['a message', 'sluice.v1.AppendRequest', 'sluice/v1/event_store_service.proto'],
    ['a field', 'sluice.v1.AppendRequest.events', 'sluice/v1/event_store_service.proto'],
    ['a message of another file', 'sluice.v1.RecordedEvent', 'sluice/v1/event.proto'],
    ['a message within a message', 'sluice.v1.Event.MetadataEntry', 'sluice/v1/event.proto'],
    ['a oneof', 'sluice.v1.Event.payload', 'sluice/v1/event.proto'],
    ['an enum', 'sluice.v1.Direction', 'sluice/v1/event_store_service.proto'],
    ['a value of an enum', 'sluice.v1.DIRECTION_BACKWARD', 'sluice/v1/event_store_service.proto'],
    [
      'an enum within a message',
      'grpc.health.v1.HealthCheckResponse.ServingStatus',
      'grpc/health/v1/health.proto',
    ],
    ['a value within a message', 'grpc.health.v1.HealthCheckResponse.SERVING', 'grpc/health/v1/health.proto'],
    ['a detail of errors', 'sluice.v1.VersionConflict', 'sluice/v1/errors.proto'],
    ["a detail of Google's", 'google.rpc.BadRequest.FieldViolation', 'google/rpc/error_details.proto'],
    ['a well-known type', 'google.protobuf.Duration', 'google/protobuf/duration.proto'],
  ])('gives the file of %s', async (_what, symbol, name) => {
    const files = await filesOf({ $case: 'fileContainingSymbol', value: symbol });
    expect(files[0]?.name).toBe(name);
    expect([...load(files).files].length).toBe(files.length);
  });

  test('has what is needed to call the service', async () => {
    const files = await filesOf({ $case: 'fileContainingSymbol', value: 'sluice.v1.EventStoreService' });
    const service = load(files).getService('sluice.v1.EventStoreService');
    expect(service?.methods.map(({ name, methodKind }) => [name, methodKind])).toEqual([
      ['Append', 'unary'],
      ['AppendSession', 'bidi_streaming'],
      ['AppendMulti', 'unary'],
      ['ReadStream', 'server_streaming'],
      ['GetVersion', 'unary'],
      ['GetCommit', 'unary'],
      ['ReadByCorrelation', 'server_streaming'],
      ['ReadAll', 'server_streaming'],
      ['Subscribe', 'server_streaming'],
      ['ListStreams', 'server_streaming'],
      ['GetServerInfo', 'unary'],
    ]);
    const append = service?.method['append']?.input;
    expect(append?.fields.find(({ name }) => name === 'events')?.message?.typeName).toBe('sluice.v1.Event');
  });

  test('gives the comments of the contract', async () => {
    const files = await filesOf({ $case: 'fileContainingSymbol', value: 'sluice.v1.EventStoreService' });
    const comments = files[0]?.sourceCodeInfo?.location.map(({ leadingComments }) => leadingComments);
    expect(comments).toContainEqual(expect.stringMatching(/^ Append stores events at the end of one stream/));
  });

  test('answers what is not there with NOT_FOUND, and goes on', async () => {
    for (const value of ['sluice.v1.Nothing', 'sluice.v1', '', '.sluice.v1.Event', 'Event']) {
      expectError(await ask({ $case: 'fileContainingSymbol', value }), code.notFound, /^there is no symbol /);
    }
    for (const value of ['nothing.proto', '', '../event.proto', 'proto/sluice/v1/event.proto']) {
      expectError(await ask({ $case: 'fileByFilename', value }), code.notFound, /^there is no file /);
    }
    expect(await ask({ $case: 'listServices', value: '' })).toMatchObject({ $case: 'listServicesResponse' });
  });

  test('knows no extensions', async () => {
    const value = { containingType: 'sluice.v1.Event', extensionNumber: 100 };
    const missing = /^there is no extension 100 of sluice\.v1\.Event$/;
    expectError(await ask({ $case: 'fileContainingExtension', value }), code.notFound, missing);
    expect(await ask({ $case: 'allExtensionNumbersOfType', value: 'sluice.v1.Event' })).toEqual({
      $case: 'allExtensionNumbersResponse',
      value: { baseTypeName: 'sluice.v1.Event', extensionNumber: [] },
    });
    const unknown = { $case: 'allExtensionNumbersOfType', value: 'sluice.v1.Nothing' } as const;
    expectError(await ask(unknown), code.notFound, /^there is no type sluice\.v1\.Nothing$/);
  });

  test('refuses an empty request', async () => {
    expectError(await ask(undefined), code.invalidArgument, /the request is empty/);
  });

  test('responds to many requests in their order', async () => {
    const values = Array.from({ length: 100 }, (_, i) => `nothing.${i}`);
    const answers: ServerReflectionResponse[] = [];
    const all = new Promise<void>((resolve) => {
      call.on('data', (answer: ServerReflectionResponse) => {
        if (answers.push(answer) === values.length) resolve();
      });
    });
    for (const value of values) call.write({ host: '', messageRequest: { $case: 'fileByFilename', value } });
    await all;
    expect(answers.map(({ originalRequest }) => originalRequest?.messageRequest?.value)).toEqual(values);
  });
});
