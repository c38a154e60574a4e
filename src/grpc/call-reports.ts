import type { CallSpan } from '../tracing/call-span';
import type { Tracing } from '../tracing/tracing';
import type { CallLog, LoggedCall } from './call-log';
import { connectionOf } from './connections';
import type { Failure } from './failure';
import type { Incoming } from './incoming';
import type { InnerCall } from './inner-call';
import { callEndOf } from './status-codes';

/** A call that is over. */
export interface EndedCall extends LoggedCall {
  readonly trace: CallSpan | undefined;
}

/** Tells of every call, refused ones included: the log, and anyone who collects traces. */
export class CallReports {
  constructor(
    private readonly log: CallLog,
    private readonly tracing: Tracing | undefined,
  ) {}

  begun(path: string, metadata: InnerCall['metadata']): CallSpan | undefined {
    return this.tracing?.begin(path, metadata);
  }

  /** `failure`: what it ended with; undefined: it succeeded. `tookMs`: without the time in which it waited for its caller. */
  ended(call: EndedCall, failure: Failure | undefined, tookMs: number): void {
    if (call.trace !== undefined) {
      call.trace.note({ 'sluice.request_id': call.requestId, 'network.peer.address': call.connection.peer });
      call.trace.end(callEndOf(failure));
    }
    this.log.ended(call, failure, tookMs);
  }

  /** No handler has had the call. */
  refused({ call, kind, identified: access, requestId }: Incoming, failure: Failure): void {
    const { path } = call.handler;
    const trace = this.begun(path, call.metadata);
    this.ended({ requestId, path, kind, access, connection: connectionOf(call.stream), trace }, failure, 0);
  }
}
