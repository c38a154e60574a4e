import { lostConnection } from '../../store/log';
import { parseAckSubject } from './ack-subject';
import { callApi } from './api';
import { receivedHeader } from './headers';
import type { Link, PushedMessage } from './link';
import { publishedHeader, type StoredMessage } from './message';
import type { RequestOptions } from './request-options';
import { uniqueInbox, uniqueName } from './unique-names';

/** What a consumer delivers, and over which connection. */
export interface ConsumerSource {
  readonly link: Link;
  /** The name of the JetStream stream. */
  readonly stream: string;
  /** The first part of the name of the consumer. */
  readonly purpose: string;
  /** The fields of its configuration that say which messages it delivers. */
  readonly selection: Readonly<Record<string, unknown>>;
}

/** A pull consumer on a stream: it delivers every message once and in order, or ends. */
export interface PullConsumer {
  /** Resolves with the reason when it has ended. Rejects with PermissionViolationError if it may not request messages. */
  readonly lost: Promise<string>;
  /** Whether messages were requested that have not come. */
  readonly isRequesting: boolean;
  /** Call it with the number of messages that are processed, so that more are requested. */
  handled(messages: number): void;
  /** Call it when a reader begins to wait for new messages. */
  hurry(): void;
  /** Ends it for a reason. */
  lose(reason: string): void;
  /** Ends it, and removes it from the server. */
  close(): void;
}

export interface PullConsumerEvents {
  onMessage(message: StoredMessage): void;
  /** Whether a reader waits for new messages. */
  isAwaited(): boolean;
}

const heartbeatMs = 1_000;
/** The longest time without messages and heartbeats. */
const silenceMaxMs = 3_500;
const watchMs = 500;
const expiresMs = 30_000;
/** The server removes a consumer that has sent no request for this long. */
const inactiveMs = 10_000;
const createTimeoutMs = 5_000;
const deleteTimeoutMs = 10_000;
const nanosPerMs = 1_000_000;
/** Makes a request wait until there are messages. */
const waiting = {
  expires: expiresMs * nanosPerMs,
  idle_heartbeat: heartbeatMs * nanosPerMs,
} as const;
/** Messages of one request, and requests under way. */
const requestMessages = 1_000;
const requestsMax = 3;
const requestBytes = 4 << 20;
const headersBytesMax = 64 << 10;
/** While no reader waits, messages are fetched at this interval: one by one they cost NATS and the gateway several times as much. */
const pauseMs = 20;

const status = { heartbeat: 100, none: 404, expired: 408, ended: 409 } as const;

/** What the configurations of all consumers have. */
const always = {
  ack_policy: 'none',
  replay_policy: 'instant',
  inactive_threshold: inactiveMs * nanosPerMs,
  mem_storage: true,
  num_replicas: 1,
} as const;

/**
 * Creates a consumer. The ordered consumer of the package `nats` would repair itself, but was observed dead for 15 to 45 s after
 * its node went down: this one ends whenever something may be wrong, and its caller starts another one.
 */
export async function startPullConsumer(
  source: ConsumerSource,
  events: PullConsumerEvents,
  options: RequestOptions,
): Promise<PullConsumer> {
  const { link, stream, purpose, selection } = source;
  const name = `sluice-${purpose}-${uniqueName()}`;
  const consumer = new Consumer(source, name, events);
  try {
    const request = { stream_name: stream, config: { name, ...selection, ...always }, action: 'create' };
    const timeoutMs = Math.min(createTimeoutMs, options.timeoutMs);
    const { num_pending } = await callApi<ConsumerInfo>(link, `CONSUMER.CREATE.${stream}.${name}`, request, {
      ...options,
      timeoutMs,
    });
    consumer.begin(num_pending);
  } catch (error) {
    consumer.close();
    throw error;
  }
  return consumer;
}

interface ConsumerInfo {
  /** Messages that the consumer has yet to deliver. */
  readonly num_pending: number;
}

class Consumer implements PullConsumer {
  readonly lost: Promise<string>;
  lose: (reason: string) => void = () => undefined;
  private refuse: (error: Error) => void = () => undefined;
  private readonly inbox = uniqueInbox();
  private readonly ends: (() => void)[] = [];
  private receivedMs = performance.now();
  private delivered = 0;
  private requested = 0;
  private unhandled = 0;
  /** Messages that were not delivered yet when the last one was. */
  private pending = 0;
  /** Of a request that does not wait: the messages that have not arrived, and those that have. */
  private fetching = 0;
  private fetched = 0;
  private pause: NodeJS.Timeout | undefined;

  constructor(
    private readonly source: ConsumerSource,
    private readonly name: string,
    private readonly events: PullConsumerEvents,
  ) {
    this.lost = new Promise((resolve, reject) => ([this.lose, this.refuse] = [resolve, reject]));
    const { link } = source;
    this.ends.push(
      link.subscribe(this.inbox, (message) => {
        this.take(message);
      }),
      link.onChange(() => {
        if (!link.connected) this.lose(lostConnection);
      }),
      link.onForbidden(this.requestSubject, (error) => {
        this.refuse(error);
      }),
      this.watchSilence(),
      () => {
        clearTimeout(this.pause);
      },
    );
    const end = (): void => {
      for (const one of this.ends) one();
    };
    this.lost.then(end, end);
  }

  get isRequesting(): boolean {
    return this.requested > 0;
  }

  private get requestSubject(): string {
    return `$JS.API.CONSUMER.MSG.NEXT.${this.source.stream}.${this.name}`;
  }

  begin(pending: number): void {
    this.pending = pending;
    this.request();
  }

  handled(messages: number): void {
    this.unhandled -= messages;
    this.request();
  }

  hurry(): void {
    if (this.pending === 0) this.request();
  }

  close(): void {
    this.lose('closed');
    const { link, stream } = this.source;
    // If this fails, the server removes the consumer after a while.
    callApi(link, `CONSUMER.DELETE.${stream}.${this.name}`, undefined, { timeoutMs: deleteTimeoutMs }).catch(
      () => undefined,
    );
  }

  /** Requests more messages, as many as may be under way. */
  private request(): void {
    const { events, pending } = this;
    const isAwaited = events.isAwaited();
    if (pending === 0 && !isAwaited) {
      this.fetchLater();
      return;
    }
    clearTimeout(this.pause);
    this.pause = undefined;
    const underWayMax = pending > 0 ? (requestsMax - 1) * requestMessages : requestMessages / 2;
    while (this.requested + this.unhandled <= underWayMax) {
      const batch = isAwaited ? requestMessages : Math.min(requestMessages, pending - this.requested);
      if (batch <= 0 || !this.pull(batch, waiting)) return;
    }
  }

  /** Fetches after a pause, once all requested messages have arrived. */
  private fetchLater(): void {
    if (this.pause !== undefined || this.requested > 0 || this.unhandled > requestMessages) return;
    this.pause = setTimeout(() => {
      this.pause = undefined;
      if (this.pending > 0 || this.events.isAwaited()) this.request();
      else if (this.requested === 0 && this.pull(requestMessages, { no_wait: true })) {
        this.fetching = requestMessages;
        this.fetched = 0;
      }
    }, pauseMs);
  }

  /** The stream has no more messages now. */
  private onNone(): void {
    this.requested -= this.fetching;
    this.fetching = 0;
    if (this.fetched > 0 || this.requested > 0 || this.events.isAwaited()) this.request();
    // Nothing has arrived for a while: waits for the next message.
    else this.pull(1, waiting);
  }

  /** Sends a request. Returns false if the connection is lost. */
  private pull(batch: number, mode: { readonly no_wait: true } | typeof waiting): boolean {
    const { link } = this.source;
    const bytes = Math.max(requestBytes, link.maxPayloadBytes + headersBytesMax);
    const request = JSON.stringify({ batch, max_bytes: bytes, ...mode });
    try {
      link.publish(this.requestSubject, Buffer.from(request), {}, this.inbox);
    } catch {
      this.lose(lostConnection);
      return false;
    }
    this.requested += batch;
    return true;
  }

  private take(message: PushedMessage): void {
    this.receivedMs = performance.now();
    if (message.status !== 0) {
      this.onStatus(message);
      return;
    }
    const metadata = parseAckSubject(message.reply);
    if (metadata?.delivery !== this.delivered + 1) {
      this.lose('a message was lost in transit');
      return;
    }
    this.delivered++;
    this.requested--;
    this.unhandled++;
    if (this.fetching > 0) {
      this.fetching--;
      this.fetched++;
    }
    const { subject, headers, body } = message;
    const { sequence, timeNanos, pending } = metadata;
    this.pending = pending;
    this.events.onMessage({ subject, sequence, timeNanos, headers, body });
  }

  private onStatus({ status: code, headers }: PushedMessage): void {
    if (code === status.heartbeat) return;
    if (code === status.none && this.fetching > 0) {
      this.onNone();
      return;
    }
    const unused = publishedHeader(headers, receivedHeader.unused);
    if ((code !== status.expired && code !== status.ended) || unused === undefined) {
      this.lose(`the server said ${headers.slice(9, Math.max(9, headers.indexOf('\r\n')))}`);
      return;
    }
    this.requested -= Number(unused);
    this.fetching = Math.max(0, this.fetching - Number(unused));
    this.request();
  }

  private watchSilence(): () => void {
    const timer = setInterval(() => {
      // Without a request under way nothing arrives: the messages before are not processed yet.
      if (this.requested <= 0) this.receivedMs = performance.now();
      if (performance.now() - this.receivedMs > silenceMaxMs) this.lose('nothing arrived for too long');
    }, watchMs);
    return () => {
      clearInterval(timer);
    };
  }
}
