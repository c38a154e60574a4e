import { join } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { patience } from './patience';
import { withToken } from './with-token';

/** A message as in JSON: 64-bit numbers and enums are strings, bytes are Buffers, unset fields are left out. */
export interface WireMessage {
  readonly [field: string]: unknown;
}

/**
 * A second opinion on the wire: a client made from the text of the .proto files, without generated/. Methods and fields have their
 * names of the contract. Calls fail with ServiceError; see `wireFailureOf`.
 */
export interface WireClient extends Disposable {
  unary(method: string, request: WireMessage, options?: WireOptions): Promise<WireMessage>;
  /** All messages of a server stream. */
  stream(method: string, request: WireMessage, options?: WireOptions): Promise<readonly WireMessage[]>;
  /** A server stream under way; a unary answer is a stream of one message. */
  open(method: string, request: WireMessage, options?: WireOptions): ClientReadableStream<WireMessage>;
  /** A bidirectional stream. */
  duplex(method: string, options?: WireOptions): ClientDuplexStream<WireMessage, WireMessage>;
  /** Sends any bytes as the request and resolves with those of the answers, whatever the kind of the method. */
  bytes(method: string, request: Uint8Array, options?: WireOptions): Promise<readonly Buffer[]>;
}

/** The default deadline, so that a test that hangs ends with a reason. */
export interface WireOptions extends CallOptions {
  readonly metadata?: Metadata;
}

/** How a call failed. */
export interface WireFailure {
  /** The number of the gRPC status. */
  readonly code: number;
  readonly message: string;
  /**
   * The details of its google.rpc.Status, each with the name of its message as `@type`; without the google.rpc.RequestInfo that all
   * of them have, see `requestIdIn`.
   */
  readonly details: readonly WireMessage[];
}

const protoFolder = join(__dirname, '..', '..', 'proto');
const loading = { includeDirs: [protoFolder], keepCase: true, longs: String, enums: String };
const deadlineMs = 30_000 * patience;

const files = {
  'sluice.v1.EventStoreService': 'sluice/v1/event_store_service.proto',
  'sluice.v1.ConsumerGroupService': 'sluice/v1/consumer_group_service.proto',
  'sluice.v1.StreamService': 'sluice/v1/stream_service.proto',
  'grpc.health.v1.Health': 'grpc/health/v1/health.proto',
} as const;

export interface WireClientOptions {
  readonly service?: keyof typeof files;
  readonly security?: ChannelCredentials;
  readonly channel?: ChannelOptions;
  /** Sent with each call; undefined: no credential. */
  readonly token?: string | undefined;
}

/** Connects to host:port, in plain text by default. */
export function connectWire(
  address: string,
  {
    service = 'sluice.v1.EventStoreService',
    security = credentials.createInsecure(),
    channel = {},
    token,
  }: WireClientOptions = {},
): WireClient {
  let found: unknown = loadPackageDefinition(loadSync(files[service], loading));
  for (const name of service.split('.')) found = (found as Record<string, unknown>)[name];
  const Service = found as {
    new (address: string, security: ChannelCredentials, options: ClientOptions): Client;
    readonly service: ServiceDefinition;
  };
  const channelOptions = {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_send_message_length': -1,
    ...channel,
    ...withToken(token),
  };
  const client = new Service(address, security, channelOptions);
  const definition = (name: string): MethodDefinition<WireMessage, WireMessage> => {
    const method = Service.service[name] as MethodDefinition<WireMessage, WireMessage> | undefined;
    if (method === undefined) throw new Error(`${service} has no method ${name}`);
    return method;
  };
  function request<Q, A>(
    path: string,
    serialize: (request: Q) => Buffer,
    deserialize: (bytes: Buffer) => A,
    message: Q,
    { metadata = new Metadata(), ...options }: WireOptions = {},
  ): ClientReadableStream<A> {
    const bounded = { deadline: Date.now() + deadlineMs, ...options };
    return client.makeServerStreamRequest(path, serialize, deserialize, message, metadata, bounded);
  }
  const open: WireClient['open'] = (name, message, options) => {
    const { path, requestSerialize, responseDeserialize } = definition(name);
    return request(path, requestSerialize, responseDeserialize, message, options);
  };
  return {
    async unary(name, message, options) {
      const [answer, ...more] = await all(open(name, message, options));
      if (answer === undefined || more.length > 0) throw new Error(`${name} gave not one answer`);
      return answer;
    },
    stream: (name, message, options) => all(open(name, message, options)),
    open,
    duplex(name, { metadata = new Metadata(), ...options } = {}) {
      const { path, requestSerialize, responseDeserialize } = definition(name);
      const bounded = { deadline: Date.now() + deadlineMs, ...options };
      return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, bounded);
    },
    bytes: (name, message, options) =>
      all(request(definition(name).path, asBuffer, asBuffer, message, options)),
    [Symbol.dispose]() {
      client.close();
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

async function all<T>(call: ClientReadableStream<T>): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of call) messages.push(message as T);
  return messages;
}

const statusFiles = ['google/rpc/status.proto', 'google/rpc/error_details.proto', 'sluice/v1/errors.proto'];
const statusName = 'google.rpc.Status';
const plainStatusType = loadSync(statusFiles, loading)[statusName] as MessageTypeDefinition<object, object>;
/** Decodes the content of an Any. */
const statusType = loadSync(statusFiles, { ...loading, json: true })[statusName] as MessageTypeDefinition<
  object,
  WireMessage
>;

/** The google.rpc.Status within a message as the failure that a call with this status would be. */
export function failureWithin(status: WireMessage): WireFailure {
  const { code, message, details } = statusType.deserialize(plainStatusType.serialize(status));
  return { code: code as number, message: message as string, details: namedDetails(details) };
}

function namedDetails(details: unknown): WireMessage[] {
  const named = (details as WireMessage[]).map((detail) => ({
    ...detail,
    '@type': (detail['@type'] as string).replace(/^type\.googleapis\.com\//, ''),
  }));
  return named.filter((detail) => detail['@type'] !== requestInfo);
}

const requestInfo = 'google.rpc.RequestInfo';

/** The id of the request, by the details of an encoded google.rpc.Status or of one within a message. */
export function requestIdIn(status: Buffer | WireMessage): unknown {
  const encoded = Buffer.isBuffer(status) ? status : plainStatusType.serialize(status);
  const details = statusType.deserialize(encoded)['details'] as WireMessage[];
  return details.find((detail) => (detail['@type'] as string).endsWith(requestInfo))?.['request_id'];
}

/** How a call fails; fails itself if the call does not end with a status other than OK. */
export async function wireFailureOf(call: Promise<unknown>): Promise<WireFailure> {
  const outcome: unknown = await call.then(
    (answer) => new Error(`the call ended with OK: ${JSON.stringify(answer).slice(0, 1_000)}`),
    (error: unknown) => error,
  );
  const {
    code,
    details: message,
    metadata,
  } = outcome as { code?: number; details?: string; metadata?: Metadata };
  if (code === undefined || message === undefined) throw outcome;
  const [encoded] = metadata?.get('grpc-status-details-bin') ?? [];
  if (encoded === undefined) return { code, message, details: [] };
  const status = statusType.deserialize(encoded as Buffer);
  if (status['code'] !== code || status['message'] !== message) {
    throw new Error(`the details belong to another status: ${JSON.stringify(status)}`, { cause: outcome });
  }
  return { code, message, details: namedDetails(status['details']) };
}
