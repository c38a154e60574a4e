import type { ServerInterceptor } from '@grpc/grpc-js';
import type { Limits } from '../limits';
import { CompactingMap } from '../collections/compacting-map';
import { createKindOf } from './call-kind';
import type { CallReports } from './call-reports';
import { connectionOf } from './connections';
import { countCall, countClosed } from './counted-call';
import type { FailureCounts } from './failure-counts';
import type { Identify } from './identify-caller';
import type { Held } from './held';
import { createInflate } from './inflate';
import { Incoming, type Surroundings } from './incoming';
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
  const held = { heldBytes: 0 };
  const surroundings: Surroundings = {
    limits,
    held,
    makeSpace() {
      refuseLargest(calls.values(), held, limits);
    },
    begun(incoming) {
      open++;
      calls.set(begun, incoming);
      return begun++;
    },
    over() {
      open--;
    },
    closed({ call, number }) {
      calls.delete(number);
      countClosed(call);
    },
    refused(incoming, error) {
      failures.note(error);
      if (!incoming.isEntered) reports.refused(incoming, error);
    },
  };
  const kindOf = createKindOf(limits, rpcs);
  const decompress = createDecompress(limits);
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
      return held.heldBytes;
    },
    intercept({ path, requestStream }, outer) {
      // This is the only interceptor, so `outer` is the call itself. Another one would slow down every call.
      const call = outer as unknown as InnerCall;
      const connection = connectionOf(call.stream);
      const kind = kindOf(path, requestStream);
      countCall(call, kind.rpc);
      const incoming = new Incoming(call, kind, connection, surroundings);
      call.decoder = incoming;
      call.decompressMessage = decompress;
      if (open > limits.callsMax) incoming.refuse('callsMax', `${open - 1} calls are open`);
      else identify({ call, incoming, path, connection });
      return outer as unknown as ReturnType<ServerInterceptor>;
    },
    close() {
      clearInterval(timer);
    },
  };
}

/** Refuses calls of the connections that hold the most, until an eighth is free, so that this is rare. */
function refuseLargest(calls: readonly Incoming[], held: Held, { heldBytesMax }: Limits): void {
  const largest = calls
    .filter((incoming) => incoming.isRefusable)
    .sort((a, b) => b.connection.heldBytes - a.connection.heldBytes || b.heldBytes - a.heldBytes);
  for (const incoming of largest) {
    if (held.heldBytes <= (heldBytesMax / 8) * 7 || held.heldBytes === incoming.heldBytes) return;
    incoming.refuse('heldBytesMax', `${held.heldBytes} bytes of requests wait already`);
  }
}

/** Replaces `decompressMessage` of a call: inflates what is compressed in bounds. */
function createDecompress(limits: Limits): InnerCall['decompressMessage'] {
  const inflate = createInflate(limits);
  return function (this: InnerCall, message, encoding) {
    const { decoder } = this;
    const isCompressed = message[0] === 1 && decoder instanceof Incoming;
    const inflated = isCompressed ? inflate(decoder, message, encoding) : undefined;
    const plain = Object.getPrototypeOf(this) as InnerCall;
    return inflated ?? plain.decompressMessage.call(this, message, encoding);
  };
}
