import { setTimeout as sleep } from 'node:timers/promises';
import { DebugEvents, Events, type NatsConnection, type ServerInfo } from 'nats';
import { defaultLimits } from '../../limits';
import { ConnectionLostError, NotConnectedError, PermissionViolationError } from './errors';
import { Frames } from './frames';
import type { SentHeaders } from './headers';
import { openInbox, type OnEnd, type Sender } from './inbox';
import { parseMessage, type RawMessage } from './message';
import type { RequestOptions } from './request-options';
import { openOutbox, type Outbox } from './outbox';
import { createSemaphore, type Semaphore } from './semaphore';
import { bytesReceived, endSocket, keepOneTransport } from './sole-transport';

/** A message that came on a subscription. */
export interface PushedMessage extends RawMessage {
  readonly subject: string;
  /** "" if there is none. */
  readonly reply: string;
}

/** One NATS connection. Everything fails at once while it is disconnected. */
export interface Link {
  /** For the bytes of pages and of single messages that come over it when asked for. */
  readonly pages: Semaphore;
  /** For atomic batches that are sent over it. */
  readonly batches: Semaphore;
  readonly connected: boolean;
  /** Bytes of headers and body that the server takes in one message, as it last said. */
  readonly maxPayloadBytes: number;
  readonly serverVersion: string;
  /** Whether the server keeps JetStream by itself, so that nobody else has any of its streams. */
  readonly isAlone: boolean;
  /** Sends a request and gives its answer, or the error in its place. */
  ask(subject: string, payload: Uint8Array | string, options: RequestOptions, onEnd: OnEnd): void;
  /** The same as a promise. */
  request(subject: string, payload: Uint8Array | string, options: RequestOptions): Promise<RawMessage>;
  /** Sends a request and gives each answer to `onAnswer` until that says true: "this was the last", which it gives too. */
  requestMany(
    subject: string,
    payload: Uint8Array | string,
    onAnswer: (answer: RawMessage) => boolean,
    options: RequestOptions,
  ): Promise<RawMessage>;
  /** Sends without waiting. */
  publish(subject: string, payload: Uint8Array, headers: SentHeaders, reply?: string): void;
  /** Gives every message that is sent to a subject, until the function that it answers is called. */
  subscribe(subject: string, onMessage: (message: PushedMessage) => void): () => void;
  /** Called when the connection is lost or comes back, until the function that it gives is called. */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}

const drainTimeoutMs = 2_000;
// They follow from what nats-server does, so they cannot be set.
const { fetchesBytesMax, openBatchesMax } = defaultLimits;

/** More messages than these wait for no other to be written with them. */
const writeBytes = 64 << 10;

/** What `publish` (nats 2.29) itself sends by: theirs makes a handful of objects for each message. */
interface ConnectionInternals {
  readonly protocol: { sendCommand(bytes: Uint8Array): void };
}

/** Takes over a fresh connection. */
export function createLink(connection: NatsConnection): Link {
  keepOneTransport(connection);
  const serverInfo = lastInfoOf(connection);
  let connected = true;
  const sender = openSender(
    connection,
    () => connected,
    () => serverInfo()?.max_payload ?? Infinity,
  );
  const inbox = openInbox(connection, sender);
  const listeners = createListeners();
  const changeConnected = (now: boolean): void => {
    connected = now;
    if (!now) {
      sender.fail(notConnected());
      inbox.fail(new ConnectionLostError('the connection to NATS was lost'));
    }
    listeners.tell();
  };
  void watch(connection, changeConnected, (subject) => {
    inbox.fail(new PermissionViolationError(`NATS does not permit the gateway to use ${subject}`), subject);
  });

  const ask: Link['ask'] = (subject, payload, options, onEnd) => {
    inbox.begin({ subject, payload, options, onAnswer: isLast, onEnd });
  };

  return {
    pages: createSemaphore(fetchesBytesMax),
    batches: createSemaphore(openBatchesMax),
    get connected() {
      return connected;
    },
    get maxPayloadBytes() {
      return serverInfo()?.max_payload ?? 0;
    },
    get serverVersion() {
      return serverInfo()?.version ?? '';
    },
    get isAlone() {
      const info = serverInfo();
      return info?.jetstream === true && info.cluster === undefined;
    },
    ask,
    request: (subject, payload, options) =>
      new Promise((resolve, reject) => {
        ask(subject, payload, options, settle(resolve, reject));
      }),
    requestMany: (subject, payload, onAnswer, options) =>
      new Promise((resolve, reject) => {
        inbox.begin({ subject, payload, options, onAnswer, onEnd: settle(resolve, reject) });
      }),
    publish(subject, payload, headers, reply) {
      const send = (): void => {
        sender.send(subject, payload, headers, reply);
      };
      sender.add({ send, refuse: () => undefined });
    },
    subscribe: (subject, onMessage) => subscribe(connection, subject, onMessage),
    onChange: (listener) => listeners.add(listener),
    close() {
      sender.flush();
      inbox.close();
      return drain(connection);
    },
  };
}

function createListeners(): { add(listener: () => void): () => void; tell(): void } {
  const listeners = new Set<() => void>();
  return {
    add(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    tell() {
      for (const listener of [...listeners]) listener();
    },
  };
}

function openSender(
  connection: NatsConnection,
  isConnected: () => boolean,
  payloadBytesMax: () => number,
): Sender & Pick<Outbox, 'flush' | 'fail'> {
  const { protocol } = connection as unknown as ConnectionInternals;
  const frames = new Frames(payloadBytesMax);
  const sendFrames = (): void => {
    if (frames.bytes > 0) protocol.sendCommand(frames.take());
  };
  const { add, flush, fail } = openOutbox(sendFrames);
  return {
    add(message) {
      if (!isConnected()) throw notConnected();
      add(message);
    },
    send(subject, payload, headers, reply) {
      if (connection.isClosed() || connection.isDraining()) throw notConnected();
      frames.add(subject, typeof payload === 'string' ? Buffer.from(payload) : payload, headers, reply);
      if (frames.bytes > writeBytes) sendFrames();
    },
    received: () => bytesReceived(connection),
    flush,
    fail,
  };
}

async function drain(connection: NatsConnection): Promise<void> {
  const drained = connection.drain().catch(() => undefined);
  // Without a server nothing drains.
  await Promise.race([drained, sleep(drainTimeoutMs, undefined, { ref: false })]);
  await connection.close();
}

/** The library forgets it while it reconnects. */
function lastInfoOf(connection: NatsConnection): () => ServerInfo | undefined {
  let last = connection.info;
  return () => (last = connection.info ?? last);
}

function notConnected(): NotConnectedError {
  return new NotConnectedError('there is no connection to NATS');
}

function isLast(): true {
  return true;
}

/** Settles a promise with the end of a request. */
function settle(resolve: (answer: RawMessage) => void, reject: (error: Error) => void): OnEnd {
  return (error, answer) => {
    if (error === undefined) resolve(answer);
    else reject(error);
  };
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
    else if (type === DebugEvents.StaleConnection) endSocket(connection);
    else if (type === Events.Error && permissionContext !== undefined) onForbidden(permissionContext.subject);
  }
}

function subscribe(
  connection: NatsConnection,
  subject: string,
  onMessage: (message: PushedMessage) => void,
): () => void {
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) return; // whoever waits for messages notices that none come
      const { status, headers, body } = parseMessage(message);
      onMessage({ status, headers, body, subject: message.subject, reply: message.reply ?? '' });
    },
  });
  return () => {
    subscription.unsubscribe();
  };
}
