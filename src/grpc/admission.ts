import { status, type ServerInterceptor } from '@grpc/grpc-js';
import type { Limits } from '../limits';
import { CompactingMap } from '../collections/compacting-map';
import { connectionOf } from './connections';
import type { CallReports } from './call-reports';
import { countCall } from './counted-call';
import { isAppend, type Failure } from './failure';
import type { FailureCounts } from './failure-counts';
import type { Identify } from './identify-caller';
import { createInflate } from './inflate';
import { Incoming, type Held } from './incoming';
import type { InnerCall } from './inner-call';
import type { RpcCounts } from './rpc-counts';

/**
 * Admits calls. Each call of each service passes here before its body is read: its caller is identified, and what callers send is
 * bounded until it is dealt with, for each call, for each connection, and in all.
 */
export interface Admission {
  readonly intercept: ServerInterceptor;
  /** How many calls are open. */
  readonly callsOpen: number;
  /** Bytes of requests that no handler has taken yet. */
  readonly heldBytes: number;
  readonly close: () => void;
}

const sweepIntervalMs = 1_000;
const session = '/sluice.v1.EventStoreService/AppendSession';
const ours = /^\/sluice\.v1\.EventStoreService\//;

export interface AdmissionOptions {
  readonly limits: Limits;
  readonly identify: Identify;
  readonly rpcs: ReadonlyMap<string, RpcCounts>;
  readonly failures: FailureCounts;
  readonly reports: CallReports;
}

export function createAdmission({ limits, identify, rpcs, failures, reports }: AdmissionOptions): Admission {
  const calls = new CompactingMap<number, Incoming>();
  let begun = 0;
  /** Without those that are over: a refused caller that does not close its calls takes no place of others. */
  let open = 0;
  const over = (): void => {
    open--;
  };
  const refused = (incoming: Incoming, error: Failure): void => {
    failures.note(error);
    if (!incoming.isEntered) reports.refused(incoming, error);
  };
  const gateway: Held = { heldBytes: 0 };
  const inflate = createInflate(limits);
  const makeSpace = (): void => {
    refuseLargest(calls.values(), gateway, limits);
  };
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const incoming of calls.values()) incoming.check(nowMs);
  }, sweepIntervalMs);
  timer.unref();
  return {
    get callsOpen() {
      return open;
    },
    get heldBytes() {
      return gateway.heldBytes;
    },
    intercept({ path, requestStream }, outer) {
      // This is the only interceptor, so `outer` is the call itself. Another one would slow down every call.
      const call = outer as unknown as InnerCall;
      const number = begun++;
      const connection = connectionOf(call.stream);
      const counted = countCall(call, rpcs.get(path) as RpcCounts);
      const incoming = new Incoming(call, {
        limits,
        messageBytesMax: ours.test(path) && isAppend(path) ? limits.requestBytesMax : limits.queryBytesMax,
        kind: requestStream ? 'many' : ours.test(path) ? 'one' : 'foreign',
        mayBeIdle: path === session,
        connection,
        gateway,
        counted,
        makeSpace,
        ended() {
          calls.delete(number);
          counted.end(status.CANCELLED);
        },
        over,
        refused,
      });
      const decompress = call.decompressMessage.bind(call);
      call.decoder = incoming;
      call.decompressMessage = (message, encoding) =>
        (message[0] === 1 && inflate(incoming, message, encoding)) || decompress(message, encoding);
      calls.set(number, incoming);
      if (++open > limits.callsMax) incoming.refuse('callsMax', `${open - 1} calls are open`);
      else identify({ call, incoming, path, connection });
      return outer as unknown as ReturnType<ServerInterceptor>;
    },
    close() {
      clearInterval(timer);
    },
  };
}

/** Refuses calls of the connections that hold the most, until an eighth is free, so that this is rare. */
function refuseLargest(calls: readonly Incoming[], gateway: Held, { heldBytesMax }: Limits): void {
  const largest = calls
    .filter((incoming) => incoming.isRefusable)
    .sort(
      (a, b) => b.options.connection.heldBytes - a.options.connection.heldBytes || b.heldBytes - a.heldBytes,
    );
  for (const incoming of largest) {
    if (gateway.heldBytes <= (heldBytesMax / 8) * 7 || gateway.heldBytes === incoming.heldBytes) return;
    incoming.refuse('heldBytesMax', `${gateway.heldBytes} bytes of requests wait already`);
  }
}
