import { createInbox, type Msg, type NatsConnection, type Subscription } from 'nats';
import {
  NoRespondersError,
  NotConnectedError,
  PermissionViolationError,
  RequestTimeoutError,
} from './errors';
import type { RequestOptions } from './link';
import { parseMessage, type RawMessage } from './message';

/** The requests under way on one connection, all answered through one subscription. */
export interface Inbox {
  /**
   * Sends a request through `send`, which may still refuse it later, and gives each answer to `onAnswer` until that says
   * true: "this was the last".
   */
  requestMany(
    subject: string,
    send: (reply: string, refuse: (error: Error) => void) => void,
    onAnswer: (answer: RawMessage) => boolean,
    options: RequestOptions,
  ): Promise<void>;
  /** Fails the requests on one subject, or all. */
  fail(error: Error, subject?: string): void;
  close(): void;
}

interface Waiting {
  readonly subject: string;
  readonly onAnswer: (answer: RawMessage) => boolean;
  /** Nobody was there to take the request. */
  readonly onAbsence: () => void;
  readonly settle: (error?: Error) => void;
  timeout: NodeJS.Timeout;
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
      if (subject === undefined || entry.subject === subject) entry.settle(error);
    }
  };
  const onMessage = (message: Msg): void => {
    const entry = waiting.get(message.subject.slice(inbox.length + 1));
    if (entry !== undefined) take(entry, message);
  };
  const subscription = subscribe(connection, `${inbox}.*`, onMessage, (error) => {
    refusal = error; // it may come before the first request, which would wait in vain
    fail(error);
  });
  return {
    requestMany: (subject, send, onAnswer, { signal, timeoutMs, repeatMs = timeoutMs, absenceMaxMs = 0 }) =>
      new Promise((resolve, reject) => {
        const reason = refusal ?? (signal?.aborted === true ? (signal.reason as Error) : undefined);
        if (reason !== undefined) {
          reject(reason);
          return;
        }
        const token = (counter++).toString(36);
        const onAbort = (): void => {
          entry.settle(signal?.reason as Error);
        };
        const settle = (error?: Error): void => {
          waiting.delete(token);
          clearTimeout(entry.timeout);
          clearTimeout(pause);
          signal?.removeEventListener('abort', onAbort);
          if (error === undefined) resolve();
          else reject(error);
        };
        const again = (): void => {
          sendAgain(() => {
            send(`${inbox}.${token}`, () => undefined);
          });
        };
        let absentUntilMs: number | undefined;
        let pause: NodeJS.Timeout | undefined;
        const onAbsence = (): void => {
          absentUntilMs ??= Date.now() + absenceMaxMs;
          clearTimeout(pause);
          if (Date.now() < absentUntilMs) pause = setTimeout(again, absencePauseMs);
          else settle(new NoRespondersError(`nothing answers on ${subject}`));
        };
        let leftMs = timeoutMs;
        const wait = (): NodeJS.Timeout => {
          const turnMs = Math.min(repeatMs, leftMs);
          leftMs -= turnMs;
          return setTimeout(onTimeout, turnMs);
        };
        const onTimeout = (): void => {
          if (leftMs > 0) {
            entry.timeout = wait();
            again();
          } else settle(new RequestTimeoutError(`no answer on ${subject} in ${timeoutMs.toString()} ms`));
        };
        const entry: Waiting = { subject, onAnswer, onAbsence, settle, timeout: wait() };
        waiting.set(token, entry);
        signal?.addEventListener('abort', onAbort, { once: true });
        try {
          send(`${inbox}.${token}`, settle);
        } catch (error) {
          settle(error as Error);
        }
      }),
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

/** What cannot be sent again has been sent once, and may still be answered. */
function sendAgain(send: () => void): void {
  try {
    send();
  } catch (error) {
    if (!(error instanceof NotConnectedError)) throw error;
  }
}

function take({ onAnswer, onAbsence, settle, timeout }: Waiting, message: Msg): void {
  const answer = parseMessage(message);
  if (answer.status === noResponders) {
    onAbsence();
    return;
  }
  try {
    if (onAnswer(answer)) settle();
    else timeout.refresh();
  } catch (error) {
    settle(error as Error);
  }
}
