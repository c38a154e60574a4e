import type { IncomingHttpHeaders } from 'node:http';
import type { DescMethod } from '@bufbuild/protobuf';
import {
  connectStreamReply,
  grpcWebReply,
  linesReply,
  unaryReply,
  type Reply,
  type ReplyOptions,
} from './replies';

/** One of the forms in which calls come over HTTP. */
export interface Protocol {
  readonly isJson: boolean;
  /** Whether the request is in a frame; else it is the body. */
  readonly isFramed: boolean;
  /** The header that says how the request is compressed. */
  readonly encodingHeader: 'content-encoding' | 'connect-content-encoding' | 'grpc-encoding';
  /** The content type of the response. */
  readonly type: string;
  readonly reply: (options: ReplyOptions) => Reply;
}

const connectUnary = { isFramed: false, encodingHeader: 'content-encoding', reply: unaryReply } as const;
const connectStream = {
  isFramed: true,
  encodingHeader: 'connect-content-encoding',
  reply: connectStreamReply,
} as const;
const grpcWeb = { isFramed: true, encodingHeader: 'grpc-encoding', reply: grpcWebReply } as const;

const unary: Readonly<Record<string, Omit<Protocol, 'type'>>> = {
  'application/json': { ...connectUnary, isJson: true },
  'application/proto': { ...connectUnary, isJson: false },
};
const streaming: typeof unary = {
  'application/connect+json': { ...connectStream, isJson: true },
  'application/connect+proto': { ...connectStream, isJson: false },
};
const either: typeof unary = {
  'application/grpc-web': { ...grpcWeb, isJson: false },
  'application/grpc-web+proto': { ...grpcWeb, isJson: false },
  'application/grpc-web+json': { ...grpcWeb, isJson: true },
};
const linesType = 'application/x-ndjson';
const lines: Protocol = { ...connectUnary, isJson: true, type: linesType, reply: linesReply };

/** The form of a request to an RPC; a text that lists the forms if it has another one. */
export function protocolOf(headers: IncomingHttpHeaders, method: DescMethod): Protocol | string {
  const given = headers['content-type'] ?? '';
  const [type = '', ...parameters] = given.split(';').map((part) => part.trim().toLowerCase());
  const isUtf8 = parameters.every((parameter) => /^(charset="?utf-8"?)?$/.test(parameter));
  const isUnary = method.methodKind === 'unary';
  if (!isUnary && isUtf8 && type === 'application/json' && acceptsLines(headers)) return lines;
  const known = { ...(isUnary ? unary : streaming), ...either };
  const found = isUtf8 && Object.hasOwn(known, type) ? known[type] : undefined;
  if (found !== undefined) return { ...found, type };
  const forLines = isUnary ? '' : `, or application/json with accept: ${linesType}`;
  return `is ${given === '' ? 'not given' : `"${given}"`}; ${method.name} takes ${Object.keys(known).join(', ')}${forLines}`;
}

function acceptsLines({ accept = '' }: IncomingHttpHeaders): boolean {
  return accept.split(',').some((one) => one.split(';', 1)[0]?.trim().toLowerCase() === linesType);
}
