import type { OrderSlot } from '../store/append-order';
import type { Caller } from './call-scope';
import type { Connection } from './connections';

/** The call of the session for an append in order. */
export class OrderedCall implements Caller {
  constructor(
    private readonly call: Caller,
    readonly orderSlot: OrderSlot,
  ) {}

  get signal(): AbortSignal {
    return this.call.signal;
  }

  get deadlineMs(): number {
    return this.call.deadlineMs;
  }

  get connection(): Connection {
    return this.call.connection;
  }
}
