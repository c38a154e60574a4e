import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { BinaryReader, type BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  AppendRequest,
  AppendResponse,
  GetVersionRequest,
  GetVersionResponse,
  ReadByCorrelationRequest,
  ReadEnd,
  ReadStreamRequest,
} from '../generated/sluice/v1/event_store_service';
import { toRequest } from './generated-peer';
import type { Peer } from './peer';

const windowBytes = 1 << 20;
const prefixBytes = 5;
/** Field numbers of the responses to reads. */
const field = { events: 1, end: 3 } as const;

/**
 * The gateway at the wire: hand-written gRPC over `node:http2`. A call costs a fraction of one of grpc-js, and events are not
 * decoded, so the load leaves the processors to the servers. Reads count events, and compare the count with that of the end of the
 * read.
 */
export async function wirePeer(address: string): Promise<Peer> {
  const session = connect(`http://${address}`, { settings: { initialWindowSize: windowBytes } });
  await once(session, 'connect');
  session.setLocalWindowSize(windowBytes);
  return {
    async append(stream, events, version) {
      const expectedVersion = BigInt(version);
      const request = AppendRequest.fromPartial({ stream, events: [...events], expectedVersion });
      const response = AppendResponse.decode(await unary(session, 'Append', AppendRequest.encode(request)));
      if (response.version !== expectedVersion + BigInt(events.length)) throw new Error('a wrong version');
    },
    read: (stream, range) =>
      countEvents(session, 'ReadStream', ReadStreamRequest.encode(toRequest(stream, range))),
    async version(stream) {
      const request = GetVersionRequest.encode({ stream, asOf: undefined });
      return Number(GetVersionResponse.decode(await unary(session, 'GetVersion', request)).version);
    },
    appendMulti: () => Promise.reject(new Error('not measured at the wire')),
    correlation(correlationId) {
      const request = ReadByCorrelationRequest.fromPartial({ correlationId });
      return countEvents(session, 'ReadByCorrelation', ReadByCorrelationRequest.encode(request));
    },
    catchUp: () => Promise.reject(new Error('measured through the generated client')),
    follow: () => Promise.reject(new Error('measured through the generated client')),
  };
}

async function unary(session: ClientHttp2Session, rpc: string, request: BinaryWriter): Promise<Uint8Array> {
  let response: Uint8Array | undefined;
  await call(session, rpc, request, (message) => {
    response = message;
  });
  if (response === undefined) throw new Error(`${rpc} has no response`);
  return response;
}

async function countEvents(session: ClientHttp2Session, rpc: string, request: BinaryWriter): Promise<number> {
  let count = 0;
  let announced: bigint | undefined;
  await call(session, rpc, request, (message) => {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number === field.end) {
        announced = ReadEnd.decode(reader, reader.uint32()).eventCount;
        continue;
      }
      if (number === field.events) count++;
      reader.skip(wireType, number);
    }
  });
  if (announced !== BigInt(count)) throw new Error(`${String(announced)} events announced, ${count} came`);
  return count;
}

/** One call; passes on each message of the response. Throws if the call does not end with OK. */
function call(
  session: ClientHttp2Session,
  rpc: string,
  request: BinaryWriter,
  onMessage: (message: Uint8Array) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: `/sluice.v1.EventStoreService/${rpc}`,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    });
    let status: unknown;
    const takeStatus = (headers: Record<string, unknown>): void => {
      status = headers['grpc-status'] ?? status;
    };
    stream.on('response', takeStatus).on('trailers', takeStatus).on('error', reject);
    stream.on('data', splitter(onMessage));
    stream.on('end', () => {
      if (status === '0') resolve();
      else reject(new Error(`${rpc} ended with status ${String(status)}`));
    });
    send(stream, request.finish());
  });
}

function send(stream: ClientHttp2Stream, request: Uint8Array): void {
  const framed = Buffer.allocUnsafe(prefixBytes + request.length);
  framed[0] = 0;
  framed.writeUInt32BE(request.length, 1);
  framed.set(request, prefixBytes);
  stream.end(framed);
}

/** Splits chunks into messages. */
function splitter(onMessage: (message: Uint8Array) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let wanted = prefixBytes;
  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < wanted) return;
    let rest = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    for (;;) {
      wanted = rest.length < prefixBytes ? prefixBytes : prefixBytes + rest.readUInt32BE(1);
      if (rest.length < wanted || rest.length < prefixBytes) break;
      onMessage(rest.subarray(prefixBytes, wanted));
      rest = rest.subarray(wanted);
    }
    chunks = rest.length > 0 ? [rest] : [];
    bytes = rest.length;
  };
}
