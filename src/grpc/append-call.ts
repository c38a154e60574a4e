import type { Share } from '../auth/quota';
import type { OrderSlot } from '../store/append-order';
import type { CallSpan } from '../tracing/call-span';
import type { Access, Need } from './access';
import type { Caller } from './call-scope';
import type { Connection } from './connections';

/** The call of a session, for one of its appends that is in order or has a trace. */
export class AppendCall implements Caller {
  constructor(
    private readonly caller: Caller,
    readonly orderSlot: OrderSlot | undefined,
    readonly trace: CallSpan | undefined,
  ) {}

  get signal(): AbortSignal {
    return this.caller.signal;
  }

  get deadlineMs(): number {
    return this.caller.deadlineMs;
  }

  get connection(): Connection {
    return this.caller.connection;
  }

  get access(): Access {
    return this.caller.access;
  }

  get share(): Share | undefined {
    return this.caller.share;
  }

  get principal(): string | undefined {
    return this.caller.principal;
  }

  get path(): string {
    return this.caller.path;
  }

  get requestId(): string {
    return this.caller.requestId;
  }

  hold(need: Need): void {
    this.caller.hold(need);
  }
}
