import { join } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  type ChannelCredentials,
  type Client,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A message as JSON shows it: 64-bit numbers and enums are strings, bytes are Buffers, unset fields are left out. */
export interface WireMessage {
  readonly [field: string]: unknown;
}

/**
 * A second opinion on the wire: a client made from the text of the .proto files, without generated/. Methods are
 * called by their name in the contract, fields by theirs. Fails with ServiceError.
 */
export interface WireClient extends Disposable {
  unary(method: string, request: WireMessage): Promise<WireMessage>;
  /** All messages of a server stream. */
  stream(method: string, request: WireMessage): Promise<readonly WireMessage[]>;
}

type UnaryMethod = (
  request: WireMessage,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: WireMessage) => void,
) => void;
type StreamMethod = (
  request: WireMessage,
  options: { deadline: number },
) => ClientReadableStream<WireMessage>;
type WireService = Client & Record<string, UnaryMethod & StreamMethod>;

const protoFolder = join(__dirname, '..', '..', 'proto');
const deadlineMs = 30_000;

/** Connects to a service of the contract at host:port. */
export function connectWire(
  address: string,
  service = 'sluice.v1.EventStoreService',
  file = 'sluice/v1/event_store_service.proto',
  security: ChannelCredentials = credentials.createInsecure(),
): WireClient {
  const definition = loadSync(file, {
    includeDirs: [protoFolder],
    keepCase: true,
    longs: String,
    enums: String,
  });
  let found: unknown = loadPackageDefinition(definition);
  for (const name of service.split('.')) found = (found as Record<string, unknown>)[name];
  const Service = found as new (
    address: string,
    security: ChannelCredentials,
    options: object,
  ) => WireService;
  const client = new Service(address, security, { 'grpc.use_local_subchannel_pool': 1 });
  const method = (name: string): UnaryMethod & StreamMethod => {
    const call = client[name];
    if (call === undefined) throw new Error(`${service} has no method ${name}`);
    return call.bind<UnaryMethod & StreamMethod>(client);
  };
  return {
    unary: (name, request) =>
      new Promise((resolve, reject) => {
        method(name)(request, { deadline: Date.now() + deadlineMs }, (error, response) => {
          if (error === null) resolve(response);
          else reject(error);
        });
      }),
    async stream(name, request) {
      const messages: WireMessage[] = [];
      for await (const message of method(name)(request, { deadline: Date.now() + deadlineMs })) {
        messages.push(message as WireMessage);
      }
      return messages;
    },
    [Symbol.dispose]() {
      client.close();
    },
  };
}
