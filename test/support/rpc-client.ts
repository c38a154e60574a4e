import { credentials, Metadata, type CallOptions, type ServiceError } from '@grpc/grpc-js';
import {
  HealthClient,
  type HealthCheckResponse,
  type HealthCheckResponse_ServingStatus,
} from '../../generated/grpc/health/v1/health';
import type { DeepPartial, RecordedEvent } from '../../generated/sluice/v1/event';
import {
  AppendMultiRequest,
  AppendRequest,
  EventStoreServiceClient,
  GetCommitRequest,
  GetVersionRequest,
  ListStreamsRequest,
  ReadAllRequest,
  ReadByCorrelationRequest,
  ReadStreamRequest,
  SubscribeRequest,
  type AppendMultiResponse,
  type AppendResponse,
  type GetCommitResponse,
  type GetServerInfoResponse,
  type GetVersionResponse,
  type ListStreamsResponse,
  type ReadAllHeader,
  type ReadByCorrelationHeader,
  type ReadEnd,
  type ReadStreamHeader,
  type StreamSummary,
  type SubscribeResponse,
} from '../../generated/sluice/v1/event_store_service';
import {
  DeleteStreamRequest,
  EraseEventsRequest,
  GetStreamRequest,
  SetRetentionRequest,
  StreamServiceClient,
  TombstoneStreamRequest,
  TruncateStreamRequest,
  type DeleteStreamResponse,
  type EraseEventsResponse,
  type GetStreamResponse,
  type SetRetentionResponse,
  type TombstoneStreamResponse,
  type TruncateStreamResponse,
} from '../../generated/sluice/v1/stream_service';
import { patience } from './patience';
import { RpcFailure } from './rpc-failure';
import { withToken, type TestToken } from './with-token';

/** A whole read. It was checked to have one header, first, and one end, last, with the right count. */
export interface Reading<Header> {
  readonly header: Header;
  readonly events: readonly RecordedEvent[];
  readonly end: ReadEnd;
  /** The number of response messages. */
  readonly messageCount: number;
  /** The last position to continue from, if the read has one. */
  readonly position: bigint | undefined;
}

/** A client with its own channel, without retries. Calls fail with RpcFailure. */
export interface RpcClient extends Disposable {
  /** host:port */
  readonly address: string;
  readonly token: TestToken;
  append(request: DeepPartial<AppendRequest>, options?: CallOptions): Promise<AppendResponse>;
  appendMulti(request: DeepPartial<AppendMultiRequest>, options?: CallOptions): Promise<AppendMultiResponse>;
  readStream(
    request: DeepPartial<ReadStreamRequest>,
    options?: CallOptions,
  ): Promise<Reading<ReadStreamHeader>>;
  getVersion(request: DeepPartial<GetVersionRequest>, options?: CallOptions): Promise<GetVersionResponse>;
  getCommit(request: DeepPartial<GetCommitRequest>, options?: CallOptions): Promise<GetCommitResponse>;
  readByCorrelation(
    request: DeepPartial<ReadByCorrelationRequest>,
    options?: CallOptions,
  ): Promise<Reading<ReadByCorrelationHeader>>;
  readAll(request?: DeepPartial<ReadAllRequest>, options?: CallOptions): Promise<Reading<ReadAllHeader>>;
  /** The messages as they arrive. Leaving the loop cancels the call. Default: no deadline. */
  subscribe(
    request?: DeepPartial<SubscribeRequest>,
    options?: CallOptions,
  ): AsyncGenerator<SubscribeResponse, void>;
  listStreams(request?: DeepPartial<ListStreamsRequest>, options?: CallOptions): Promise<StreamSummary[]>;
  readonly streams: StreamCalls;
  serverInfo(): Promise<GetServerInfoResponse>;
  /** The health of the gateway as a whole, or of one service. */
  health(service?: string): Promise<HealthCheckResponse_ServingStatus>;
  readonly raw: EventStoreServiceClient;
}

/** The calls of StreamService. */
export interface StreamCalls {
  get(request: DeepPartial<GetStreamRequest>, options?: CallOptions): Promise<GetStreamResponse>;
  truncate(
    request: DeepPartial<TruncateStreamRequest>,
    options?: CallOptions,
  ): Promise<TruncateStreamResponse>;
  setRetention(
    request: DeepPartial<SetRetentionRequest>,
    options?: CallOptions,
  ): Promise<SetRetentionResponse>;
  delete(request: DeepPartial<DeleteStreamRequest>, options?: CallOptions): Promise<DeleteStreamResponse>;
  tombstone(
    request: DeepPartial<TombstoneStreamRequest>,
    options?: CallOptions,
  ): Promise<TombstoneStreamResponse>;
  erase(request: DeepPartial<EraseEventsRequest>, options?: CallOptions): Promise<EraseEventsResponse>;
}

const channelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
};
/** The default deadline, so that a test that hangs ends with a reason. */
const deadlineMs = 30_000 * patience;

/**
 * Connects to a gateway at host:port, with a token or without a credential, and in plain text unless other channel credentials are
 * given.
 */
export function connectRpc(
  address: string,
  token?: TestToken,
  security = credentials.createInsecure(),
): RpcClient {
  const clientOptions = { ...channelOptions, ...withToken(token) };
  const raw = new EventStoreServiceClient(address, security, clientOptions);
  const health = new HealthClient(address, security, channelOptions);
  const streams = new StreamServiceClient(address, security, clientOptions);
  const none = new Metadata();
  return {
    address,
    token,
    append: (request, options) =>
      unary((done) => raw.append(AppendRequest.fromPartial(request), none, bounded(options), done)),
    appendMulti: (request, options) =>
      unary((done) => raw.appendMulti(AppendMultiRequest.fromPartial(request), none, bounded(options), done)),
    readStream: (request, options) =>
      collect(raw.readStream(ReadStreamRequest.fromPartial(request), bounded(options))),
    getCommit: (request, options) =>
      unary((done) => raw.getCommit(GetCommitRequest.fromPartial(request), none, bounded(options), done)),
    getVersion: (request, options) =>
      unary((done) => raw.getVersion(GetVersionRequest.fromPartial(request), none, bounded(options), done)),
    readByCorrelation: (request, options) =>
      collect(raw.readByCorrelation(ReadByCorrelationRequest.fromPartial(request), bounded(options))),
    readAll: (request = {}, options = {}) =>
      collect(raw.readAll(ReadAllRequest.fromPartial(request), bounded(options))),
    async *subscribe(request = {}, options = {}) {
      const call = raw.subscribe(SubscribeRequest.fromPartial(request), options);
      try {
        yield* messagesOf<SubscribeResponse>(call);
      } finally {
        call.on('error', () => undefined);
        call.cancel();
      }
    },
    async listStreams(request = {}, options = {}) {
      const streams: StreamSummary[] = [];
      const call = raw.listStreams(ListStreamsRequest.fromPartial(request), bounded(options));
      for await (const message of messagesOf<ListStreamsResponse>(call)) streams.push(...message.streams);
      return streams;
    },
    streams: streamCalls(streams),
    serverInfo: () => unary((done) => raw.getServerInfo({}, none, bounded(), done)),
    async health(service = '') {
      const { status } = await unary<HealthCheckResponse>((done) =>
        health.check({ service }, none, bounded(), done),
      );
      return status;
    },
    raw,
    [Symbol.dispose]() {
      raw.close();
      health.close();
      streams.close();
    },
  };
}

function streamCalls(client: StreamServiceClient): StreamCalls {
  const none = new Metadata();
  return {
    get: (request, options) =>
      unary((done) => client.getStream(GetStreamRequest.fromPartial(request), none, bounded(options), done)),
    truncate: (request, options) =>
      unary((done) =>
        client.truncateStream(TruncateStreamRequest.fromPartial(request), none, bounded(options), done),
      ),
    setRetention: (request, options) =>
      unary((done) =>
        client.setRetention(SetRetentionRequest.fromPartial(request), none, bounded(options), done),
      ),
    delete: (request, options) =>
      unary((done) =>
        client.deleteStream(DeleteStreamRequest.fromPartial(request), none, bounded(options), done),
      ),
    tombstone: (request, options) =>
      unary((done) =>
        client.tombstoneStream(TombstoneStreamRequest.fromPartial(request), none, bounded(options), done),
      ),
    erase: (request, options) =>
      unary((done) =>
        client.eraseEvents(EraseEventsRequest.fromPartial(request), none, bounded(options), done),
      ),
  };
}

function bounded(options: CallOptions = {}): CallOptions {
  return { deadline: Date.now() + deadlineMs, ...options };
}

function unary<T>(call: (done: (error: ServiceError | null, response: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error === null) resolve(response);
      else reject(new RpcFailure(error));
    });
  });
}

/** The messages of a server stream as they arrive; fails with RpcFailure. */
export async function* messagesOf<T>(call: AsyncIterable<unknown>): AsyncGenerator<T, void> {
  try {
    for await (const message of call) yield message as T;
  } catch (error) {
    throw isServiceError(error) ? new RpcFailure(error) : error;
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error;
}

interface ReadMessage<Header> {
  readonly events: readonly RecordedEvent[];
  readonly header: Header | undefined;
  readonly end: ReadEnd | undefined;
  readonly position?: bigint | undefined;
}

async function collect<Header>(call: AsyncIterable<unknown>): Promise<Reading<Header>> {
  const messages: ReadMessage<Header>[] = [];
  for await (const message of messagesOf<ReadMessage<Header>>(call)) messages.push(message);
  const events = messages.flatMap((message) => message.events);
  const header = messages[0]?.header;
  const end = messages.at(-1)?.end;
  if (header === undefined || end === undefined) throw new Error('a read ended with OK, but without its end');
  if (messages.slice(1).some((message) => message.header !== undefined)) throw new Error('two headers');
  if (messages.slice(0, -1).some((message) => message.end !== undefined)) throw new Error('two ends');
  if (end.eventCount !== BigInt(events.length)) {
    throw new Error(`${events.length} events came, the end says ${end.eventCount.toString()}`);
  }
  const position = messages.findLast((message) => message.position !== undefined)?.position;
  return { header, events, end, messageCount: messages.length, position };
}
