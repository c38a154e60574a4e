import { createInbox, nuid } from 'nats';
import type { CallContext } from '../store/event-store';
import { lostConnection } from '../store/log';
import { callApi } from './api';
import { receivedHeader } from './headers';
import { watchProgress } from './log-progress';
import type { PushedMessage } from './link';
import { parseInteger, publishedHeader, type StoredMessage } from './message';
import { within, type StoreContext } from './store-context';

/** A pull consumer on the log, which gives every message once and in order, or ends. */
export interface LogConsumer {
  /** Resolves, with the reason, when nothing more will come. Never rejects. */
  readonly lost: Promise<string>;
  /** There is room for so many more messages. */
  handled(messages: number): void;
  close(): void;
}

export interface LogConsumerEvents {
  onMessage(message: StoredMessage): void;
  /** Nothing comes up to a sequence, though the log ends there or later: what was there is gone. */
  onNothing(through: bigint): void;
  /** All that there is has come, or more of it comes. */
  onProgress(): void;
}

/** Why a consumer is given up that somebody has stopped, or moved. */
export const standstill = 'the consumer of the log stands still while the log goes on';

const heartbeatMs = 1_000;
/** So long nothing may come: neither messages nor heartbeats. */
const silenceMaxMs = 3_500;
const watchMs = 500;
const expiresMs = 30_000;
/** The server removes a consumer that asks for nothing. */
const inactiveMs = 10_000;
const createTimeoutMs = 5_000;
const nanosPerMs = 1_000_000;
/** Messages of one request, and requests that are under way. */
const requestMessages = 1_000;
const requestsMax = 3;
const requestBytes = 4 << 20;
const headersBytesMax = 64 << 10;

const status = { heartbeat: 100, expired: 408, ended: 409 } as const;

/**
 * Asks for the messages after a sequence. The library's ordered consumer would make itself again, but was seen dead for 15 to
 * 45 s after its node went down: this one ends when it is not certain that all is well, and another one takes over.
 */
export async function startLogConsumer(
  context: StoreContext,
  after: bigint,
  events: LogConsumerEvents,
  call: CallContext,
): Promise<LogConsumer> {
  const { log, pool, limits } = context;
  const name = `sluice-replica-${nuid.next()}`;
  const consumer = new PullConsumer(context, name, after, events);
  try {
    const wanted = { stream_name: log.name, config: consumerConfig(name, after), action: 'create' };
    const options = within(call, Math.min(createTimeoutMs, limits.requestTimeoutMs));
    await callApi(pool.tail, `CONSUMER.CREATE.${log.name}.${name}`, wanted, options);
    consumer.request();
  } catch (error) {
    consumer.close();
    throw error;
  }
  return consumer;
}

class PullConsumer implements LogConsumer {
  readonly lost: Promise<string>;
  private lose: (reason: string) => void = () => undefined;
  private readonly inbox = createInbox();
  private readonly ends: (() => void)[] = [];
  private heardMs = Date.now();
  private delivered = 0;
  private requested = 0;
  private unhandled = 0;
  private sequence: bigint;

  constructor(
    private readonly context: StoreContext,
    private readonly name: string,
    after: bigint,
    private readonly events: LogConsumerEvents,
  ) {
    this.sequence = after;
    this.lost = new Promise((resolve) => (this.lose = resolve));
    const { tail } = context.pool;
    this.ends.push(
      tail.subscribe(this.inbox, (message) => {
        this.take(message);
      }),
      tail.onChange(() => {
        if (!tail.connected) this.lose(lostConnection);
      }),
      this.watchSilence(),
      this.watchProgress(),
    );
    void this.lost.then(() => {
      for (const end of this.ends) end();
    });
  }

  handled(messages: number): void {
    this.unhandled -= messages;
    this.request();
  }

  /** Asks for more, as far as there is room. */
  request(): void {
    const { log, pool } = this.context;
    while (this.requested + this.unhandled <= (requestsMax - 1) * requestMessages) {
      this.requested += requestMessages;
      const request = {
        batch: requestMessages,
        max_bytes: Math.max(requestBytes, pool.tail.maxPayloadBytes + headersBytesMax),
        expires: expiresMs * nanosPerMs,
        idle_heartbeat: heartbeatMs * nanosPerMs,
      };
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${log.name}.${this.name}`;
      try {
        pool.tail.publish(subject, Buffer.from(JSON.stringify(request)), {}, this.inbox);
      } catch {
        this.lose(lostConnection);
        return;
      }
    }
  }

  close(): void {
    this.lose('closed');
    const { log, pool, limits } = this.context;
    const timeoutMs = limits.requestTimeoutMs;
    // It may be gone already, or nobody there to ask: then the server removes it by itself.
    callApi(pool.tail, `CONSUMER.DELETE.${log.name}.${this.name}`, undefined, { timeoutMs }).catch(
      () => undefined,
    );
  }

  private take(message: PushedMessage): void {
    this.heardMs = Date.now();
    if (message.status !== 0) {
      this.onStatus(message);
      return;
    }
    const metadata = parseAckSubject(message.reply);
    if (metadata?.delivery !== this.delivered + 1) {
      this.lose('a message was lost on its way');
      return;
    }
    this.delivered++;
    this.requested--;
    this.unhandled++;
    ({ sequence: this.sequence } = metadata);
    const { subject, headers, body } = message;
    const { sequence, timeNanos } = metadata;
    this.events.onMessage({ subject, sequence, timeNanos, headers, body });
  }

  private onStatus({ status: code, headers }: PushedMessage): void {
    if (code === status.heartbeat) return;
    const unused = publishedHeader(headers, receivedHeader.unused);
    if ((code !== status.expired && code !== status.ended) || unused === undefined) {
      this.lose(`the server said ${headers.slice(9, Math.max(9, headers.indexOf('\r\n')))}`);
      return;
    }
    this.requested -= Number(unused);
    this.request();
  }

  private watchSilence(): () => void {
    const timer = setInterval(() => {
      // Where nothing was asked for, since what came is not dealt with yet, nothing comes.
      if (this.requested <= 0) this.heardMs = Date.now();
      if (Date.now() - this.heardMs > silenceMaxMs) this.lose('nothing came for too long');
    }, watchMs);
    return () => {
      clearInterval(timer);
    };
  }

  private watchProgress(): () => void {
    const { events } = this;
    return watchProgress(this.context, () => this.sequence, {
      onProgress() {
        events.onProgress();
      },
      onNothing: (through) => {
        this.sequence = through;
        events.onNothing(through);
      },
      onStandstill: () => {
        if (this.requested > 0) this.lose(standstill);
      },
    });
  }
}

function consumerConfig(name: string, after: bigint): object {
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

interface DeliveryMetadata {
  readonly sequence: bigint;
  /** 1 for the first message that the consumer delivered. */
  readonly delivery: number;
  readonly timeNanos: bigint;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivery>.<time>.<pending>`, with domain and account before the
 * stream, and a token after it all, in another version of it (server/consumer.go).
 */
function parseAckSubject(subject: string): DeliveryMetadata | undefined {
  const dots: number[] = [];
  for (let dot = subject.indexOf('.'); dot >= 0; dot = subject.indexOf('.', dot + 1)) dots.push(dot);
  const at = dots.length === 8 ? 4 : 6;
  const [before, sequenceEnd, deliveryEnd, timeEnd] = dots.slice(at, at + 4);
  if (before === undefined || timeEnd === undefined) return undefined;
  return {
    sequence: parseInteger(subject.slice(before + 1, sequenceEnd)),
    delivery: Number(subject.slice((sequenceEnd as number) + 1, deliveryEnd)),
    timeNanos: parseInteger(subject.slice((deliveryEnd as number) + 1, timeEnd)),
  };
}
