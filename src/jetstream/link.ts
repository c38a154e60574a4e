import {
  Events,
  createInbox,
  headers as natsHeaders,
  type Msg,
  type NatsConnection,
  type Status,
  type Subscription,
} from 'nats';
import {
  ConnectionLostError,
  NoRespondersError,
  NotConnectedError,
  PermissionViolationError,
  RequestTimeoutError,
} from './errors';
import { parseMessage, type RawMessage } from './message';

export interface RequestOptions {
  /** How long to wait for the next answer. */
  readonly timeoutMs: number;
  /** Gives up when aborted, with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One NATS connection and the requests under way on it, all answered through one inbox. */
export interface Link {
  readonly connected: boolean;
  /** Bytes of headers and body that the server takes in one message. */
  readonly maxPayloadBytes: number;
  readonly serverVersion: string;
  /** Sends a request and gives its answer. Fails at once when there is no connection. */
  request(subject: string, payload: Uint8Array | string, options: RequestOptions): Promise<RawMessage>;
  /** Sends a request and gives each answer to `onAnswer` until that says true: "this was the last". */
  requestMany(
    subject: string,
    payload: Uint8Array | string,
    onAnswer: (answer: RawMessage) => boolean,
    options: RequestOptions,
  ): Promise<void>;
  /** Sends without waiting. Fails when there is no connection. */
  publish(subject: string, payload: Uint8Array, headers: Readonly<Record<string, string>>): void;
  /** Called when the connection is lost or comes back. */
  onChange(listener: () => void): void;
  close(): Promise<void>;
}

interface Waiting {
  readonly subject: string;
  readonly onAnswer: (answer: RawMessage) => boolean;
  readonly settle: (error?: Error) => void;
  readonly timeout: NodeJS.Timeout;
}

const noResponders = 503;

/** Takes over a fresh connection. */
export function createLink(connection: NatsConnection): Link {
  const inbox = createInbox();
  const waiting = new Map<string, Waiting>();
  const listeners: (() => void)[] = [];
  let connected = true;
  let counter = 0;

  const subscription: Subscription = connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error === null) answer(message);
    },
  });

  function answer(message: Msg): void {
    const token = message.subject.slice(inbox.length + 1);
    const entry = waiting.get(token);
    if (entry === undefined) return;
    const raw = parseMessage(message);
    if (raw.status === noResponders) {
      entry.settle(new NoRespondersError(`nothing answers on ${entry.subject}`));
      return;
    }
    try {
      if (entry.onAnswer(raw)) entry.settle();
      else entry.timeout.refresh();
    } catch (error) {
      entry.settle(error as Error);
    }
  }

  function changeConnected(now: boolean): void {
    connected = now;
    if (!now) {
      for (const entry of waiting.values())
        entry.settle(new ConnectionLostError('the connection to NATS was lost'));
    }
    for (const listener of listeners) listener();
  }

  function observe(status: Status): void {
    if (status.type === Events.Disconnect) changeConnected(false);
    else if (status.type === Events.Reconnect) changeConnected(true);
    else if (status.type === Events.Error && status.permissionContext !== undefined) {
      const forbidden = status.permissionContext.subject;
      for (const entry of waiting.values()) {
        if (entry.subject !== forbidden) continue;
        entry.settle(new PermissionViolationError(`NATS does not permit the gateway to use ${forbidden}`));
      }
    }
  }

  void (async () => {
    for await (const status of connection.status()) observe(status);
  })();
  void connection.closed().then(() => {
    changeConnected(false);
  });

  function requestMany(
    subject: string,
    payload: Uint8Array | string,
    onAnswer: (answer: RawMessage) => boolean,
    options: RequestOptions,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      if (!connected) {
        reject(new NotConnectedError('there is no connection to NATS'));
        return;
      }
      const token = (counter++).toString(36);
      const onAbort = (): void => {
        entry.settle(signal?.reason as Error);
      };
      const entry: Waiting = {
        subject,
        onAnswer,
        settle(error) {
          waiting.delete(token);
          clearTimeout(entry.timeout);
          signal?.removeEventListener('abort', onAbort);
          if (error === undefined) resolve();
          else reject(error);
        },
        timeout: setTimeout(() => {
          entry.settle(
            new RequestTimeoutError(`no answer on ${subject} in ${options.timeoutMs.toString()} ms`),
          );
        }, options.timeoutMs),
      };
      waiting.set(token, entry);
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        const reply = `${inbox}.${token}`;
        connection.publish(
          subject,
          payload,
          options.headers === undefined ? { reply } : { reply, headers: encodeHeaders(options.headers) },
        );
      } catch (error) {
        entry.settle(new NotConnectedError((error as Error).message, { cause: error }));
      }
    });
  }

  return {
    get connected() {
      return connected;
    },
    get maxPayloadBytes() {
      return connection.info?.max_payload ?? 0;
    },
    get serverVersion() {
      return connection.info?.version ?? '';
    },
    requestMany,
    async request(subject, payload, options) {
      let only: RawMessage | undefined;
      await requestMany(
        subject,
        payload,
        (message) => {
          only = message;
          return true;
        },
        options,
      );
      return only as RawMessage;
    },
    publish(subject, payload, headers) {
      if (!connected) throw new NotConnectedError('there is no connection to NATS');
      connection.publish(subject, payload, { headers: encodeHeaders(headers) });
    },
    onChange(listener) {
      listeners.push(listener);
    },
    async close() {
      subscription.unsubscribe();
      await connection.drain().catch(() => connection.close());
    },
  };
}

function encodeHeaders(record: Readonly<Record<string, string>>): ReturnType<typeof natsHeaders> {
  const encoded = natsHeaders();
  for (const [key, value] of Object.entries(record)) encoded.append(key, value);
  return encoded;
}
