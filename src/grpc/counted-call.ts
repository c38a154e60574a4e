import { status } from '@grpc/grpc-js';
import type { InnerCall } from './inner-call';
import type { RpcCounts } from './rpc-counts';

/** One call, for the counts of its RPC. */
class CountedCall {
  private readonly beganMs = performance.now();
  private isOver = false;

  constructor(readonly rpc: RpcCounts) {
    rpc.started++;
  }

  /** The first end counts: a caller may go, or be refused, before the handler knows. */
  end(code: status): void {
    if (this.isOver) return;
    this.isOver = true;
    const { handled, seconds } = this.rpc;
    (handled[code] as number)++;
    seconds.observe((performance.now() - this.beganMs) / 1_000);
  }
}

type WithCount = InnerCall & { counted: CountedCall };

/** Counts a call whose headers have come: every message and every status of it passes here, also those of grpc-js itself. */
export function countCall(call: InnerCall, rpc: RpcCounts): void {
  (call as WithCount).counted = new CountedCall(rpc);
  call.sendMessage = sendCounted;
  call.sendStatus = endCounted;
}

/** The stream of a counted call is closed. */
export function countClosed(call: InnerCall): void {
  (call as WithCount).counted.end(status.CANCELLED);
}

// Without closures, which would take memory in each call. The methods of grpc-js are in the prototype.

function sendCounted(this: InnerCall, message: Buffer, onSent: () => void): void {
  (this as WithCount).counted.rpc.messagesSent++;
  methodsOf(this).sendMessage.call(this, message, onSent);
}

function endCounted(this: InnerCall, status: Parameters<InnerCall['sendStatus']>[0]): void {
  (this as WithCount).counted.end(status.code);
  methodsOf(this).sendStatus.call(this, status);
}

function methodsOf(call: InnerCall): InnerCall {
  return Object.getPrototypeOf(call) as InnerCall;
}
