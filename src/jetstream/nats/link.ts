import { setTimeout as sleep } from 'node:timers/promises';
import { DebugEvents, Events, type NatsConnection, type ServerInfo } from 'nats';
import { defaultLimits } from '../../limits';
import { ConnectionLostError, NotConnectedError, PermissionViolationError } from './errors';
import { Frames } from './frames';
import type { SentHeaders } from './headers';
import { openInbox, type Inbox, type OnEnd, type Sender } from './inbox';
import { parseMessage, type RawMessage } from './message';
import type { RequestOptions } from './request-options';
import { openOutbox, type Outbox } from './outbox';
import { createSemaphore, type Semaphore } from '../../collections/semaphore';
import { bytesReceived, endSocket, keepOneTransport } from './sole-transport';

/** A message that came on a subscription. */
export interface PushedMessage extends RawMessage {
  readonly subject: string;
  /** "" if the message has no reply subject. */
  readonly reply: string;
}

/** Of one connection since the start. */
export interface LinkCounts {
  /** Requests and publishes, also repeated ones. */
  readonly requests: number;
  /** How often it came back. */
  readonly reconnects: number;
}

/** One NATS connection. Every request fails at once while it is disconnected. */
export interface Link {
  /** Bounds the bytes of requested messages that are in transit. */
  readonly answerBytes: Semaphore;
  /** Bounds the atomic batches under way. */
  readonly batches: Semaphore;
  readonly connected: boolean;
  readonly counts: LinkCounts;
  /** Bytes of headers and body that the server accepts in one message, as it last announced. */
  readonly maxPayloadBytes: number;
  readonly serverVersion: string;
  /** Whether the server is not part of a cluster, so that no other server has its streams. */
  readonly isAlone: boolean;
  /** Sends a request; `onEnd` gets its answer, or an error instead. */
  send(subject: string, payload: Uint8Array | string, options: RequestOptions, onEnd: OnEnd): void;
  /** The same as a promise. */
  request(subject: string, payload: Uint8Array | string, options: RequestOptions): Promise<RawMessage>;
  /** Sends a request; `onAnswer` gets each answer until it returns true. Resolves with the last answer. */
  requestMany(
    subject: string,
    payload: Uint8Array | string,
    onAnswer: (answer: RawMessage) => boolean,
    options: RequestOptions,
  ): Promise<RawMessage>;
  /** Publishes without waiting for an answer. */
  publish(subject: string, payload: Uint8Array, headers: SentHeaders, reply?: string): void;
  /** `onMessage` gets every message on a subject, until the returned function is called. */
  subscribe(subject: string, onMessage: (message: PushedMessage) => void): () => void;
  /** `listener` is called when the connection is lost or comes back, until the returned function is called. */
  onChange(listener: () => void): () => void;
  /** The same, when the server refuses to take what was published on the subject, for which no answer comes. */
  onForbidden(subject: string, listener: (error: PermissionViolationError) => void): () => void;
  close(): Promise<void>;
}

const drainTimeoutMs = 2_000;
// They follow from the behaviour of nats-server, so they cannot be set.
const { fetchesBytesMax, openBatchesMax } = defaultLimits;

/** From this size on, messages are written without waiting for others. */
const writeBytes = 64 << 10;

/** The method by which `publish` (nats 2.29) sends; `publish` itself makes several objects for each message. */
interface ConnectionInternals {
  readonly protocol: { sendCommand(bytes: Uint8Array): void };
}

/** Makes a link of a new connection. */
export function createLink(connection: NatsConnection): Link {
  keepOneTransport(connection);
  const serverInfo = lastInfoOf(connection);
  const state = { connected: true, requests: 0, reconnects: 0 };
  const sender = openSender(connection, state, () => serverInfo()?.max_payload ?? Infinity);
  const inbox = openInbox(connection, sender);
  const listeners = createListeners();
  const violations = createViolations(inbox);
  const changeConnected = (now: boolean): void => {
    state.connected = now;
    if (now) state.reconnects++;
    else {
      sender.fail(notConnected());
      inbox.fail(new ConnectionLostError('the connection to NATS was lost'));
    }
    listeners.notify();
  };
  void watch(connection, changeConnected, violations.report);

  const send: Link['send'] = (subject, payload, options, onEnd) => {
    inbox.begin({ subject, payload, options, onAnswer: isLast, onEnd });
  };

  return {
    counts: state,
    answerBytes: createSemaphore(fetchesBytesMax),
    batches: createSemaphore(openBatchesMax),
    get connected() {
      return state.connected;
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
    send,
    request: (subject, payload, options) =>
      new Promise((resolve, reject) => {
        send(subject, payload, options, settle(resolve, reject));
      }),
    requestMany: (subject, payload, onAnswer, options) =>
      new Promise((resolve, reject) => {
        inbox.begin({ subject, payload, options, onAnswer, onEnd: settle(resolve, reject) });
      }),
    publish(subject, payload, headers, reply) {
      const sendNow = (): void => {
        sender.send(subject, payload, headers, reply);
      };
      sender.add({ send: sendNow, refuse: () => undefined });
    },
    subscribe: (subject, onMessage) => subscribe(connection, subject, onMessage),
    onChange: (listener) => listeners.add(listener),
    onForbidden: (subject, listener) => violations.onForbidden(subject, listener),
    close() {
      sender.flush();
      inbox.close();
      return drain(connection);
    },
  };
}

interface Violations {
  readonly report: (subject: string) => void;
  readonly onForbidden: Link['onForbidden'];
}

/** What NATS does not permit is reported to the requests that wait for it, and to the listener of the subject. */
function createViolations(inbox: Inbox): Violations {
  const listeners = new Map<string, (error: PermissionViolationError) => void>();
  return {
    report(subject) {
      const error = new PermissionViolationError(`NATS does not permit the gateway to use ${subject}`);
      inbox.fail(error, subject);
      listeners.get(subject)?.(error);
    },
    onForbidden(subject, listener) {
      listeners.set(subject, listener);
      return () => listeners.delete(subject);
    },
  };
}

function createListeners(): { add(listener: () => void): () => void; notify(): void } {
  const listeners = new Set<() => void>();
  return {
    add(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    notify() {
      for (const listener of [...listeners]) listener();
    },
  };
}

function openSender(
  connection: NatsConnection,
  state: { readonly connected: boolean; requests: number },
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
      if (!state.connected) throw notConnected();
      state.requests++;
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
  // Without a server it never drains.
  await Promise.race([drained, sleep(drainTimeoutMs, undefined, { ref: false })]);
  await connection.close();
}

/** The last information from the server; the package `nats` forgets it while it reconnects. */
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

/** Reports every change; the last one is that the connection is closed for good. */
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
      if (error !== null) return; // the subscriber notices that no messages come
      const { status, headers, body } = parseMessage(message);
      onMessage({ status, headers, body, subject: message.subject, reply: message.reply ?? '' });
    },
  });
  return () => {
    subscription.unsubscribe();
  };
}
