import type { Msg, NatsConnection, Subscription } from 'nats';
import { CompactingMap } from '../../collections/compacting-map';
import {
  AnswerForbiddenError,
  NoRespondersError,
  NotConnectedError,
  PermissionViolationError,
  RequestTimeoutError,
} from './errors';
import type { SentHeaders } from './headers';
import { parseMessage, type RawMessage } from './message';
import type { Outgoing } from './outbox';
import type { RequestOptions } from './request-options';
import { uniqueInbox } from './unique-names';

/** An error, or undefined and an answer. */
export type OnEnd = (
  ...end: [error: Error, answer: undefined] | [error: undefined, answer: RawMessage]
) => void;

/** A request, and the callbacks for its answers. */
export interface Exchange {
  readonly subject: string;
  readonly payload: Uint8Array | string;
  readonly options: RequestOptions;
  /** Returns whether this was the last answer. */
  onAnswer(answer: RawMessage): boolean;
  /** Gets the last answer, or an error instead. */
  onEnd: OnEnd;
}

/** How the requests of an inbox reach NATS. */
export interface Sender {
  /** Calls `send` of the message soon. Throws NotConnectedError. */
  add(message: Outgoing): void;
  /** Writes a message, together with others of the same turn of the event loop. Throws NotConnectedError. */
  send(
    subject: string,
    payload: Uint8Array | string,
    headers: SentHeaders | undefined,
    reply: string | undefined,
  ): void;
  /** Bytes that have arrived since the connection was made or made again. */
  received(): number;
}

/** The requests under way on one connection. Their answers arrive through one subscription. */
export interface Inbox {
  begin(exchange: Exchange): void;
  /** Fails the requests on one subject, or all of them. */
  fail(error: Error, subject?: string): void;
  close(): void;
}

const noResponders = 503;
const absencePauseMs = 50;
/** If this much has arrived in the meantime, the answer may be in transit behind it. */
const busyBytesMin = 256 << 10;

export function openInbox(connection: NatsConnection, sender: Sender): Inbox {
  const inbox = uniqueInbox();
  const waiting = new CompactingMap<string, Waiting>();
  let counter = 0;
  let refusal: Error | undefined;
  const fail: Inbox['fail'] = (error, subject) => {
    for (const entry of waiting.values()) {
      if (subject === undefined || entry.exchange.subject === subject) entry.fail(error);
    }
  };
  const onMessage = (message: Msg): void => {
    waiting.get(message.subject.slice(inbox.length + 1))?.take(parseMessage(message));
  };
  const subscription = subscribe(connection, `${inbox}.*`, onMessage, (error) => {
    refusal = error; // it may precede the first request, which would wait in vain
    for (const entry of waiting.values()) entry.losePermission(error);
  });
  return {
    begin(exchange) {
      const { signal } = exchange.options;
      const reason = refusal ?? (signal?.aborted === true ? (signal.reason as Error) : undefined);
      if (reason !== undefined) {
        exchange.onEnd(reason, undefined);
        return;
      }
      const token = (counter++).toString(36);
      new Waiting(exchange, sender, `${inbox}.${token}`, { waiting, token }).begin();
    },
    fail,
    close() {
      subscription.unsubscribe();
    },
  };
}

function subscribe(
  connection: NatsConnection,
  subject: string,
  onMessage: (message: Msg) => void,
  onRefusal: (error: Error) => void,
): Subscription {
  const refusal = 'NATS does not permit the gateway to subscribe to _INBOX.>, the subjects of answers';
  return connection.subscribe(subject, {
    callback: (error, message) => {
      if (error === null) onMessage(message);
      else onRefusal(new PermissionViolationError(refusal, { cause: error }));
    },
  });
}

/** A request whose last answer has not arrived. */
class Waiting implements Outgoing {
  private leftMs: number;
  private absentUntilMs: number | undefined;
  private timeout: NodeJS.Timeout;
  private pause: NodeJS.Timeout | undefined;
  private onAbort: (() => void) | undefined;
  private wasSent = false;
  private receivedBefore = 0;

  constructor(
    readonly exchange: Exchange,
    private readonly sender: Sender,
    private readonly reply: string,
    private readonly slot: { readonly waiting: CompactingMap<string, Waiting>; readonly token: string },
  ) {
    this.leftMs = exchange.options.timeoutMs;
    this.timeout = this.wait();
    slot.waiting.set(slot.token, this);
  }

  begin(): void {
    const { signal } = this.exchange.options;
    if (signal !== undefined) {
      this.onAbort = () => {
        this.fail(signal.reason as Error);
      };
      signal.addEventListener('abort', this.onAbort, { once: true });
    }
    try {
      this.sender.add(this);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  send(): void {
    const { subject, payload, options } = this.exchange;
    this.sender.send(subject, payload, options.headers, this.reply);
    this.wasSent = true;
  }

  refuse(error: Error): void {
    // A request that was sent before may still get its answer.
    if (!this.wasSent) this.fail(error);
  }

  take(answer: RawMessage): void {
    if (answer.status === noResponders) {
      this.onAbsence();
      return;
    }
    let isLast: boolean;
    try {
      isLast = this.exchange.onAnswer(answer);
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    if (isLast) {
      this.close();
      this.exchange.onEnd(undefined, answer);
    } else {
      this.timeout.refresh();
    }
  }

  losePermission(refusal: Error): void {
    this.fail(this.wasSent ? new AnswerForbiddenError(refusal.message, { cause: refusal }) : refusal);
  }

  fail(error: Error): void {
    this.close();
    this.exchange.onEnd(error, undefined);
  }

  private close(): void {
    clearTimeout(this.timeout);
    clearTimeout(this.pause);
    if (this.onAbort !== undefined) this.exchange.options.signal?.removeEventListener('abort', this.onAbort);
    this.slot.waiting.delete(this.slot.token);
  }

  private wait(): NodeJS.Timeout {
    const { timeoutMs, repeatMs = timeoutMs } = this.exchange.options;
    const intervalMs = Math.min(repeatMs, this.leftMs);
    this.leftMs -= intervalMs;
    this.receivedBefore = repeatMs < timeoutMs ? this.sender.received() : 0;
    return setTimeout(onTimeout, intervalMs, this);
  }

  onTimeout(): void {
    if (this.leftMs > 0) {
      // Otherwise more answers of megabytes would queue up behind the first one, until the server ends the connection.
      const isBusy = this.sender.received() - this.receivedBefore >= busyBytesMin;
      this.timeout = this.wait();
      if (!isBusy) this.sendAgain();
      return;
    }
    const { subject, options } = this.exchange;
    this.fail(
      new RequestTimeoutError(`no answer on ${subject} in ${Math.round(options.timeoutMs).toString()} ms`),
    );
  }

  /** No server took the request. */
  private onAbsence(): void {
    const { subject, options } = this.exchange;
    this.absentUntilMs ??= performance.now() + (options.absenceMaxMs ?? 0);
    clearTimeout(this.pause);
    this.timeout.refresh(); // the server has reported that nothing took the request
    if (performance.now() >= this.absentUntilMs)
      this.fail(new NoRespondersError(`nothing answers on ${subject}`));
    else
      this.pause = setTimeout(() => {
        this.sendAgain();
      }, absencePauseMs);
  }

  private sendAgain(): void {
    try {
      this.sender.add(this);
    } catch (error) {
      if (!(error instanceof NotConnectedError)) throw error;
    }
  }
}

function onTimeout(entry: Waiting): void {
  entry.onTimeout();
}
