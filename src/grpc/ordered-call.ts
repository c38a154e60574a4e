import type { OrderSlot } from '../store/append-order';
import type { CallContext } from '../store/event-store';

/** The call of the session for an append in order. */
export class OrderedCall implements CallContext {
  constructor(
    private readonly call: CallContext,
    readonly orderSlot: OrderSlot,
  ) {}

  get signal(): AbortSignal {
    return this.call.signal;
  }

  get deadlineMs(): number {
    return this.call.deadlineMs;
  }

  get connection(): string | undefined {
    return this.call.connection;
  }
}
