import { createInbox, nuid } from 'nats';
import type { CallContext } from '../store/event-store';
import { callApi } from './api';
import { receivedHeader } from './headers';
import type { PushedMessage } from './link';
import { publishedHeader, type StoredMessage } from './message';
import { within, type StoreContext } from './store-context';
import { watchProgress } from './tail-progress';

/** A push consumer on the log, which delivers every message once and in order, or ends. */
export interface TailConsumer {
  /** Resolves, with the reason, when nothing more will come. Never rejects. */
  readonly lost: Promise<string>;
  close(): void;
}

const heartbeatMs = 1_000;
/** So long nothing may come: neither messages nor heartbeats. */
const silenceMaxMs = 3_500;
const watchMs = 500;
/** Heartbeats that say that the server still waits for an answer, with no message between them. */
const stallsMax = 3;
/** The server removes a consumer that nobody listens to. */
const inactiveMs = 10_000;
const nanosPerMs = 1_000_000;

/**
 * Follows the log after a sequence. The library's ordered consumer would make itself anew, but was seen dead for 15 to
 * 45 s after its node went down: this one ends when it is not certain that all is well, and another one takes over.
 */
export async function startTailConsumer(
  context: StoreContext,
  after: bigint,
  onMessage: (message: StoredMessage) => void,
  onProgress: () => void,
  call: CallContext,
): Promise<TailConsumer> {
  const { log, pool } = context;
  const link = pool.tail;
  const name = `sluice-tail-${nuid.next()}`;
  const inbox = createInbox();
  let lose: (reason: string) => void = () => undefined;
  const lost = new Promise<string>((resolve) => (lose = resolve));
  let heardMs = Date.now();
  let delivered = 0;
  let sequence = after;
  let stalls = 0;
  const { doubts } = context.health;
  const answerFlowControl = (subject: string | undefined): void => {
    if (subject !== undefined && subject !== '') link.publish(subject, noBytes, {});
  };
  const unsubscribe = link.subscribe(inbox, (message) => {
    heardMs = Date.now();
    if (message.status !== 0) {
      const stalled = publishedHeader(message.headers, receivedHeader.stalled);
      answerFlowControl(message.reply || stalled);
      stalls = stalled === undefined ? stalls : stalls + 1;
      if (stalls > stallsMax) lose('the server goes on waiting for answers to its flow control');
      const last = publishedHeader(message.headers, receivedHeader.lastDelivery);
      if (message.status !== statusControl) lose(`the server said ${message.status}`);
      else if (last !== undefined && Number(last) > delivered) lose('a message was lost on its way');
      return;
    }
    const metadata = parseAckSubject(message.reply);
    if (metadata?.delivery !== delivered + 1) {
      lose('a message was lost on its way');
      return;
    }
    delivered++;
    ({ sequence } = metadata);
    stalls = 0;
    onMessage(toStored(message, metadata));
  });
  const watch = setInterval(() => {
    if (Date.now() - heardMs > silenceMaxMs) lose('nothing came for too long');
    // A consumer of its own has not noticed, and would go on where the log had ended.
    if (doubts !== context.health.doubts) lose('the log may have gone back to an earlier state');
  }, watchMs);
  const endProgress = watchProgress(context, () => sequence, { onProgress, onEnd: lose });
  const close = (): void => {
    clearInterval(watch);
    unsubscribe();
    lose('closed');
    deleteConsumer(context, name);
  };
  void lost.then(() => {
    clearInterval(watch);
    endProgress();
  });
  try {
    const config = consumerConfig(name, inbox, after);
    const request = { stream_name: log.name, config, action: 'create' };
    await callApi(link, `CONSUMER.CREATE.${log.name}.${name}`, request, within(call, createTimeoutMs));
  } catch (error) {
    close();
    throw error;
  }
  return { lost, close };
}

/** It may be gone already, or nobody there to ask: then the server removes it by itself. */
function deleteConsumer({ log, pool, limits }: StoreContext, name: string): void {
  callApi(pool.tail, `CONSUMER.DELETE.${log.name}.${name}`, undefined, {
    timeoutMs: limits.requestTimeoutMs,
  }).catch(() => undefined);
}

const createTimeoutMs = 5_000;
const statusControl = 100;
const noBytes = new Uint8Array(0);

function consumerConfig(name: string, inbox: string, after: bigint): object {
  return {
    name,
    deliver_subject: inbox,
    deliver_policy: 'by_start_sequence',
    opt_start_seq: Number(after + 1n),
    ack_policy: 'none',
    replay_policy: 'instant',
    idle_heartbeat: heartbeatMs * nanosPerMs,
    flow_control: true,
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
  const tokens = subject.split('.');
  const at = tokens.length === 9 ? 5 : 7;
  const [sequence, delivery, time] = tokens.slice(at, at + 3);
  if (sequence === undefined || delivery === undefined || time === undefined) return undefined;
  return { sequence: BigInt(sequence), delivery: Number(delivery), timeNanos: BigInt(time) };
}

function toStored(
  { subject, headers, body }: PushedMessage,
  { sequence, timeNanos }: DeliveryMetadata,
): StoredMessage {
  // The body is a view into a buffer of the connection, and shall be kept.
  return { subject, sequence, timeNanos, headers, body: Buffer.from(body) };
}
