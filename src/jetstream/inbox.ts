import { createInbox, type Msg, type NatsConnection, type Subscription } from 'nats';
import {
  NoRespondersError,
  NotConnectedError,
  PermissionViolationError,
  RequestTimeoutError,
} from './errors';
import type { RequestOptions } from './link';
import { parseMessage, type RawMessage } from './message';

/** A request and who waits for its answers. */
export interface Exchange {
  readonly subject: string;
  /** Sends the request, which may still be refused later. */
  send(reply: string, refuse: (error: Error) => void): void;
  /** True: this was the last. */
  onAnswer(answer: RawMessage): boolean;
  /** After the last answer, or with an error in its place. */
  onEnd(error?: Error): void;
}

/** The requests under way on one connection, all answered through one subscription. */
export interface Inbox {
  begin(exchange: Exchange, options: RequestOptions): void;
  /** Fails the requests on one subject, or all. */
  fail(error: Error, subject?: string): void;
  close(): void;
}

const noResponders = 503;
const absencePauseMs = 50;

export function openInbox(connection: NatsConnection): Inbox {
  const inbox = createInbox();
  const waiting = new Map<string, Waiting>();
  let counter = 0;
  let refusal: Error | undefined;
  const fail: Inbox['fail'] = (error, subject) => {
    for (const entry of waiting.values()) {
      if (subject === undefined || entry.exchange.subject === subject) entry.settle(error);
    }
  };
  const onMessage = (message: Msg): void => {
    waiting.get(message.subject.slice(inbox.length + 1))?.take(parseMessage(message));
  };
  const subscription = subscribe(connection, `${inbox}.*`, onMessage, (error) => {
    refusal = error; // it may come before the first request, which would wait in vain
    fail(error);
  });
  return {
    begin(exchange, options) {
      const { signal } = options;
      const reason = refusal ?? (signal?.aborted === true ? (signal.reason as Error) : undefined);
      if (reason !== undefined) {
        exchange.onEnd(reason);
        return;
      }
      const token = (counter++).toString(36);
      const entry = new Waiting(exchange, options, `${inbox}.${token}`, (error) => {
        waiting.delete(token);
        exchange.onEnd(error);
      });
      waiting.set(token, entry);
      entry.begin();
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
class Waiting {
  private leftMs: number;
  private absentUntilMs: number | undefined;
  private timeout: NodeJS.Timeout;
  private pause: NodeJS.Timeout | undefined;

  constructor(
    readonly exchange: Exchange,
    private readonly options: RequestOptions,
    private readonly reply: string,
    private readonly onEnd: (error?: Error) => void,
  ) {
    this.leftMs = options.timeoutMs;
    this.timeout = this.wait();
  }

  begin(): void {
    this.options.signal?.addEventListener('abort', this.onAbort, { once: true });
    try {
      this.exchange.send(this.reply, this.settle);
    } catch (error) {
      this.settle(error as Error);
    }
  }

  take(answer: RawMessage): void {
    if (answer.status === noResponders) {
      this.onAbsence();
      return;
    }
    try {
      if (this.exchange.onAnswer(answer)) this.settle();
      else this.timeout.refresh();
    } catch (error) {
      this.settle(error as Error);
    }
  }

  readonly settle = (error?: Error): void => {
    clearTimeout(this.timeout);
    clearTimeout(this.pause);
    this.options.signal?.removeEventListener('abort', this.onAbort);
    this.onEnd(error);
  };

  private readonly onAbort = (): void => {
    this.settle(this.options.signal?.reason as Error);
  };

  private wait(): NodeJS.Timeout {
    const { timeoutMs, repeatMs = timeoutMs } = this.options;
    const turnMs = Math.min(repeatMs, this.leftMs);
    this.leftMs -= turnMs;
    return setTimeout(onTimeout, turnMs, this);
  }

  onTimeout(): void {
    if (this.leftMs > 0) {
      this.timeout = this.wait();
      this.sendAgain();
      return;
    }
    const timeoutMs = this.options.timeoutMs.toString();
    this.settle(new RequestTimeoutError(`no answer on ${this.exchange.subject} in ${timeoutMs} ms`));
  }

  /** Nobody was there to take the request. */
  private onAbsence(): void {
    this.absentUntilMs ??= Date.now() + (this.options.absenceMaxMs ?? 0);
    clearTimeout(this.pause);
    if (Date.now() >= this.absentUntilMs)
      this.settle(new NoRespondersError(`nothing answers on ${this.exchange.subject}`));
    else
      this.pause = setTimeout(() => {
        this.sendAgain();
      }, absencePauseMs);
  }

  /** What cannot be sent again has been sent once, and may still be answered. */
  private sendAgain(): void {
    try {
      this.exchange.send(this.reply, () => undefined);
    } catch (error) {
      if (!(error instanceof NotConnectedError)) throw error;
    }
  }
}

function onTimeout(entry: Waiting): void {
  entry.onTimeout();
}
