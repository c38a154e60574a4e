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

/** A request and who waits for its answers. */
export interface Exchange {
  readonly subject: string;
  readonly payload: Uint8Array | string;
  readonly options: RequestOptions;
  /** True: this was the last. */
  onAnswer(answer: RawMessage): boolean;
  /** With the last answer, or with an error in its place. */
  onEnd: OnEnd;
}

/** How the requests of an inbox reach NATS. */
export interface Sender {
  /** Lets a message be sent soon. Throws NotConnectedError. */
  add(message: Outgoing): void;
  /** Sends, together with the others whose turn it is. Throws NotConnectedError. */
  send(
    subject: string,
    payload: Uint8Array | string,
    headers: SentHeaders | undefined,
    reply: string | undefined,
  ): void;
  /** Bytes that have come over the connection as it is now. */
  received(): number;
}

/** The requests under way on one connection, all answered through one subscription. */
export interface Inbox {
  begin(exchange: Exchange): void;
  /** Fails the requests on one subject, or all. */
  fail(error: Error, subject?: string): void;
  close(): void;
}

const noResponders = 503;
const absencePauseMs = 50;
/** When so much has come in the meantime, an answer may be on its way behind it. */
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
    refusal = error; // it may come before the first request, which would wait in vain
    for (const entry of waiting.values()) entry.hearsNoMore(error);
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
  const refusal = 'NATS does not permit the gateway to subscribe to _INBOX.>, where answers come';
  return connection.subscribe(subject, {
    callback: (error, message) => {
      if (error === null) onMessage(message);
      else onRefusal(new PermissionViolationError(refusal, { cause: error }));
    },
  });
}

/** A request whose last answer has not come. */
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
    private readonly place: { readonly waiting: CompactingMap<string, Waiting>; readonly token: string },
  ) {
    this.leftMs = exchange.options.timeoutMs;
    this.timeout = this.wait();
    place.waiting.set(place.token, this);
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
    // What cannot be sent again has been sent once, and may still be answered.
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

  hearsNoMore(refusal: Error): void {
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
    this.place.waiting.delete(this.place.token);
  }

  private wait(): NodeJS.Timeout {
    const { timeoutMs, repeatMs = timeoutMs } = this.exchange.options;
    const turnMs = Math.min(repeatMs, this.leftMs);
    this.leftMs -= turnMs;
    this.receivedBefore = repeatMs < timeoutMs ? this.sender.received() : 0;
    return setTimeout(onTimeout, turnMs, this);
  }

  onTimeout(): void {
    if (this.leftMs > 0) {
      // A second answer would come behind the first, and a third: of megabytes each, until the server ends the connection.
      const isBusy = this.sender.received() - this.receivedBefore >= busyBytesMin;
      this.timeout = this.wait();
      if (!isBusy) this.sendAgain();
      return;
    }
    const { subject, options } = this.exchange;
    this.fail(new RequestTimeoutError(`no answer on ${subject} in ${options.timeoutMs.toString()} ms`));
  }

  /** Nobody was there to take the request. */
  private onAbsence(): void {
    const { subject, options } = this.exchange;
    this.absentUntilMs ??= Date.now() + (options.absenceMaxMs ?? 0);
    clearTimeout(this.pause);
    this.timeout.refresh(); // it is known that it was not taken
    if (Date.now() >= this.absentUntilMs) this.fail(new NoRespondersError(`nothing answers on ${subject}`));
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
