import { performance } from 'node:perf_hooks';
import { JetStreamApiError, RequestTimeoutError, isRefused } from './errors';
import type { Link } from './link';
import { parseTime, type StoredMessage } from './message';
import { byDeadline } from './coalesce';
import type { RequestOptions } from './request-options';

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
    /** Since when it is the leader. */
    readonly leader_since?: string;
    readonly replicas?: readonly {
      readonly name: string;
      readonly current: boolean;
      readonly offline?: boolean;
      readonly lag?: number;
      /** When the leader last heard of it, in nanoseconds before now; 0: not since it was elected. */
      readonly active?: number;
    }[];
  };
  readonly total?: number;
  readonly limit?: number;
}

/** Who leads the stream, since when, and which stream of that name it is. A server that is alone does not tell since when. */
export function leaderOf({ created, cluster }: StreamInfo): string {
  return `${created} ${cluster?.leader ?? ''} ${cluster?.leader_since ?? ''}`;
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
  const { value, error } = parseAnswer<T>(answer.body);
  if (error === undefined) return value;
  if (!isRefused(error, 'streamNotFound')) throw error;
  const name = /^(?:STREAM\.MSG|STREAM|CONSUMER)\.[A-Z]+\.([^.]+)/.exec(verb)?.[1] ?? verb;
  throw JetStreamApiError.of('streamNotFound', 404, `there is no JetStream stream ${name}`);
}

/** An answer of the API or to a publish: what it holds, why the server refused, or why it cannot be read. */
export type Answer<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: JetStreamApiError | SyntaxError };

/** Never throws. */
export function parseAnswer<T>(body: Uint8Array): Answer<T> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
  } catch (error) {
    return { error: error as SyntaxError };
  }
  const { error } = parsed as ApiAnswer;
  if (error === undefined) return { value: parsed as T };
  return { error: new JetStreamApiError(error.err_code ?? 0, error.code, error.description ?? 'refused') };
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
  | { readonly last_by_subj: string }
  | { readonly seq: number }
  /** The first message from a sequence on. */
  | { readonly seq: number; readonly next_by_subj: string };

interface ApiMessage {
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly hdrs?: string;
    readonly data?: string;
    readonly time: string;
  };
}

/** One message, as the leader of its stream knows it, or undefined. */
export async function apiGet(
  link: Link,
  stream: StreamApi,
  lookup: Lookup,
  options: RequestOptions,
): Promise<StoredMessage | undefined> {
  try {
    // Its body comes as base64, with other fields beside it.
    const bytesMax = 2 * link.maxPayloadBytes;
    const { message } = await inRoom(link, bytesMax, options, (left) =>
      callApi<ApiMessage>(link, `STREAM.MSG.GET.${stream.name}`, lookup, left),
    );
    return {
      subject: message.subject,
      sequence: BigInt(message.seq),
      timeNanos: parseTime(message.time),
      headers: Buffer.from(message.hdrs ?? '', 'base64').toString('latin1'),
      body: Buffer.from(message.data ?? '', 'base64'),
    };
  } catch (error) {
    if (isRefused(error, 'noMessageFound')) return undefined;
    throw error;
  }
}

/** Asks for one message as soon as there is room for so many bytes. The time that this takes counts as well. */
export function inRoom<T>(
  link: Link,
  bytesMax: number,
  options: RequestOptions,
  ask: (left: RequestOptions) => Promise<T>,
): Promise<T> {
  const giveUpAt = performance.now() + options.timeoutMs;
  return whileThereIsRoom(link, bytesMax, options, (left) => {
    const timeoutMs = Math.ceil(giveUpAt - performance.now());
    if (timeoutMs <= 0) throw new RequestTimeoutError('the semaphore for answers was not free in time');
    return ask({ ...left, timeoutMs });
  });
}

/**
 * Asks as soon as there is room for so many bytes. They come also when nobody waits for them any more, so the room is free only
 * then: callers who ask and give up, again and again, would have NATS send without bound, until it ends the connection.
 */
export function whileThereIsRoom<T>(
  link: Link,
  bytesMax: number,
  { signal, ...options }: RequestOptions,
  ask: (options: RequestOptions) => Promise<T>,
): Promise<T> {
  const answer = link.pages.with(bytesMax, signal, () => {
    signal?.throwIfAborted();
    return ask(options);
  });
  return signal === undefined ? answer : byDeadline(answer, { signal, deadlineMs: Infinity });
}
