import { grpcCodes, type RpcCounts } from '../grpc/rpc-counts';
import { counter, histogram, type Metric } from './metric';

/** Metrics of calls, named as other gRPC servers name them. */
export function callMetrics(rpcs: readonly RpcCounts[]): Metric[] {
  const perRpc = (count: (rpc: RpcCounts) => number) => () =>
    rpcs.map((rpc) => ({ labels: labelsOf(rpc), value: count(rpc) }));
  return [
    counter(
      'grpc_server_started_total',
      'Calls that have begun.',
      perRpc(({ started }) => started),
    ),
    counter('grpc_server_handled_total', 'Calls that have ended, by their status.', () =>
      rpcs.flatMap((rpc) =>
        grpcCodes.map((code, number) => ({
          labels: { ...labelsOf(rpc), grpc_code: code },
          value: rpc.handled[number] ?? 0,
        })),
      ),
    ),
    histogram('grpc_server_handling_seconds', 'Time of a call, from its headers to its status.', () =>
      rpcs.map((rpc) => ({ histogram: rpc.seconds, labels: labelsOf(rpc) })),
    ),
    counter(
      'grpc_server_msg_received_total',
      'Request messages.',
      perRpc(({ messagesReceived }) => messagesReceived),
    ),
    counter(
      'grpc_server_msg_sent_total',
      'Response messages.',
      perRpc(({ messagesSent }) => messagesSent),
    ),
  ];
}

function labelsOf({ type, service, method }: RpcCounts): Record<string, string> {
  return { grpc_type: type, grpc_service: service, grpc_method: method };
}
