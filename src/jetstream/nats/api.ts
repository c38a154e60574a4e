import { performance } from 'node:perf_hooks';
import { JetStreamApiError, RequestTimeoutError, isRefused } from './errors';
import type { Link } from './link';
import { parseTime, type StoredMessage, toSequence } from './message';
import { byDeadline } from './coalesce';
import type { RequestOptions } from './request-options';

/** The JetStream stream that is the log. */
export interface StreamApi {
  readonly name: string;
  readonly replicas: number;
}

/** The configuration of a JetStream stream, as far as Sluice sets or checks it. Times in nanoseconds. */
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
  /** The servers that store it; the leader is not among the replicas. */
  readonly cluster?: {
    /** Of the cluster; undefined: the server is in none. */
    readonly name?: string;
    readonly leader?: string;
    /** When it became the leader. */
    readonly leader_since?: string;
    readonly replicas?: readonly {
      readonly name: string;
      readonly current: boolean;
      readonly offline?: boolean;
      readonly lag?: number;
      /** When the leader last heard from it, in nanoseconds before now; 0: not since the leader was elected. */
      readonly active?: number;
    }[];
  };
  readonly total?: number;
  readonly limit?: number;
}

/** The leader of a stream, since when it leads, and when the stream was created. A single server does not report since when. */
export function leaderOf({ created, cluster }: StreamInfo): string {
  return `${created} ${cluster?.leader ?? ''} ${cluster?.leader_since ?? ''}`;
}

interface ApiAnswer {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

/** How long a request or a message is sent again while no server takes it. */
export const absenceMaxMs = 5_000;
/** For requests that can safely be sent twice. */
const untilAnswered = { repeatMs: 1_000, absenceMaxMs };

/** Sends a request to the JetStream API (server/jetstream_api.go). Throws JetStreamApiError if it is refused. */
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
  | { readonly value?: undefined; readonly error: JetStreamApiError | SyntaxError | TypeError };

/** Never throws, whatever the reply is. */
export function parseAnswer<T>(body: Uint8Array): Answer<T> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
    const { error } = parsed as ApiAnswer;
    if (error === undefined) return { value: parsed as T };
    return { error: new JetStreamApiError(error.err_code ?? 0, error.code, error.description ?? 'refused') };
  } catch (error) {
    return { error: error as SyntaxError | TypeError };
  }
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

/** One message as the leader of its stream has it, or undefined. */
export async function apiGet(
  link: Link,
  stream: StreamApi,
  lookup: Lookup,
  options: RequestOptions,
): Promise<StoredMessage | undefined> {
  try {
    // The answer has the body as base64, beside other fields.
    const bytesMax = 2 * link.maxPayloadBytes;
    const { message } = await withPermits(link, bytesMax, options, (left) =>
      callApi<ApiMessage>(link, `STREAM.MSG.GET.${stream.name}`, lookup, left),
    );
    return {
      subject: message.subject,
      sequence: toSequence(message.seq),
      timeNanos: parseTime(message.time),
      headers: Buffer.from(message.hdrs ?? '', 'base64').toString('latin1'),
      body: Buffer.from(message.data ?? '', 'base64'),
    };
  } catch (error) {
    if (isRefused(error, 'noMessageFound')) return undefined;
    throw error;
  }
}

/**
 * Sends a request when its answer of up to `bytesMax` may be in transit. Waiting for that counts as part of the time-out.
 *
 * The permits are released when the answer has arrived, even if the caller has given up before: otherwise callers that send
 * requests and give up could make NATS send without bound, until it ends the connection.
 */
function withPermits<T>(
  link: Link,
  bytesMax: number,
  { signal, ...options }: RequestOptions,
  request: (left: RequestOptions) => Promise<T>,
): Promise<T> {
  const giveUpAt = performance.now() + options.timeoutMs;
  const answer = link.answerBytes.with(bytesMax, signal, () => {
    signal?.throwIfAborted();
    const timeoutMs = Math.ceil(giveUpAt - performance.now());
    if (timeoutMs <= 0) throw new RequestTimeoutError('the semaphore for answers was not free in time');
    return request({ ...options, timeoutMs });
  });
  return signal === undefined ? answer : byDeadline(answer, { signal, deadlineMs: Infinity });
}
