import { Events, headers as natsHeaders, type NatsConnection, type PublishOptions, type Status } from 'nats';
import { ConnectionLostError, NotConnectedError, PermissionViolationError } from './errors';
import { openInbox } from './inbox';
import type { RawMessage } from './message';

export interface RequestOptions {
  /** How long to wait for the next answer. */
  readonly timeoutMs: number;
  /** Gives up when aborted, with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One NATS connection. Everything fails at once while it is disconnected. */
export interface Link {
  readonly connected: boolean;
  /** Bytes of headers and body that the server takes in one message. */
  readonly maxPayloadBytes: number;
  readonly serverVersion: string;
  /** Sends a request and gives its answer. */
  request(subject: string, payload: Uint8Array | string, options: RequestOptions): Promise<RawMessage>;
  /** Sends a request and gives each answer to `onAnswer` until that says true: "this was the last". */
  requestMany(
    subject: string,
    payload: Uint8Array | string,
    onAnswer: (answer: RawMessage) => boolean,
    options: RequestOptions,
  ): Promise<void>;
  /** Sends without waiting. */
  publish(subject: string, payload: Uint8Array, headers: Readonly<Record<string, string>>): void;
  /** Called when the connection is lost or comes back. */
  onChange(listener: () => void): void;
  close(): Promise<void>;
}

/** Takes over a fresh connection. */
export function createLink(connection: NatsConnection): Link {
  const inbox = openInbox(connection);
  const listeners: (() => void)[] = [];
  let connected = true;

  function changeConnected(now: boolean): void {
    connected = now;
    if (!now) inbox.fail(new ConnectionLostError('the connection to NATS was lost'));
    for (const listener of listeners) listener();
  }

  function observe({ type, permissionContext }: Status): void {
    if (type === Events.Disconnect) changeConnected(false);
    else if (type === Events.Reconnect) changeConnected(true);
    else if (type === Events.Error && permissionContext !== undefined) {
      const { subject } = permissionContext;
      inbox.fail(new PermissionViolationError(`NATS does not permit the gateway to use ${subject}`), subject);
    }
  }

  void (async () => {
    for await (const status of connection.status()) observe(status);
  })();
  void connection.closed().then(() => {
    changeConnected(false);
  });

  const send = (
    subject: string,
    payload: Uint8Array | string,
    headers: Readonly<Record<string, string>> | undefined,
    reply?: string,
  ): void => {
    if (!connected) throw new NotConnectedError('there is no connection to NATS');
    publish(connection, subject, payload, {
      ...(reply === undefined ? {} : { reply }),
      ...(headers === undefined ? {} : { headers: encodeHeaders(headers) }),
    });
  };

  const requestMany: Link['requestMany'] = (subject, payload, onAnswer, options) => {
    const sendWith = (reply: string): void => {
      send(subject, payload, options.headers, reply);
    };
    return inbox.requestMany(subject, sendWith, onAnswer, options);
  };

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
      const takeOne = (answer: RawMessage): boolean => {
        only = answer;
        return true;
      };
      await requestMany(subject, payload, takeOne, options);
      return only as RawMessage;
    },
    publish(subject, payload, headers) {
      send(subject, payload, headers);
    },
    onChange(listener) {
      listeners.push(listener);
    },
    async close() {
      inbox.close();
      await connection.drain().catch(() => connection.close());
    },
  };
}

function publish(
  connection: NatsConnection,
  subject: string,
  payload: Uint8Array | string,
  options: PublishOptions,
): void {
  try {
    connection.publish(subject, payload, options);
  } catch (error) {
    throw new NotConnectedError((error as Error).message, { cause: error });
  }
}

function encodeHeaders(record: Readonly<Record<string, string>>): ReturnType<typeof natsHeaders> {
  const encoded = natsHeaders();
  for (const [key, value] of Object.entries(record)) encoded.append(key, value);
  return encoded;
}
