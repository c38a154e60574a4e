import { setTimeout as sleep } from 'node:timers/promises';
import {
  Events,
  headers as natsHeaders,
  type NatsConnection,
  type PublishOptions,
  type ServerInfo,
} from 'nats';
import { defaultLimits } from '../limits';
import { ConnectionLostError, NotConnectedError, PermissionViolationError } from './errors';
import { openInbox } from './inbox';
import { parseMessage, type RawMessage } from './message';
import { openOutbox } from './outbox';
import { createRoom, type Room } from './room';

export interface RequestOptions {
  /** How long to wait for the next answer. */
  readonly timeoutMs: number;
  /** Gives up when aborted, with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Sends it again after each such time until there is an answer. For questions with one answer: a server that goes down
   * never answers, and its successor does not know what it was asked.
   */
  readonly repeatMs?: number;
  /**
   * So long it is sent again while nobody is there to take it, before that is an error: when a leader has gone, nobody
   * serves a subject for a moment. 0 if left out.
   */
  readonly absenceMaxMs?: number;
}

/** A message that came on a subscription. */
export interface PushedMessage extends RawMessage {
  readonly subject: string;
  /** "" if there is none. */
  readonly reply: string;
}

/** One NATS connection. Everything fails at once while it is disconnected. */
export interface Link {
  /** For the bytes of pages that come over it. */
  readonly pages: Room;
  /** For atomic batches that are sent over it. */
  readonly batches: Room;
  readonly connected: boolean;
  /** Bytes of headers and body that the server takes in one message, as it last said. */
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
  /** Gives every message that is sent to a subject, until the function that it answers is called. */
  subscribe(subject: string, onMessage: (message: PushedMessage) => void): () => void;
  /** Called when the connection is lost or comes back. */
  onChange(listener: () => void): void;
  close(): Promise<void>;
}

interface Envelope {
  readonly subject: string;
  readonly payload: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly reply?: string;
}

const drainTimeoutMs = 2_000;
// They follow from what nats-server does, so they cannot be set.
const { fetchesBytesMax, openBatchesMax } = defaultLimits;

/** Takes over a fresh connection. */
export function createLink(connection: NatsConnection): Link {
  const inbox = openInbox(connection);
  const outbox = openOutbox();
  const listeners: (() => void)[] = [];
  let connected = true;
  // The library forgets it while it reconnects.
  let lastInfo = connection.info;
  const serverInfo = (): ServerInfo | undefined => (lastInfo = connection.info ?? lastInfo);

  function changeConnected(now: boolean): void {
    connected = now;
    if (!now) {
      outbox.fail(notConnected());
      inbox.fail(new ConnectionLostError('the connection to NATS was lost'));
    }
    for (const listener of listeners) listener();
  }

  void watch(connection, changeConnected, (subject) => {
    inbox.fail(new PermissionViolationError(`NATS does not permit the gateway to use ${subject}`), subject);
  });

  /** Throws NotConnectedError, or gives it to `refuse` if the connection goes before it is sent. */
  const send = (envelope: Envelope, refuse: (error: Error) => void): void => {
    if (!connected) throw notConnected();
    outbox.add({ send: publisher(connection, envelope), refuse });
  };

  const requestMany: Link['requestMany'] = (subject, payload, onAnswer, options) => {
    const sendWith = (reply: string, refuse: (error: Error) => void): void => {
      send({ subject, payload, headers: options.headers, reply }, refuse);
    };
    return inbox.requestMany(subject, sendWith, onAnswer, options);
  };

  return {
    pages: createRoom(fetchesBytesMax),
    batches: createRoom(openBatchesMax),
    get connected() {
      return connected;
    },
    get maxPayloadBytes() {
      return serverInfo()?.max_payload ?? 0;
    },
    get serverVersion() {
      return serverInfo()?.version ?? '';
    },
    requestMany,
    request: (subject, payload, options) =>
      firstAnswer((onAnswer) => requestMany(subject, payload, onAnswer, options)),
    publish(subject, payload, headers) {
      send({ subject, payload, headers }, () => undefined);
    },
    subscribe: (subject, onMessage) => subscribe(connection, subject, onMessage),
    onChange(listener) {
      listeners.push(listener);
    },
    async close() {
      outbox.flush();
      inbox.close();
      const drained = connection.drain().catch(() => undefined);
      // Without a server nothing drains.
      await Promise.race([drained, sleep(drainTimeoutMs, undefined, { ref: false })]);
      await connection.close();
    },
  };
}

function notConnected(): NotConnectedError {
  return new NotConnectedError('there is no connection to NATS');
}

async function firstAnswer(
  ask: (onAnswer: (answer: RawMessage) => boolean) => Promise<void>,
): Promise<RawMessage> {
  let first: RawMessage | undefined;
  await ask((answer) => {
    first = answer;
    return true;
  });
  return first as RawMessage;
}

/** Tells of every change; the last one is that the connection is closed for good. */
async function watch(
  connection: NatsConnection,
  onChange: (connected: boolean) => void,
  onForbidden: (subject: string) => void,
): Promise<void> {
  void connection.closed().then(() => {
    onChange(false);
  });
  for await (const { type, permissionContext } of connection.status()) {
    if (type === Events.Disconnect) onChange(false);
    else if (type === Events.Reconnect) onChange(true);
    else if (type === Events.Error && permissionContext !== undefined) onForbidden(permissionContext.subject);
  }
}

/** What sends a message; it throws NotConnectedError. */
function publisher(connection: NatsConnection, { subject, payload, headers, reply }: Envelope): () => void {
  const options: PublishOptions = {
    ...(reply === undefined ? {} : { reply }),
    ...(headers === undefined ? {} : { headers: encodeHeaders(headers) }),
  };
  return () => {
    try {
      connection.publish(subject, payload, options);
    } catch (error) {
      throw new NotConnectedError((error as Error).message, { cause: error });
    }
  };
}

function subscribe(
  connection: NatsConnection,
  subject: string,
  onMessage: (message: PushedMessage) => void,
): () => void {
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) return; // whoever waits for messages notices that none come
      onMessage({ ...parseMessage(message), subject: message.subject, reply: message.reply ?? '' });
    },
  });
  return () => {
    subscription.unsubscribe();
  };
}

function encodeHeaders(record: Readonly<Record<string, string>>): ReturnType<typeof natsHeaders> {
  const encoded = natsHeaders();
  for (const [key, value] of Object.entries(record)) encoded.append(key, value);
  return encoded;
}
