import { status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { AuditedCall } from './call-audit';
import type { CallKind } from './call-kind';
import type { Failure } from './failure';
import { statusOf } from './status-codes';

/** A call that is over, as far as the log names it. */
export interface LoggedCall extends AuditedCall {
  readonly kind: CallKind;
  readonly requestId: string;
  /** undefined: nobody collects traces. */
  readonly trace: { readonly traceId: string } | undefined;
}

/** Lines about slow calls in one second; a gateway that is slow as a whole must not fill its log. */
const slowLinesMax = 10;

/** Logs calls that are over: each one with the level debug, and slow ones as warnings. */
export class CallLog {
  private second = 0;
  private lines = 0;
  private leftOut = 0;

  constructor(
    private readonly log: Logger,
    private readonly slowCallMs: number,
  ) {}

  /** `failure`: what it ended with; undefined: it succeeded. `tookMs`: without the time in which it waited for its caller. */
  ended(call: LoggedCall, failure: Failure | undefined, tookMs: number): void {
    const isSlow = this.slowCallMs > 0 && tookMs > this.slowCallMs && !call.kind.isOpenEnded;
    if (isSlow) this.slow(call, failure, tookMs);
    else if (this.log.isLevelEnabled('debug')) this.log.debug(fieldsOf(call, failure, tookMs), 'call ended');
  }

  private slow(call: LoggedCall, failure: Failure | undefined, tookMs: number): void {
    const second = Math.floor(performance.now() / 1_000);
    if (second !== this.second) [this.second, this.lines] = [second, 0];
    if (this.lines++ >= slowLinesMax) {
      this.leftOut++;
      return;
    }
    const more = this.leftOut === 0 ? undefined : { leftOut: this.leftOut };
    this.leftOut = 0;
    this.log.warn({ ...fieldsOf(call, failure, tookMs), ...more }, 'slow call');
  }
}

function fieldsOf(call: LoggedCall, failure: Failure | undefined, tookMs: number): object {
  const { requestId, trace, path, access, connection } = call;
  return {
    requestId,
    traceId: trace?.traceId,
    rpc: path,
    principal: access?.identity.principal,
    peer: connection.peer,
    status: failure === undefined ? 'OK' : status[statusOf[failure.code]],
    error: failure?.code,
    tookMs: Math.round(tookMs * 10) / 10,
  };
}
