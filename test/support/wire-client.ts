import { join } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientReadableStream,
  type Metadata,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';

/** A message as JSON shows it: 64-bit numbers and enums are strings, bytes are Buffers, unset fields are left out. */
export interface WireMessage {
  readonly [field: string]: unknown;
}

/**
 * A second opinion on the wire: a client made from the text of the .proto files, without generated/. Methods are
 * called by their name in the contract, fields by theirs. Fails with ServiceError; see `wireFailureOf`.
 */
export interface WireClient extends Disposable {
  unary(method: string, request: WireMessage, options?: CallOptions): Promise<WireMessage>;
  /** All messages of a server stream. */
  stream(method: string, request: WireMessage, options?: CallOptions): Promise<readonly WireMessage[]>;
  /** A server stream under way. */
  open(method: string, request: WireMessage, options?: CallOptions): ClientReadableStream<WireMessage>;
  /** Sends any bytes as the request and gives those of the answers, whatever the shape of the method. */
  bytes(method: string, request: Uint8Array, options?: BytesOptions): Promise<readonly Buffer[]>;
}

export interface BytesOptions extends CallOptions {
  readonly metadata?: Metadata;
}

/** How a call failed. */
export interface WireFailure {
  /** The number of the gRPC status. */
  readonly code: number;
  readonly message: string;
  /** The details of its google.rpc.Status, each with the name of its message as `@type`. */
  readonly details: readonly WireMessage[];
}

const protoFolder = join(__dirname, '..', '..', 'proto');
const loading = { includeDirs: [protoFolder], keepCase: true, longs: String, enums: String };
const deadlineMs = 30_000;

/** Connects to a service of the contract at host:port. */
export function connectWire(
  address: string,
  service = 'sluice.v1.EventStoreService',
  file = 'sluice/v1/event_store_service.proto',
  security: ChannelCredentials = credentials.createInsecure(),
): WireClient {
  let found: unknown = loadPackageDefinition(loadSync(file, loading));
  for (const name of service.split('.')) found = (found as Record<string, unknown>)[name];
  const Service = found as {
    new (address: string, security: ChannelCredentials, options: object): Client;
    readonly service: ServiceDefinition;
  };
  const channelOptions = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_send_message_length': -1 };
  const client = new Service(address, security, channelOptions);
  const definition = (name: string): MethodDefinition<WireMessage, WireMessage> => {
    const method = Service.service[name];
    if (method === undefined) throw new Error(`${service} has no method ${name}`);
    return method;
  };
  const open: WireClient['open'] = (name, request, options) => {
    const { path, requestSerialize, responseDeserialize } = definition(name);
    return client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      bounded(options),
    );
  };
  return {
    unary: (name, request, options) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = definition(name);
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          bounded(options),
          (error, response) => {
            if (error === null) resolve(response as WireMessage);
            else reject(error);
          },
        );
      }),
    stream: (name, request, options) => all(open(name, request, options)),
    open,
    bytes(name, request, { metadata, ...options } = {}) {
      const { path } = definition(name);
      const args = [path, asBuffer, asBuffer, request] as const;
      return all(
        metadata === undefined
          ? client.makeServerStreamRequest(...args, bounded(options))
          : client.makeServerStreamRequest(...args, metadata, bounded(options)),
      );
    },
    [Symbol.dispose]() {
      client.close();
    },
  };
}

function bounded(options: CallOptions = {}): CallOptions {
  return { deadline: Date.now() + deadlineMs, ...options };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

async function all<T>(call: ClientReadableStream<T>): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of call) messages.push(message as T);
  return messages;
}

const statusType = loadSync(
  ['google/rpc/status.proto', 'google/rpc/error_details.proto', 'sluice/v1/errors.proto'],
  {
    ...loading,
    json: true, // shows what is within an Any
  },
)['google.rpc.Status'] as MessageTypeDefinition<object, WireMessage>;

/** How a call fails; fails itself if the call does not end with a status other than OK. */
export async function wireFailureOf(call: Promise<unknown>): Promise<WireFailure> {
  const outcome: unknown = await call.then(
    (answer) => new Error(`the call ended with OK: ${JSON.stringify(answer)}`),
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
  const details = status['details'] as WireMessage[];
  return {
    code,
    message,
    details: details.map((detail) => ({
      ...detail,
      '@type': (detail['@type'] as string).replace(/^type\.googleapis\.com\//, ''),
    })),
  };
}
