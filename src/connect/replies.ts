import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { fromBinary, toJson, type DescMethod } from '@bufbuild/protobuf';
import { contract } from '../grpc/contract';
import { connectCodeOf } from './codes';
import { encodeDetails, type Ending } from './ending';
import { frame } from './frames';
import { decodeToJson } from './json';

/** How the messages and the end of a call get to its caller. */
export interface Reply {
  /** Resolves when the caller has taken enough for the next one, or has gone. */
  message(bytes: Buffer): Promise<void>;
  end(ending: Ending): void;
}

export interface ReplyOptions {
  readonly response: ServerResponse;
  readonly method: DescMethod;
  readonly isJson: boolean;
  readonly type: string;
  /** Besides those that follow from the call. */
  readonly headers: OutgoingHttpHeaders;
}

/** An error as the Connect protocol writes it. */
function errorOf({ code, message, details }: Ending): object {
  return { code: connectCodeOf(code).name, message, details: details.map(detailOf) };
}

type Detail = Ending['details'][number];

/** `debug` is for people; programs decode `value`. */
function detailOf({ typeUrl, value }: Detail): object {
  const type = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
  const known = contract.getMessage(type);
  const debug = known && toJson(known, fromBinary(known, value), { registry: contract });
  return { type, value: base64(value), debug };
}

/** Without padding, as both protocols write it. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '');
}

/** The whole answer is an error, in JSON. */
export function sendError(
  response: ServerResponse,
  ending: Ending,
  headers: OutgoingHttpHeaders,
  httpStatus = connectCodeOf(ending.code).http,
): void {
  sendAll(response, httpStatus, Buffer.from(`${JSON.stringify(errorOf(ending))}\n`), {
    ...headers,
    ...trailerHeaders(ending),
    'content-type': 'application/json',
  });
}

function trailerHeaders({ trailers }: Ending): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(trailers).map(([key, value]) => [`trailer-${key}`, value]));
}

function sendAll(
  response: ServerResponse,
  httpStatus: number,
  body: Uint8Array,
  headers: OutgoingHttpHeaders,
): void {
  response.writeHead(httpStatus, { ...headers, 'content-length': body.length });
  response.end(body);
}

/** One message, as the body of the response. */
export function unaryReply({ response, method, isJson, type, headers }: ReplyOptions): Reply {
  let body: Uint8Array = Buffer.alloc(0);
  return {
    message(bytes) {
      body = isJson ? Buffer.from(`${decodeToJson(method.output, bytes)}\n`) : bytes;
      return Promise.resolve();
    },
    end(ending) {
      if (ending.code !== 0) sendError(response, ending, headers);
      else sendAll(response, 200, body, { ...headers, ...trailerHeaders(ending), 'content-type': type });
    },
  };
}

/** Frames, the last of which has the end. */
function framedReply(options: ReplyOptions, last: (ending: Ending) => Buffer): Reply {
  const { response, method, isJson, type, headers } = options;
  const begin = (): void => {
    if (!response.headersSent) response.writeHead(200, { ...headers, 'content-type': type });
  };
  return {
    message(bytes) {
      begin();
      return write(response, frame(0, isJson ? Buffer.from(decodeToJson(method.output, bytes)) : bytes));
    },
    end(ending) {
      begin();
      response.end(last(ending));
    },
  };
}

const connectEndFlag = 2;

export function connectStreamReply(options: ReplyOptions): Reply {
  return framedReply(options, (ending) => {
    const metadata = Object.fromEntries(
      Object.entries(ending.trailers).map(([key, value]) => [key, [value]]),
    );
    const end = ending.code === 0 ? { metadata } : { error: errorOf(ending), metadata };
    return frame(connectEndFlag, Buffer.from(JSON.stringify(end)));
  });
}

const grpcWebTrailersFlag = 0x80;

export function grpcWebReply(options: ReplyOptions): Reply {
  return framedReply(options, (ending) => {
    const { code, message, details, trailers } = ending;
    const bin = details.length === 0 ? [] : [['grpc-status-details-bin', base64(encodeDetails(ending))]];
    const lines = [
      ['grpc-status', code.toString()],
      ['grpc-message', encodeURIComponent(message)],
      ...bin,
      ...Object.entries(trailers),
    ];
    return frame(grpcWebTrailersFlag, Buffer.from(lines.map((line) => `${line.join(': ')}\r\n`).join('')));
  });
}

/** One message a line; an error is the last line, `{"error": …}`. */
export function linesReply({ response, method, type, headers }: ReplyOptions): Reply {
  const begin = (httpStatus: number): void => {
    if (!response.headersSent) response.writeHead(httpStatus, { ...headers, 'content-type': type });
  };
  return {
    message(bytes) {
      begin(200);
      return write(response, Buffer.from(`${decodeToJson(method.output, bytes)}\n`));
    },
    end(ending) {
      begin(ending.code === 0 ? 200 : connectCodeOf(ending.code).http);
      response.end(ending.code === 0 ? undefined : `${JSON.stringify({ error: errorOf(ending) })}\n`);
    },
  };
}

/** Until the caller has taken so much that more can be written, or has gone. */
function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  if (response.destroyed || response.write(bytes)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.once('drain', done).once('close', done);
  });
}
