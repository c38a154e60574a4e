import { status } from '@grpc/grpc-js';
import {
  AppendSessionResponse,
  EventStoreServiceService,
  SessionAppend,
  type SessionAnswer,
} from '../../generated/sluice/v1/event_store_service';
import {
  isInDoubt,
  toAppendError,
  toAppendRequest,
  toAppendResult,
  type AppendConditions,
  type AppendResult,
  type SentCommit,
} from './append';
import { SteadyMap } from '../collections/steady-map';
import { duplexStream, type CallOptions, type Duplex, type DuplexEnd, type DuplexListener } from './calls';
import type { Channel } from './channel';
import { CancelledError, OverloadedError } from './errors';
import type { NewEvent } from './event';
import { statusFailure, toError } from './failure';
import { decode, written } from './text';

/** How to open a session. Without `deadlineMs` it may stay open for ever. */
export interface AppendSessionOptions extends CallOptions {
  /** At most this many appends wait for their answers. Default: 1,024. */
  readonly pendingMax?: number | undefined;
  /**
   * True: the commits are stored one after another in the order of the calls, over all streams, and none behind one that
   * failed: those fail with CancelledError, whose `cause` is the error of that one. Slower than without.
   */
  readonly inOrder?: boolean | undefined;
}

/** Appends over one call, sent without waiting for the answers to those before. */
export interface AppendSession extends AsyncDisposable {
  /**
   * Appends like `append` of the client. Appends to one stream are stored in the order of the calls, and one that fails
   * holds back no other. If it fails because one before it did, on which its `expectedVersion` counted, that error is its
   * `cause`. More than `pendingMax` at a time fail with OverloadedError: wait for `ready`.
   *
   *     for (const order of orders) {
   *       await session.ready();
   *       results.push(session.append(order.stream, order.events, { expectedVersion: 0 }));
   *     }
   *
   * If the session ends meanwhile, it fails with OutcomeUnknownError where the commit may be stored.
   */
  append(stream: string, events: readonly NewEvent[], options?: AppendConditions): Promise<AppendResult>;
  /** Resolves when there is room for another append; fails if the session has ended. */
  ready(): Promise<void>;
  /** Takes no more, and resolves when all appends have their answers; fails if the session has ended in another way. */
  close(): Promise<void>;
}

interface Pending {
  readonly commit: SentCommit;
  /** A field of AppendSessionRequest, until it is sent. */
  bytes: Uint8Array | undefined;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

const pendingMaxDefault = 1_024;
/** What one message carries, but for one larger append. */
const messageBytesMax = 128 << 10;
const appendsTag = (1 << 3) | 2;
/** Reasons by which a session ends when all that the gateway has taken is answered. */
const certain: readonly string[] = ['STORE_UNAVAILABLE', 'OVERLOADED', 'INVALID_REQUEST'];

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
  private pending = new SteadyMap<bigint, Pending>();
  private unsent: Pending[] = [];
  /** Those who wait for room. */
  private readonly waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  /** Errors of the newest appends that failed, for those that counted on them. */
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
    // What is thrown in here makes the promise fail.
    return new Promise((resolve, reject) => {
      this.throwIfClosed();
      if (this.pending.size >= this.pendingMax) {
        const message = `${this.pendingMax} appends of the session wait for their answers; wait for ready()`;
        throw new OverloadedError(message, { status: status.RESOURCE_EXHAUSTED }, 0);
      }
      const request = toAppendRequest(stream, events, conditions);
      const tag = ++this.tags;
      const message = { tag, append: request, inOrder: this.inOrder };
      const bytes = written((writer) =>
        SessionAppend.encode(message, writer.uint32(appendsTag).fork()).join(),
      );
      const { commitId } = request;
      this.add(tag, { commit: { stream, commitId, isEmpty: events.length === 0 }, bytes, resolve, reject });
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

  onEnd({ failure, reason, wasSent }: DuplexEnd): void {
    const error = reason ?? (failure.status === status.OK ? undefined : toError(failure));
    this.end = { error };
    this.channel.closed.removeEventListener('abort', this.finish);
    const mayBeStored = wasSent && !certain.includes(failure.reason ?? '');
    for (const { commit, bytes, reject } of this.pending.values())
      reject(reason ?? toAppendError(commit, failure, mayBeStored && bytes === undefined));
    this.pending = new SteadyMap();
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
    if (outcome.$case === 'result') {
      entry.resolve(toAppendResult(outcome.value));
      return;
    }
    const cause = failedTag === undefined ? undefined : this.failed.get(failedTag);
    const failure = statusFailure(outcome.value, cause);
    const error = toAppendError(entry.commit, failure, isInDoubt(failure));
    this.failed.set(tag, error);
    const [oldest] = this.failed.keys();
    if (this.failed.size > this.pendingMax && oldest !== undefined) this.failed.delete(oldest);
    entry.reject(error);
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

  /** What waits goes out in messages of a fair size, as fast as the gateway takes it. */
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
  return new CancelledError('the session is closed', { status: status.CANCELLED });
}
