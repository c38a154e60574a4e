import { StoreUnavailableError } from '../store/errors';
import { JetStreamApiError, errCode, isRefused } from './errors';
import { receivedHeader } from './headers';
import type { Link, RequestOptions } from './link';
import {
  formatTime,
  parseInteger,
  parseTime,
  serverHeader,
  storedMessage,
  type RawMessage,
  type StoredMessage,
} from './message';

/** The JetStream API of one stream: requests and answers as in the server's source (server/jetstream_api.go). */
export interface StreamApi {
  readonly name: string;
  readonly replicas: number;
}

/** What a JetStream stream is set to; only what Sluice sets or checks. Times in nanoseconds. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects?: readonly string[];
  readonly [field: string]: unknown;
}

export interface StreamInfo {
  readonly config: StreamConfig;
  readonly created: string;
  /** The server's clock. */
  readonly ts: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
    readonly last_ts: string;
    readonly consumer_count: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
  /** Who keeps it; the leader is not among the replicas. */
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly {
      readonly name: string;
      readonly current: boolean;
      readonly offline?: boolean;
      readonly lag?: number;
    }[];
  };
  readonly total?: number;
  readonly limit?: number;
}

interface ApiAnswer {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

/** So long a question or a message is sent again while nobody is there to take it. */
export const absenceMaxMs = 5_000;
/** What is asked for can be done twice. */
const untilAnswered = { repeatMs: 1_000, absenceMaxMs };

/** Asks the JetStream API. Throws JetStreamApiError if it refuses. */
export async function callApi<T>(
  link: Link,
  verb: string,
  body: unknown,
  options: RequestOptions,
): Promise<T> {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const answer = await link.request(`$JS.API.${verb}`, payload, { ...untilAnswered, ...options });
  try {
    return parseAnswer(answer.body) as T;
  } catch (error) {
    if (!isRefused(error, errCode.streamNotFound)) throw error;
    const name = /^(?:STREAM\.MSG|STREAM|CONSUMER)\.[A-Z]+\.([^.]+)/.exec(verb)?.[1] ?? verb;
    throw new JetStreamApiError(errCode.streamNotFound, 404, `there is no JetStream stream ${name}`);
  }
}

/** The JSON answer of the API or of a publish. Throws JetStreamApiError. */
export function parseAnswer(body: Uint8Array): unknown {
  const parsed: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
  const { error } = parsed as ApiAnswer;
  if (error !== undefined) {
    throw new JetStreamApiError(error.err_code ?? 0, error.code, error.description ?? 'refused');
  }
  return parsed;
}

export function streamInfo(
  link: Link,
  name: string,
  request: { readonly subjects_filter: string; readonly offset: number } | undefined,
  options: RequestOptions,
): Promise<StreamInfo> {
  return callApi<StreamInfo>(link, `STREAM.INFO.${name}`, request, options);
}

export type Lookup =
  { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj: string };

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

interface ApiMessage {
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly hdrs?: string;
    readonly data?: string;
    readonly time: string;
  };
}

async function apiGet(
  link: Link,
  stream: StreamApi,
  lookup: Lookup,
  options: RequestOptions,
): Promise<StoredMessage | undefined> {
  try {
    // Its body comes as base64, with other fields beside it.
    const bytesMax = 2 * link.maxPayloadBytes;
    const { message } = await link.pages.with(bytesMax, options.signal, () =>
      callApi<ApiMessage>(link, `STREAM.MSG.GET.${stream.name}`, lookup, options),
    );
    return {
      subject: message.subject,
      sequence: BigInt(message.seq),
      timeNanos: parseTime(message.time),
      headers: Buffer.from(message.hdrs ?? '', 'base64').toString('latin1'),
      body: Buffer.from(message.data ?? '', 'base64'),
    };
  } catch (error) {
    if (error instanceof JetStreamApiError && error.errCode === errCode.messageNotFound) return undefined;
    throw error;
  }
}

/** One message, as any replica knows it, or undefined. */
export async function directGet(
  link: Link,
  stream: StreamApi,
  lookup: Lookup | { readonly seq: number },
  options: RequestOptions,
): Promise<StoredMessage | undefined> {
  const answer = await link.pages.with(link.maxPayloadBytes, options.signal, () =>
    link.request(directSubject(stream), JSON.stringify(lookup), { ...untilAnswered, ...options }),
  );
  if (answer.status === 404) return undefined;
  if (answer.status !== 0) throw directError(answer.status, answer.headers);
  return storedMessage(answer);
}

export interface BatchLookup {
  readonly seq?: number;
  readonly next_by_subj?: string;
  readonly multi_last?: readonly string[];
  readonly up_to_seq?: number;
  readonly up_to_time?: string;
  readonly start_time?: string;
  readonly batch: number;
  readonly max_bytes?: number;
}

export interface Batch {
  /** As they came: see `storedMessage`. */
  readonly messages: readonly RawMessage[];
  /** Whether the answering replica knows of more. */
  readonly more: boolean;
}

/**
 * Many messages, as any replica knows them, in the order of the log. A batch is whole or an error; it may end early, see
 * `more`. Throws StoreUnavailableError if the answers are out of order.
 */
export async function directGetBatch(
  link: Link,
  stream: StreamApi,
  lookup: BatchLookup,
  options: RequestOptions,
): Promise<Batch> {
  const messages: RawMessage[] = [];
  let more = false;
  let last = BigInt(lookup.seq ?? 0) - 1n;
  const take = (answer: RawMessage): boolean => {
    if (answer.status === 0) {
      last = sequenceAfter(last, answer);
      messages.push(answer);
      return false;
    }
    if (answer.status === 204) more = serverHeader(answer.headers, receivedHeader.pending) !== '0';
    else if (answer.status !== 404) throw directError(answer.status, answer.headers);
    return true;
  };
  await link.pages.with(bytesOf(link, lookup), options.signal, () =>
    link.requestMany(directSubject(stream), JSON.stringify(lookup), take, { absenceMaxMs, ...options }),
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

/** The server stops after the message that comes to `max_bytes`. */
function bytesOf({ maxPayloadBytes }: Link, { batch, max_bytes: bytes = Infinity }: BatchLookup): number {
  return Math.min(bytes, (batch - 1) * maxPayloadBytes) + maxPayloadBytes;
}

/** The last moment that a time condition takes in, for `up_to_time`, which leaves its own moment out. */
export function throughTime(nanos: bigint): string {
  return formatTime(nanos + 1n);
}

function directSubject({ name }: StreamApi): string {
  return `$JS.API.DIRECT.GET.${name}`;
}

function directError(status: number, headers: string): JetStreamApiError {
  return new JetStreamApiError(0, status, `Direct Get: ${headers.slice(9, headers.indexOf('\r\n'))}`);
}
