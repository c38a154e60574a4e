import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { durationBounds, Histogram } from '../collections/histogram';

/** The statuses of gRPC by number, as metrics of Go servers name them, for which most dashboards are made. */
export const grpcCodes = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

/** The calls of one RPC since the start. */
export class RpcCounts {
  started = 0;
  messagesReceived = 0;
  messagesSent = 0;
  /** By the number of their status. */
  readonly handled = new Float64Array(grpcCodes.length);
  /** From the headers of a call to its status. */
  readonly seconds = new Histogram(durationBounds);

  constructor(
    readonly service: string,
    readonly method: string,
    readonly type: 'unary' | 'server_stream' | 'bidi_stream',
  ) {}
}

/** The counts of every RPC of these services, by its path. */
export function createRpcCounts(services: readonly ServiceDefinition[]): ReadonlyMap<string, RpcCounts> {
  const methods = services.flatMap((service) => Object.values(service));
  return new Map(methods.map((method) => [method.path, countsOf(method)]));
}

function countsOf({ path, requestStream, responseStream }: MethodDefinition<unknown, unknown>): RpcCounts {
  const [, service = '', method = ''] = path.split('/');
  const type = requestStream ? 'bidi_stream' : responseStream ? 'server_stream' : 'unary';
  return new RpcCounts(service, method, type);
}
