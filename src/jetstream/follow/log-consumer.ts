import type { CallContext } from '../../store/event-store';
import { lostConnection } from '../../store/log';
import type { Sequence } from '../../store/values';
import { parseAckSubject } from './ack-subject';
import { callApi } from '../nats/api';
import { receivedHeader } from '../nats/headers';
import { watchProgress } from './log-progress';
import type { PushedMessage } from '../nats/link';
import { publishedHeader, type StoredMessage } from '../nats/message';
import { uniqueInbox, uniqueName } from '../nats/unique-names';
import { within } from '../log/bounded-call';
import type { LogAccess } from '../log/log-access';

/** A pull consumer on the log: it delivers every message once and in order, or ends. */
export interface LogConsumer {
  /** Resolves with the reason when it has ended. Never rejects. */
  readonly lost: Promise<string>;
  /** Call it with the number of messages that are processed, so that more are requested. */
  handled(messages: number): void;
  /** Call it when a reader begins to wait for new messages. */
  hurry(): void;
  close(): void;
}

export interface LogConsumerEvents {
  onMessage(message: StoredMessage): void;
  /** The log has no messages up to this sequence any more, though it ends there or later. */
  onNothing(upTo: Sequence): void;
  /** All messages of the log have been delivered, or more are being delivered. */
  onProgress(): void;
  /** Whether a reader waits for new messages. */
  isAwaited(): boolean;
}

/** The reason if somebody has paused the consumer or changed its position. */
export const standstill = 'the consumer of the log has stalled while the log grows';

const heartbeatMs = 1_000;
/** The longest time without messages and heartbeats. */
const silenceMaxMs = 3_500;
const watchMs = 500;
const expiresMs = 30_000;
/** The server removes a consumer that has sent no request for this long. */
const inactiveMs = 10_000;
const createTimeoutMs = 5_000;
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

/**
 * Requests the messages after a sequence. The ordered consumer of the package `nats` would repair itself, but was observed dead for
 * 15 to 45 s after its node went down: this one ends whenever something may be wrong, and its caller starts another one.
 */
export async function startLogConsumer(
  log: LogAccess,
  after: Sequence,
  events: LogConsumerEvents,
  call: CallContext,
): Promise<LogConsumer> {
  const { stream, pool, limits } = log;
  const name = `sluice-replica-${uniqueName()}`;
  const consumer = new PullConsumer(log, name, after, events);
  try {
    const request = { stream_name: stream.name, config: consumerConfig(name, after), action: 'create' };
    const options = within(call, Math.min(createTimeoutMs, limits.requestTimeoutMs));
    const { num_pending } = await callApi<ConsumerInfo>(
      pool.tail,
      `CONSUMER.CREATE.${stream.name}.${name}`,
      request,
      options,
    );
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

class PullConsumer implements LogConsumer {
  readonly lost: Promise<string>;
  private lose: (reason: string) => void = () => undefined;
  private readonly inbox = uniqueInbox();
  private readonly ends: (() => void)[] = [];
  private receivedMs = performance.now();
  private delivered = 0;
  private requested = 0;
  private unhandled = 0;
  /** Messages of the log that were not delivered yet when the last one was. */
  private pending = 0;
  /** Of a request that does not wait: the messages that have not arrived, and those that have. */
  private fetching = 0;
  private fetched = 0;
  private pause: NodeJS.Timeout | undefined;
  private sequence: Sequence;

  constructor(
    private readonly log: LogAccess,
    private readonly name: string,
    after: Sequence,
    private readonly events: LogConsumerEvents,
  ) {
    this.sequence = after;
    this.lost = new Promise((resolve) => (this.lose = resolve));
    const { tail } = log.pool;
    this.ends.push(
      tail.subscribe(this.inbox, (message) => {
        this.take(message);
      }),
      tail.onChange(() => {
        if (!tail.connected) this.lose(lostConnection);
      }),
      this.watchSilence(),
      this.watchProgress(),
      () => {
        clearTimeout(this.pause);
      },
    );
    void this.lost.then(() => {
      for (const end of this.ends) end();
    });
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
    const { stream, pool, limits } = this.log;
    const timeoutMs = limits.requestTimeoutMs;
    // If this fails, the server removes the consumer after a while.
    callApi(pool.tail, `CONSUMER.DELETE.${stream.name}.${this.name}`, undefined, { timeoutMs }).catch(
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

  /** The log has no more messages now. */
  private onNone(): void {
    this.requested -= this.fetching;
    this.fetching = 0;
    if (this.fetched > 0 || this.requested > 0 || this.events.isAwaited()) this.request();
    // Nothing has arrived for a while: waits for the next message.
    else this.pull(1, waiting);
  }

  /** Sends a request. Returns false if the connection is lost. */
  private pull(batch: number, mode: { readonly no_wait: true } | typeof waiting): boolean {
    const { stream, pool } = this.log;
    const bytes = Math.max(requestBytes, pool.tail.maxPayloadBytes + headersBytesMax);
    const request = JSON.stringify({ batch, max_bytes: bytes, ...mode });
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream.name}.${this.name}`;
    try {
      pool.tail.publish(subject, Buffer.from(request), {}, this.inbox);
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
    ({ sequence: this.sequence, pending: this.pending } = metadata);
    const { subject, headers, body } = message;
    const { sequence, timeNanos } = metadata;
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

  private watchProgress(): () => void {
    const { events } = this;
    return watchProgress(this.log, () => this.sequence, {
      onProgress() {
        events.onProgress();
      },
      onNothing: (upTo) => {
        this.sequence = upTo;
        events.onNothing(upTo);
      },
      onStandstill: () => {
        if (this.requested > 0) this.lose(standstill);
      },
    });
  }
}

function consumerConfig(name: string, after: Sequence): object {
  return {
    name,
    deliver_policy: 'by_start_sequence',
    opt_start_seq: Number(after + 1n),
    ack_policy: 'none',
    replay_policy: 'instant',
    inactive_threshold: inactiveMs * nanosPerMs,
    mem_storage: true,
    num_replicas: 1,
  };
}
