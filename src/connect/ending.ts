import { status } from '@grpc/grpc-js';
import { ErrorInfo, RequestInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import { toRpcStatus } from '../grpc/status';
import type { Failure } from '../grpc/failure';
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

export function endingOf(failure: Failure, trailers: Ending['trailers'] = {}): Ending {
  const { code, message, details } = toRpcStatus(failure, trailers['x-request-id'] ?? '');
  return { code, message, details, trailers };
}

/** A call that a web page may not make. As other denials, with the origin in place of an action. */
export function originDenied(origin: string, requestId: string): Ending {
  const message = `web pages of ${origin} may make no calls (--http-origins)`;
  const info = ErrorInfo.encode({
    reason: 'ACCESS_DENIED',
    domain: 'sluice.v1',
    metadata: new Map([['origin', origin]]),
  });
  const request = RequestInfo.encode({ requestId, servingData: '' });
  const details = [
    { typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: Buffer.from(info.finish()) },
    { typeUrl: 'type.googleapis.com/google.rpc.RequestInfo', value: Buffer.from(request.finish()) },
  ];
  return { code: status.PERMISSION_DENIED, message, details, trailers: { [requestIdKey]: requestId } };
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
