import { once } from 'node:events';
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
} from 'node:http2';
import { connect, type Socket } from 'node:net';

/** What gRPC clients never do: calls that stop anywhere, and hand-made frames. */
const service = '/sluice.v1.EventStoreService/';

/**
 * A session whose `destroy` waits for the next turn of the event loop. What a test does after an answer, even after several
 * promises, still runs while Node delivers that answer, and Node 20 corrupts its memory if a session with several calls is
 * destroyed then.
 */
export function openSession(address: string, options?: ClientSessionOptions): ClientHttp2Session {
  const session = connectHttp2(`http://${address}`, { maxSessionMemory: 1_000, ...options });
  session.on('error', () => undefined);
  const destroy = session.destroy.bind(session);
  session.destroy = (...reason) => {
    setImmediate(() => {
      destroy(...reason);
    });
  };
  return session;
}

/** A call whose request is yet to be sent. */
export function openCall(
  session: ClientHttp2Session,
  method: string,
  headers: Readonly<Record<string, string>> = {},
): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': service + method,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

/** The header of a message of this many bytes. */
export function messageHeader(bytes: number, isCompressed = false): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt8(isCompressed ? 1 : 0);
  header.writeUInt32BE(bytes, 1);
  return header;
}

/** The gRPC status of the end of a call; undefined: it ends without a status. */
export function statusOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  return new Promise((resolve) => {
    const note = (headers: Readonly<Record<string, unknown>>): void => {
      if (headers['grpc-status'] !== undefined) resolve(Number(headers['grpc-status']));
    };
    stream.on('response', note).on('trailers', note).resume();
    stream.once('close', () => {
      resolve(undefined);
    });
  });
}

export async function openSocket(address: string): Promise<Socket> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** The first bytes of a connection. */
export function greeting(...frames: readonly Buffer[]): Buffer {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  return Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0)), ...frames]);
}

/** The frame that begins a call. */
export function headersOf(method: string, stream: number): Buffer {
  const fields = {
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': 'localhost',
    ':path': service + method,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const literal = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  const block = Object.entries(fields).map(([name, value]) =>
    Buffer.concat([Buffer.from([0]), literal(name), literal(value)]),
  );
  const endHeaders = 4;
  return frame(1, endHeaders, stream, Buffer.concat(block));
}
