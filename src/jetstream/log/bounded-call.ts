import { setMaxListeners } from 'node:events';
import type { OrderSlot } from '../../store/append-order';
import type { CallContext } from '../../store/event-store';
import type { Trace } from '../../store/trace';
import type { RequestOptions } from '../nats/request-options';

/** Options for one request to NATS on behalf of a call: it takes no longer than the call has left. */
export function within(call: CallContext, timeoutMs: number): RequestOptions {
  return {
    timeoutMs: Math.max(1, Math.min(timeoutMs, call.deadlineMs - performance.now())),
    signal: call.signal,
  };
}

/** Never aborted. */
export const unattended: AbortSignal = new AbortController().signal;
setMaxListeners(0, unattended);

/** For requests on behalf of no call: only the time-out of each request bounds them. */
export const endless: CallContext = { signal: unattended, deadlineMs: Infinity };

/** The call with another deadline. Reads its signal only when asked, since the signal is made at the first use. */
export function withDeadline(call: CallContext, deadlineMs: number): CallContext {
  return new BoundedCall(call, deadlineMs);
}

class BoundedCall implements CallContext {
  constructor(
    private readonly call: CallContext,
    readonly deadlineMs: number,
  ) {}

  get signal(): AbortSignal {
    return this.call.signal;
  }

  get trace(): Trace | undefined {
    return this.call.trace;
  }

  get orderSlot(): OrderSlot | undefined {
    return this.call.orderSlot;
  }
}
