import { setMaxListeners } from 'node:events';
import {
  AppendSessionResponse,
  TraceContext,
  type AppendRequest,
  type SessionAnswer,
} from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import { parseAppend, type Sized } from '../requests/append';
import { AppendOrder, type OrderSlot } from '../store/append-order';
import { InvalidRequestError, StoreUnavailableError } from '../store/errors';
import type { AppendCommand, AppendResult } from '../store/event-store';
import { toAppendResponse } from './append-response';
import type { Session } from './calls';
import type { ConnectionAppends } from './connection-appends';
import { decodePart, UndecodableError } from './decode';
import type { Failure } from './failure';
import { AppendCall } from './append-call';
import { PendingAppend } from './pending-append';
import { permit } from './permit';
import type { Permitted } from './permitted';
import { sessionBounds } from './session-bounds';
import { SessionMessage, type ReceivedAppend } from './session-message';
import { noteFailed, SessionStreams, type SessionStream } from './session-streams';
import { toRpcStatus } from './status';
import { callEndOf } from './status-codes';

/** What all sessions share. */
export interface SessionOptions {
  readonly appends: ConnectionAppends;
  readonly limits: Limits;
}

/** An answer that the caller has not taken yet. */
interface ReadyAnswer {
  readonly value: SessionAnswer;
  readonly stream: SessionStream;
  /** Of the append. */
  readonly bytes: number;
}

/**
 * Begins appends in the order in which they come, and yields encoded answers as they become ready: one message has all that are
 * ready at the time. At the bounds of a session it reads no further until the caller has taken answers. When a request could not
 * be decoded, or the connection stops, it answers the appends that it has begun, and throws.
 */
export async function* appendSession(
  options: SessionOptions,
  session: Permitted<Session>,
): AsyncGenerator<Buffer, void> {
  const { requests, caller } = session;
  const { stop } = caller.connection;
  const appends = new SessionAppends(options, session);
  const onStop = (): void => {
    appends.stop();
  };
  const onAbort = (): void => {
    appends.wake();
  };
  setMaxListeners(0, caller.signal); // one for each append
  caller.signal.addEventListener('abort', onAbort);
  stop.addEventListener('abort', onStop);
  session.onAccessLost((error) => {
    appends.drop(error);
  });
  try {
    if (stop.aborted) onStop();
    requests.start(
      (bytes) => {
        appends.add(bytes);
      },
      () => {
        appends.finish();
      },
    );
    for (;;) {
      const ready = await appends.answers();
      if (ready.length === 0) return;
      yield Buffer.from(AppendSessionResponse.encode({ answers: ready.map(({ value }) => value) }).finish());
      appends.taken(ready);
    }
  } finally {
    appends.finish();
    caller.signal.removeEventListener('abort', onAbort);
    stop.removeEventListener('abort', onStop);
  }
}

/** The appends of one session: those that wait, those that are under way, and the answers that the caller has not taken yet. */
class SessionAppends {
  private readonly streams = new SessionStreams();
  private readonly waiting: SessionMessage[] = [];
  private ready: ReadyAnswer[] = [];
  private underWay = 0;
  private bytesUnderWay = 0;
  private begun = 0;
  private end: { readonly error: Error | undefined } | undefined;
  /** Set while the session leaves the event loop to others. */
  private resumption: NodeJS.Immediate | undefined;
  private readonly order = new AppendOrder();
  /** Makes `answers` check again. */
  wake = (): void => undefined;

  constructor(
    private readonly options: SessionOptions,
    private readonly session: Session,
  ) {}

  add(message: Buffer): void {
    if (this.end !== undefined) return;
    try {
      this.waiting.push(new SessionMessage(message, this.options.limits));
    } catch (error) {
      this.finish(error as Error);
    }
    this.proceed();
  }

  /** No more requests come. */
  finish(error?: Error): void {
    this.end ??= { error };
    this.session.requests.pause();
    this.wake();
  }

  /** Forgets what has not begun. */
  stop(): void {
    this.drop(new StoreUnavailableError(this.session.caller.connection.stop.reason as string));
  }

  /** The same, and the session ends with this error. */
  drop(error: Error): void {
    // The caller may have sent all its requests, and must not take the end of the session for success.
    if (this.waiting.length > 0) this.end = undefined;
    this.waiting.length = 0;
    this.finish(error);
  }

  /** Waits for answers; an empty list is the end. Throws if the session ends with an error. */
  async answers(): Promise<readonly ReadyAnswer[]> {
    for (;;) {
      this.session.caller.signal.throwIfAborted();
      if (this.ready.length > 0) break;
      if (this.end !== undefined && this.underWay === 0 && this.waiting.length === 0) {
        if (this.end.error !== undefined) throw this.end.error;
        break;
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const { ready } = this;
    this.ready = [];
    return ready;
  }

  /** The caller has taken answers, so that more appends may begin. */
  taken(answers: readonly ReadyAnswer[]): void {
    this.underWay -= answers.length;
    this.bytesUnderWay -= answers.reduce((sum, { bytes }) => sum + bytes, 0);
    // What waits was sent before the caller had these answers.
    const keptMax = this.waiting.length === 0 ? 0 : this.options.limits.sessionAppendsMax;
    this.streams.leave(
      answers.map(({ stream }) => stream),
      keptMax,
    );
    this.proceed();
  }

  private proceed(): void {
    const { sessionSliceMs } = this.options.limits;
    const { appendsMax, bytesMax } = sessionBounds(this.session.caller, this.options.limits);
    if (this.resumption !== undefined) return;
    const sliceEndsAt = performance.now() + sessionSliceMs;
    while (this.underWay < appendsMax && this.bytesUnderWay < bytesMax) {
      const append = this.next();
      if (append === undefined) break;
      this.begin(append);
      if (performance.now() < sliceEndsAt) continue;
      this.resumption = setImmediate(() => {
        this.resumption = undefined;
        this.proceed();
        this.wake(); // there may be nothing more to come
      });
      break;
    }
    if (this.waiting.length > 0 || this.end !== undefined) this.session.requests.pause();
    else this.session.requests.resume();
  }

  private next(): ReceivedAppend | undefined {
    for (;;) {
      const [message] = this.waiting;
      if (message === undefined) return undefined;
      try {
        const append = message.next();
        if (append !== undefined) return append;
      } catch (error) {
        this.drop(error as Error);
        return undefined;
      }
      this.waiting.shift();
      this.session.requests.done(message.bytes);
    }
  }

  /** Begins at once, so that appends to one stream keep their order. */
  private begin(received: ReceivedAppend): void {
    let request: AppendRequest | undefined;
    let command: Permitted<Sized<AppendCommand>> | undefined;
    let named: TraceContext | undefined;
    let failure: unknown;
    try {
      named = received.traceContext && decodePart(TraceContext, received.traceContext);
      request = received.decode();
      if (request === undefined)
        throw new InvalidRequestError([{ field: 'append', description: 'is required' }]);
      if (request.validateOnly)
        throw new InvalidRequestError([{ field: 'validate_only', description: 'is only for Append' }]);
      command = permit.append(parseAppend(request, this.options.limits), this.session.caller);
    } catch (error) {
      if (error instanceof UndecodableError) {
        this.drop(error);
        return;
      }
      failure = error;
    }
    const pending = this.enter(received, request, command?.bytes ?? received.bytes);
    if (command === undefined) this.fail(pending, failure);
    else {
      pending.trace = this.session.caller.trace?.beginAppend(named);
      this.append(pending, command);
    }
  }

  private enter(
    { tag, inOrder }: ReceivedAppend,
    request: AppendRequest | undefined,
    bytes: number,
  ): PendingAppend {
    const stream = this.streams.enter(request?.stream ?? '');
    this.underWay++;
    this.bytesUnderWay += bytes;
    const orderSlot = inOrder ? this.order.next(tag) : undefined;
    return new PendingAppend(this, { tag, number: this.begun++, stream, orderSlot, bytes }, request);
  }

  private append(pending: PendingAppend, command: Permitted<Sized<AppendCommand>>): void {
    const { caller } = this.session;
    const { orderSlot, trace } = pending;
    const isAsSession = orderSlot === undefined && trace === undefined;
    const context = isAsSession ? caller : new AppendCall(caller, orderSlot, trace);
    void this.options.appends.append(command, context, pending);
  }

  succeed(pending: PendingAppend, result: AppendResult): void {
    const { tag, stream, withCommitTime } = pending;
    const value = toAppendResponse(result, withCommitTime);
    stream.failed?.passed(value.version);
    this.answer(pending, { tag, outcome: { $case: 'result', value }, failedTag: undefined });
    pending.trace?.end(callEndOf(undefined));
  }

  fail(pending: PendingAppend, error: unknown): void {
    const { tag, stream } = pending;
    const failure = this.session.recognise(error);
    const brokenBy = this.brokenBy(pending, failure);
    const failedTag = failure.code === 'VERSION_CONFLICT' ? stream.failed?.tagBefore(pending) : brokenBy?.tag;
    noteFailed(stream, pending);
    const value = toRpcStatus(failure, this.session.caller.requestId);
    const answer: SessionAnswer = { tag, outcome: { $case: 'error', value }, failedTag };
    if (brokenBy === undefined) this.answer(pending, answer);
    else
      brokenBy.onceDone(() => {
        this.answer(pending, answer);
      });
    pending.trace?.end(callEndOf(failure));
  }

  /** The slot of an earlier append that has broken the order, if this one failed for that; otherwise this one breaks the order. */
  private brokenBy({ orderSlot }: PendingAppend, { code }: Failure): OrderSlot | undefined {
    const lostTo = orderSlot?.lostTo;
    if (lostTo !== undefined && code === 'CANCELLED') return lostTo;
    orderSlot?.fail();
    return undefined;
  }

  private answer({ stream, bytes, orderSlot }: PendingAppend, value: SessionAnswer): void {
    this.ready.push({ value, stream, bytes });
    orderSlot?.finish();
    this.wake();
  }
}
