import type { status } from '@grpc/grpc-js';
import { Status } from '../../generated/google/rpc/status';
import { toRpcStatus } from '../grpc/status';
import type { Failure, OriginDeniedError } from '../grpc/failure';
import { requestIdKey } from '../grpc/request-id';

/** How a call ended: its status, with details, and its trailers. */
export interface Ending {
  /** As of gRPC; 0: it succeeded. */
  readonly code: number;
  readonly message: string;
  readonly details: Status['details'];
  readonly trailers: Readonly<Record<string, string>>;
}

/** An end without details, as of an error below gRPC. */
export function plainEnding(code: status, message: string): Ending {
  return { code, message, details: [], trailers: {} };
}

export function endingOf(failure: Failure | OriginDeniedError, trailers: Ending['trailers'] = {}): Ending {
  const { code, message, details } = toRpcStatus(failure, trailers[requestIdKey] ?? '');
  return { code, message, details, trailers };
}

type Headers = Readonly<Record<string, string | string[] | number | boolean | undefined>>;

/** The end in the trailers of gRPC, or in its headers if there was nothing else; undefined: it is not there. */
export function endingIn(headers: Headers): Ending | undefined {
  const { 'grpc-status': code, 'grpc-message': message, 'grpc-status-details-bin': bin, ...rest } = headers;
  if (code === undefined) return undefined;
  const trailers: Record<string, string> = {};
  for (const [key, value] of Object.entries(rest)) {
    if (typeof value === 'string' && !key.startsWith(':') && key !== 'content-type' && key !== 'date')
      trailers[key] = value;
  }
  return { code: Number(code), message: decoded(message), details: detailsIn(bin), trailers };
}

function decoded(message: unknown): string {
  if (typeof message !== 'string') return '';
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

function detailsIn(bin: unknown): Status['details'] {
  return typeof bin === 'string' ? Status.decode(Buffer.from(bin, 'base64')).details : [];
}

/** For the trailer grpc-status-details-bin. */
export function encodeDetails({ code, message, details }: Ending): Buffer {
  return Buffer.from(Status.encode({ code, message, details }).finish());
}
