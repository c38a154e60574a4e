import {
  absenceMaxMs,
  apiGet,
  inRoom,
  untilAnswered,
  whileThereIsRoom,
  type Lookup,
  type StreamApi,
} from './api';
import { StoreUnavailableError } from '../store/errors';
import { JetStreamApiError } from './errors';
import { receivedHeader } from './headers';
import type { Link, RequestOptions } from './link';
import {
  formatTime,
  parseInteger,
  serverHeader,
  storedMessage,
  type RawMessage,
  type StoredMessage,
} from './message';

/**
 * Direct Get: messages of a stream from whoever has them, much faster than from its leader's API. Whoever has them may also
 * be a mirror of the stream in the same account: nats-server lets it answer in the stream's place, without the headers
 * that were checked when a message was stored and, if the mirror has a filter, without most messages. A message says
 * which stream it comes from; "there is none" does not. So a message of another stream is not taken, and it is the leader
 * who says that there is none.
 */

/** One message, as any replica knows it, or undefined if the leader has none. */
export async function directGet(
  link: Link,
  stream: StreamApi,
  lookup: Lookup | { readonly seq: number },
  options: RequestOptions,
): Promise<StoredMessage | undefined> {
  const payload = JSON.stringify(lookup);
  const answer = await inRoom(link, link.maxPayloadBytes, options, (left) =>
    link.request(directSubject(stream), payload, { ...untilAnswered, ...left }),
  );
  if (answer.status !== 0 && answer.status !== 404) throw directError(answer);
  const isOwn = answer.status === 0 && isFrom(stream, answer);
  return isOwn ? storedMessage(answer) : apiGet(link, stream, lookup, options);
}

/**
 * One message, as its leader knows it, or undefined. A server that is alone is the leader of all that it keeps, and answers a
 * Direct Get in two thirds of the time. How many replicas a stream has can change at any time, but not where there is one
 * server.
 */
export function leaderGet(
  link: Link,
  stream: StreamApi,
  lookup: Lookup,
  options: RequestOptions,
): Promise<StoredMessage | undefined> {
  return link.isAlone ? directGet(link, stream, lookup, options) : apiGet(link, stream, lookup, options);
}

/** The next messages of a subject from a sequence on, or the last message of each of some subjects. */
export type BatchLookup =
  | {
      readonly seq: number;
      readonly next_by_subj: string;
      readonly batch: number;
      readonly max_bytes?: number;
    }
  | { readonly multi_last: readonly string[]; readonly batch: number };

export interface Batch {
  /** As they came: see `storedMessage`. */
  readonly messages: readonly RawMessage[];
  /** Whether the answering replica knows of more. */
  readonly more: boolean;
}

/** A mirror answers about every second question; one that answers this many in a row is nearer than the log. */
const attemptsMax = 4;

/**
 * Many messages, as any replica knows them, in the order of the log; none if the leader has none. A batch is whole or an
 * error; it may end early, see `more`. Throws StoreUnavailableError if the answers are out of order.
 */
export async function directGetBatch(
  link: Link,
  stream: StreamApi,
  lookup: BatchLookup,
  options: RequestOptions,
): Promise<Batch> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const batch = await askBatch(link, stream, lookup, options);
    const [first] = batch.messages;
    if (first === undefined) break;
    // They all come from the same place.
    if (isFrom(stream, first)) return batch;
  }
  return leaderBatch(link, stream, lookup, options);
}

async function askBatch(
  link: Link,
  stream: StreamApi,
  lookup: BatchLookup,
  options: RequestOptions,
): Promise<Batch> {
  const messages: RawMessage[] = [];
  let more = false;
  let last = BigInt('seq' in lookup ? lookup.seq : 0) - 1n;
  const take = (answer: RawMessage): boolean => {
    if (answer.status === 0) {
      last = sequenceAfter(last, answer);
      messages.push(answer);
      return false;
    }
    if (answer.status === 204) more = serverHeader(answer.headers, receivedHeader.pending) !== '0';
    else if (answer.status !== 404) throw directError(answer);
    return true;
  };
  await whileThereIsRoom(link, bytesOf(link, lookup), options, (left) =>
    link.requestMany(directSubject(stream), JSON.stringify(lookup), take, { absenceMaxMs, ...left }),
  );
  return { messages, more };
}

/** The sequence of the next answer, which lies after that of the last one unless something has mixed up the answers. */
function sequenceAfter(last: bigint, { headers }: RawMessage): bigint {
  const sequence = parseInteger(serverHeader(headers, receivedHeader.sequence) ?? '0');
  if (sequence > last) return sequence;
  throw new StoreUnavailableError(
    `NATS gave the messages out of order: ${sequence.toString()} after ${last.toString()}`,
  );
}

/** Its API gives one message at a time: after so many, Direct Get has another chance. */
const leaderMessagesMax = 64;

async function leaderBatch(
  link: Link,
  stream: StreamApi,
  lookup: BatchLookup,
  options: RequestOptions,
): Promise<Batch> {
  if ('multi_last' in lookup) {
    const asked = lookup.multi_last.map((last_by_subj) => apiGet(link, stream, { last_by_subj }, options));
    const found = (await Promise.all(asked)).filter((message) => message !== undefined);
    return { messages: found.map((message) => asAnswer(stream, message)), more: false };
  }
  const { next_by_subj, batch, max_bytes = Infinity } = lookup;
  const messages: RawMessage[] = [];
  for (let { seq } = lookup, bytes = 0; bytes < max_bytes;) {
    const message = await apiGet(link, stream, { seq, next_by_subj }, options);
    if (message === undefined) return { messages, more: false };
    messages.push(asAnswer(stream, message));
    if (messages.length >= Math.min(batch, leaderMessagesMax)) break;
    bytes += message.body.length;
    seq = Number(message.sequence) + 1;
  }
  return { messages, more: true };
}

/** A message from the leader's API, as a Direct Get would have brought it. */
function asAnswer({ name }: StreamApi, message: StoredMessage): RawMessage {
  const { subject, sequence, timeNanos, body } = message;
  const added = [
    [receivedHeader.stream, name],
    [receivedHeader.subject, subject],
    [receivedHeader.sequence, sequence.toString()],
    [receivedHeader.time, formatTime(timeNanos)],
  ].map(([header = '', value = '']) => `${header}: ${value}\r\n`);
  const published = message.headers.replace(/\r\n\r\n$/, '');
  return { status: 0, headers: `${published}\r\n${added.join('')}\r\n`, body };
}

/** Whether a message comes from the stream itself. */
function isFrom({ name, onMirror }: StreamApi, { headers }: RawMessage): boolean {
  const from = serverHeader(headers, receivedHeader.stream);
  if (from === name) return true;
  onMirror?.(from ?? '');
  return false;
}

/** The server stops after the message that comes to `max_bytes`. */
function bytesOf({ maxPayloadBytes }: Link, lookup: BatchLookup): number {
  const bytesMax = ('max_bytes' in lookup ? lookup.max_bytes : undefined) ?? Infinity;
  return Math.min(bytesMax, (lookup.batch - 1) * maxPayloadBytes) + maxPayloadBytes;
}

function directSubject({ name }: StreamApi): string {
  return `$JS.API.DIRECT.GET.${name}`;
}

function directError({ status, headers }: RawMessage): JetStreamApiError {
  return new JetStreamApiError(0, status, `Direct Get: ${headers.slice(9, headers.indexOf('\r\n'))}`);
}
