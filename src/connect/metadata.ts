import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { requestIdKey } from '../grpc/request-id';
import { InvalidRequestError } from '../store/errors';
import type { Protocol } from './protocols';

/** What the gateway reads of the metadata of a call. A browser sends much more, which is not for it. */
const passedOn = ['authorization', requestIdKey, 'traceparent', 'tracestate'];

/** The metadata of the call of gRPC. Throws InvalidRequestError. */
export function metadataOf(headers: IncomingHttpHeaders, { encodingHeader }: Protocol): OutgoingHttpHeaders {
  const metadata: OutgoingHttpHeaders = {};
  for (const key of passedOn) if (headers[key] !== undefined) metadata[key] = headers[key];
  const timeout = timeoutOf(headers);
  if (timeout !== undefined) metadata['grpc-timeout'] = timeout;
  const encoding = headers[encodingHeader];
  if (encoding !== undefined) metadata['grpc-encoding'] = encoding;
  return metadata;
}

/** The longest number in a timeout of gRPC. */
const timeoutMax = 99_999_999;

function timeoutOf(headers: IncomingHttpHeaders): string | undefined {
  const { 'connect-timeout-ms': ms, 'grpc-timeout': grpc } = headers;
  if (typeof grpc === 'string') {
    if (/^\d{1,8}[HMSmun]$/.test(grpc)) return grpc;
    throw invalid('grpc-timeout', 'must be at most 8 digits and a unit, such as 500m');
  }
  if (typeof ms !== 'string') return undefined;
  if (!/^\d{1,10}$/.test(ms))
    throw invalid('connect-timeout-ms', 'must be a whole number of at most 10 digits');
  return Number(ms) <= timeoutMax ? `${ms}m` : `${Math.ceil(Number(ms) / 1_000)}S`;
}

export function invalid(field: string, description: string): InvalidRequestError {
  return new InvalidRequestError([{ field, description }]);
}
