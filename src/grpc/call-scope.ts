import { setMaxListeners } from 'node:events';
import type { Metadata, ServerWritableStream } from '@grpc/grpc-js';
import type { AnyAuthError } from '../auth/errors';
import type { Share } from '../auth/quota';
import type { Limits } from '../limits';
import { CancelledError, InvalidRequestError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { CallSpan } from '../tracing/call-span';
import type { Access, Need } from './access';
import type { CallAudit } from './call-audit';
import type { CallKind } from './call-kind';
import { connectionOf, type Connection } from './connections';
import { deadlineExceeded, type Failure } from './failure';
import type { Incoming } from './incoming';
import { incomingOf, innerOf } from './request-bytes';
import { givenRequestId, requestIdKey } from './request-id';
import { trailersWith } from './status';

/** A call as the handlers of this room see it. */
export interface Caller extends CallContext {
  /** The client connection that the call came over. */
  readonly connection: Connection;
  /** The identity of the caller, and what it may do now. */
  readonly access: Access;
  /** What the call is counted in besides its connection; undefined: nothing. */
  readonly share: Share | undefined;
  /** As gRPC calls the RPC. */
  readonly path: string;
  /** See `requestIdOf`. */
  readonly requestId: string;
  readonly trace: CallSpan | undefined;
  /** Notes what must stay granted while the call is open. */
  hold(need: Need): void;
}

/** What all calls of grpc-js have in common. */
export type AnyCall = Pick<
  ServerWritableStream<unknown, unknown>,
  'metadata' | 'cancelled' | 'getDeadline' | 'getPath'
> & {
  on(event: 'cancelled', listener: () => void): unknown;
  off(event: 'cancelled', listener: () => void): unknown;
};

/** A timer with a longer time would fire at once. */
const timerMsMax = 2 ** 31 - 1;
/** The typed error has to reach the caller before the deadline, at which gRPC ends the call on both sides. */
const answerMarginMaxMs = 100;
const answerMarginShare = 0.1;

/**
 * A call while it is served. A class, since a getter in an object literal would get a hidden class of its own for each call, in
 * the old generation, which keeps all of the call until the next full collection.
 */
export class CallScope implements Caller {
  readonly deadlineMs: number;
  readonly connection: Connection;
  readonly access: Access;
  readonly share: Share | undefined;
  /** undefined: nothing but an identity. */
  need: Need | undefined;
  /** What its caller gets with its end, unless it fails; undefined: nothing. */
  trailers: Metadata | undefined;
  /** How long it has waited for its caller to take what it sends. */
  waitedMs = 0;
  private readonly incoming: Incoming;
  private readonly beganAtMs = performance.now();
  private sentAtMs: number | undefined;
  /** Instead of `abort`, for a call that has to finish something first. */
  onAccessLost: ((error: AnyAuthError) => void) | undefined;
  private reason: Failure | undefined;
  /** Made on demand: most appends never need a signal. */
  private controller: AbortController | undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly call: AnyCall,
    private readonly audit: CallAudit,
    readonly trace: CallSpan | undefined,
  ) {
    const callMs = Number(call.getDeadline()) - Date.now();
    const leftMs = Math.floor(callMs - Math.min(answerMarginMaxMs, callMs * answerMarginShare));
    this.deadlineMs = performance.now() + leftMs;
    this.connection = connectionOf(innerOf(call).stream);
    this.incoming = incomingOf(call);
    this.incoming.isEntered = true;
    this.access = this.incoming.access;
    this.share = this.incoming.share;
    if (leftMs <= timerMsMax) this.timer = setTimeout(this.onDeadline, leftMs);
    call.on('cancelled', this.onCancelled);
    if (call.cancelled) this.onCancelled();
  }

  get path(): string {
    return this.call.getPath();
  }

  get kind(): CallKind {
    return this.incoming.kind;
  }

  get requestId(): string {
    return this.incoming.requestId;
  }

  /** What the call was ended with from outside, before its handler noticed. */
  get refusal(): Failure | undefined {
    return this.incoming.refusal;
  }

  /** Everything was sent: from now on it only waits for its caller. */
  doneSending(): void {
    this.sentAtMs = performance.now();
  }

  /** How long the gateway has worked on it, in milliseconds. */
  get tookMs(): number {
    return (this.sentAtMs ?? performance.now()) - this.beganAtMs - this.waitedMs;
  }

  get principal(): string | undefined {
    return this.access.recorded;
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      setMaxListeners(0, this.controller.signal); // one for each request to NATS that waits
      if (this.reason !== undefined) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  /** The same as that of the signal, without making one. */
  throwIfAborted(): void {
    if (this.reason !== undefined) throw this.reason;
  }

  hold(need: Need): void {
    const isKnown = this.need?.patterns.join() === need.patterns.join();
    this.need = need;
    if (!isKnown) this.audit.begun(this, need);
  }

  /** Ends the call, because its caller may no longer have it. */
  loseAccess(error: AnyAuthError): void {
    if (this.onAccessLost === undefined) this.abort(error);
    else this.onAccessLost(error);
  }

  /** `failure`: what the call ends with; undefined: it succeeds. */
  close(failure?: Failure): void {
    if (this.need !== undefined) this.audit.ended(this, this.need, failure);
    clearTimeout(this.timer);
    this.call.off('cancelled', this.onCancelled);
  }

  private readonly onCancelled = (): void => {
    this.abort(new CancelledError('the caller has gone'));
  };

  private readonly onDeadline = (): void => {
    this.abort(deadlineExceeded());
  };

  /** Ends the call for this reason, unless it has ended for another one. */
  abort(reason: Failure): void {
    this.reason ??= reason;
    this.controller?.abort(this.reason);
  }
}

/**
 * Returns the trailers of the call; undefined: none. Throws InvalidRequestError. The only other bound are the 64 KiB at which HTTP/2
 * refuses the call.
 */
export function checkMetadata(
  { metadata }: AnyCall,
  { requestMetadataBytesMax }: Limits,
): Metadata | undefined {
  let bytes = 0;
  let requestId: string | undefined;
  for (const [key, values] of Object.entries(metadata.toJSON())) {
    for (const value of values) bytes += key.length + value.length;
    if (key === requestIdKey) requestId = givenRequestId(values);
  }
  if (bytes <= requestMetadataBytesMax) return requestId === undefined ? undefined : trailersWith(requestId);
  const description = `has ${bytes} bytes, more than the limit of ${requestMetadataBytesMax}`;
  throw new InvalidRequestError([{ field: 'grpc_metadata', description }]);
}
