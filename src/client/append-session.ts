import { status } from '@grpc/grpc-js';
import {
  AppendSessionResponse,
  EventStoreServiceService,
  SessionAppend,
  type SessionAnswer,
} from '../../generated/sluice/v1/event_store_service';
import {
  requestedCommit,
  toAppendRequest,
  toAppendResult,
  type AppendConditions,
  type AppendResult,
} from './append';
import { CompactingMap } from '../collections/compacting-map';
import { duplexStream } from './authorized-calls';
import type { CallOptions, Duplex, DuplexEnd, DuplexListener } from './calls';
import type { Channel } from './channel';
import { CancelledError, OverloadedError } from './errors';
import type { NewEvent } from './event';
import { statusFailure } from './failure';
import { beginSpan, type ClientSpan } from './spans';
import { decode, written } from './text';
import { toError, toSessionError, type RequestedCommit } from './to-error';

/** How to open a session. Without `deadlineMs` it may stay open without limit. */
export interface AppendSessionOptions extends CallOptions {
  /** The largest number of appends that may wait for their responses. Default: 1,024. */
  readonly pendingMax?: number | undefined;
  /**
   * True: the commits are stored in the order of the calls, over all streams. After one that failed no other is stored: they
   * fail with CancelledError, whose `cause` is the error of the first. This is slower.
   */
  readonly inOrder?: boolean | undefined;
}

/** Appends over one call, each sent without waiting for the responses to those before it. */
export interface AppendSession extends AsyncDisposable {
  /**
   * Appends like `append` of the client. Appends to one stream are stored in the order of the calls, and one that fails does
   * not stop the others. If an append fails because its `expectedVersion` depends on an earlier one that failed, the error of
   * that one is its `cause`. Fails with OverloadedError if `pendingMax` appends are pending: wait for `ready`.
   *
   *     for (const order of orders) {
   *       await session.ready();
   *       results.push(session.append(order.stream, order.events, { expectedVersion: 0 }));
   *     }
   *
   * If the session ends before the response, the append fails with OutcomeUnknownError where the commit may be stored.
   */
  append(stream: string, events: readonly NewEvent[], options?: AppendConditions): Promise<AppendResult>;
  /** Resolves when fewer than `pendingMax` appends are pending; fails if the session has ended. */
  ready(): Promise<void>;
  /** Ends the session, and resolves when all appends have their responses; fails if the session ended with an error. */
  close(): Promise<void>;
}

interface Pending {
  readonly commit: RequestedCommit | undefined;
  /** A field of AppendSessionRequest, until it is sent. */
  bytes: Uint8Array | undefined;
  readonly span: ClientSpan | undefined;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

const pendingMaxDefault = 1_024;
/** The size of one message, unless a single append is larger. */
const messageBytesMax = 128 << 10;
const appendsTag = (1 << 3) | 2;

export function appendSession(channel: Channel, options: AppendSessionOptions): AppendSession {
  const session = new OpenSession(channel, options);
  return {
    append: (stream, events, conditions = {}) => session.append(stream, events, conditions),
    ready: () => session.ready(),
    close: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

class OpenSession implements DuplexListener {
  private readonly call: Duplex;
  private readonly pendingMax: number;
  private readonly inOrder: boolean;
  private pending = new CompactingMap<bigint, Pending>();
  private unsent: Pending[] = [];
  /** The callers of `ready` that wait. */
  private readonly waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  /** The errors of the newest failed appends, by tag: the cause of errors of appends that depended on them. */
  private readonly failed = new Map<bigint, Error>();
  private tags = 0n;
  private closing = false;
  private blocked = false;
  private end: { readonly error: Error | undefined } | undefined;

  constructor(
    private readonly channel: Channel,
    options: AppendSessionOptions,
  ) {
    this.pendingMax = options.pendingMax ?? pendingMaxDefault;
    this.inOrder = options.inOrder ?? false;
    this.call = duplexStream(channel, EventStoreServiceService.appendSession, options, this);
    channel.closed.addEventListener('abort', this.finish, { once: true });
  }

  append(stream: string, events: readonly NewEvent[], conditions: AppendConditions): Promise<AppendResult> {
    // A throw within the executor rejects the promise.
    return new Promise((resolve, reject) => {
      this.throwIfClosed();
      if (this.pending.size >= this.pendingMax) {
        const message = `${this.pendingMax} appends of the session are pending; wait for ready()`;
        throw new OverloadedError({ message, status: status.RESOURCE_EXHAUSTED }, 0);
      }
      const request = toAppendRequest(stream, events, conditions, this.channel);
      const tag = ++this.tags;
      const span = beginSpan(EventStoreServiceService.appendSession.path, 'append');
      const message = { tag, append: request, inOrder: this.inOrder, traceContext: span?.traceContext };
      const bytes = written((writer) =>
        SessionAppend.encode(message, writer.uint32(appendsTag).fork()).join(),
      );
      this.add(tag, { commit: requestedCommit(request), bytes, span, resolve, reject });
    });
  }

  async ready(): Promise<void> {
    this.throwIfClosed();
    if (this.pending.size < this.pendingMax) return;
    await new Promise<void>((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  async close(): Promise<void> {
    this.finish();
    await this.call.ended;
    this.throwIfFailed();
  }

  onDrain(): void {
    this.blocked = false;
    this.flush();
  }

  onResponse(bytes: Buffer): void {
    for (const answer of decode(AppendSessionResponse, bytes).answers) this.take(answer);
    for (const { resolve } of this.waiting.splice(0, this.pendingMax - this.pending.size)) resolve();
  }

  onEnd({ failure, reason }: DuplexEnd): void {
    const error = reason ?? (failure.status === status.OK ? undefined : toError(failure));
    this.end = { error };
    this.channel.closed.removeEventListener('abort', this.finish);
    for (const { commit, bytes, span, reject } of this.pending.values()) {
      reject(reason ?? toSessionError(failure, bytes === undefined ? commit : undefined));
      span?.end(failure.status);
    }
    this.pending = new CompactingMap();
    this.unsent = [];
    for (const { reject } of this.waiting.splice(0)) reject(error ?? closedError());
  }

  private readonly finish = (): void => {
    if (this.closing) return;
    this.closing = true;
    this.flush();
  };

  private throwIfFailed(): void {
    if (this.end?.error !== undefined) throw this.end.error;
  }

  private throwIfClosed(): void {
    this.throwIfFailed();
    if (this.closing || this.end !== undefined) throw closedError();
  }

  private take({ tag, outcome, failedTag }: SessionAnswer): void {
    const entry = this.pending.get(tag);
    if (entry === undefined || outcome === undefined) return;
    this.pending.delete(tag);
    entry.span?.end(outcome.$case === 'result' ? status.OK : outcome.value.code);
    if (outcome.$case === 'result') {
      entry.resolve(toAppendResult(outcome.value));
      return;
    }
    const cause = failedTag === undefined ? undefined : this.failed.get(failedTag);
    const error = toError(statusFailure(outcome.value, cause), entry.commit);
    // What was not tried because of another one is the cause of nothing, however many come after it.
    if (failedTag === undefined || !(error instanceof CancelledError)) this.remember(tag, error);
    entry.reject(error);
  }

  private remember(tag: bigint, error: Error): void {
    this.failed.set(tag, error);
    const [oldest] = this.failed.keys();
    if (this.failed.size > this.pendingMax && oldest !== undefined) this.failed.delete(oldest);
  }

  private add(tag: bigint, entry: Pending): void {
    this.pending.set(tag, entry);
    if (this.unsent.length === 0) {
      setImmediate(() => {
        this.flush();
      });
    }
    this.unsent.push(entry);
  }

  /** Sends what is unsent in messages of a moderate size, as fast as the gateway accepts them. */
  private flush(): void {
    while (this.unsent.length > 0 && !this.blocked && this.end === undefined) {
      const fields: Uint8Array[] = [];
      let size = 0;
      for (const entry of this.unsent) {
        if (entry.bytes === undefined) break;
        size += entry.bytes.length;
        if (fields.length > 0 && size > messageBytesMax) break;
        fields.push(entry.bytes);
        entry.bytes = undefined;
      }
      this.unsent = this.unsent.slice(fields.length);
      this.blocked = !this.call.write(Buffer.concat(fields));
    }
    if (this.closing && this.unsent.length === 0) this.call.end();
  }
}

function closedError(): CancelledError {
  return new CancelledError({ message: 'the session is closed', status: status.CANCELLED });
}
