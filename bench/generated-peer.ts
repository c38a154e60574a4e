import { credentials, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import {
  AppendRequest,
  Direction,
  EventStoreServiceClient,
  ReadByCorrelationRequest,
  ReadStreamRequest,
  SubscribeRequest,
  type AppendMultiResponse,
  type AppendResponse,
  type GetVersionResponse,
  type ReadByCorrelationResponse,
  type ReadStreamResponse,
  type SubscribeResponse,
} from '../generated/sluice/v1/event_store_service';
import { newEvents } from './events';
import type { ReadRange } from './job';
import type { Peer } from './peer';

/** The window of the TypeScript client: the 64 KiB of grpc-js would halve the throughput of a stream. */
const options = { 'grpc-node.flow_control_window': 1 << 20 };

/** The gateway through the generated client on one channel. The gateway generates the commit ids, unless they are set. */
export function generatedPeer(address: string, newCommitId: () => string = () => ''): Peer {
  const client = new EventStoreServiceClient(address, credentials.createInsecure(), options);
  return {
    async append(stream, events, version) {
      const expectedVersion = BigInt(version);
      const commitId = newCommitId();
      const request = AppendRequest.fromPartial({ stream, events: [...events], expectedVersion, commitId });
      const response = await unary<AppendResponse>((done) => client.append(request, done));
      if (response.version !== expectedVersion + BigInt(events.length)) throw new Error('a wrong version');
    },
    async appendMulti(streams, version) {
      const appends = streams.map((stream) => ({
        stream,
        events: newEvents(1),
        expectedVersion: BigInt(version),
        mustExist: false,
      }));
      const request = { appends, checks: [], commitId: '', condition: undefined, validateOnly: false };
      const response = await unary<AppendMultiResponse>((done) => client.appendMulti(request, done));
      if (response.streams.length !== streams.length) throw new Error('a stream is missing');
    },
    read: (stream, range) => readAll(client.readStream(toRequest(stream, range))),
    async version(stream) {
      const response = await unary<GetVersionResponse>((done) =>
        client.getVersion({ stream, asOf: undefined }, done),
      );
      return Number(response.version);
    },
    correlation: (id) =>
      readAll(client.readByCorrelation(ReadByCorrelationRequest.fromPartial({ correlationId: id }))),
    catchUp: (pattern, events) =>
      new Promise((resolve, reject) => {
        let left = events;
        const request = { patterns: pattern === '>' ? [] : [pattern] };
        const call = client.subscribe(SubscribeRequest.fromPartial(request));
        call.on('error', reject);
        call.on('data', (message: SubscribeResponse) => {
          left -= message.events.length;
          if (left > 0) return;
          if (left < 0) reject(new Error(`${-left} events too many came`));
          resolve();
          call.cancel();
        });
      }),
    follow: (pattern, onEvent) =>
      new Promise((resolve, reject) => {
        const call = client.subscribe(SubscribeRequest.fromPartial({ patterns: [pattern], fromNow: true }));
        call.on('error', reject);
        call.on('data', ({ events, notice }: SubscribeResponse) => {
          for (const { id } of events) onEvent(id);
          if (notice?.$case !== 'caughtUp') return;
          resolve(() => {
            call.cancel();
          });
        });
      }),
  };
}

export function toRequest(stream: string, range: ReadRange): ReadStreamRequest {
  if (range === 'all') return ReadStreamRequest.fromPartial({ stream });
  if ('from' in range) return ReadStreamRequest.fromPartial({ stream, fromVersion: range.from });
  return ReadStreamRequest.fromPartial({ stream, direction: Direction.BACKWARD, maxCount: range.last });
}

function unary<T>(call: (done: (error: ServiceError | null, response: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}

type ReadMessage = ReadStreamResponse | ReadByCorrelationResponse;

function readAll(call: ClientReadableStream<ReadMessage>): Promise<number> {
  return new Promise((resolve, reject) => {
    let count = 0;
    let ended = false;
    call.on('data', ({ events, end }: ReadMessage) => {
      count += events.length;
      ended ||= end !== undefined;
    });
    call.on('error', reject);
    call.on('end', () => {
      if (ended) resolve(count);
      else reject(new Error('a read without an end'));
    });
  });
}
