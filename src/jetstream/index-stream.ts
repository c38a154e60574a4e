import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import { callApi, streamInfo, type StreamApi, type StreamConfig } from './api';
import { leaderGet } from './direct-get';
import { errCode, isRefused } from './errors';
import { storedMessage, type StoredMessage } from './message';
import { disagreements, indexPrefix } from './open-stream';
import type { NatsPool } from './pool';
import { scanSubject } from './scan';
import { within } from './store-context';

/** The JetStream stream of the index (docs/storage.md), and how to reach it. */
export interface IndexStream {
  readonly pool: NatsPool;
  readonly limits: Limits;
  readonly index: StreamApi;
  /** How it must be set. */
  readonly indexConfig: StreamConfig;
  readonly logger: Logger;
  readonly subjects: IndexSubjects;
}

export interface IndexSubjects {
  /** Records of stretches of the log, the newest last. Its last message tells how far the index is. */
  readonly fresh: string;
  /** How far in the log `fresh` has been merged into buckets. */
  readonly merged: string;
  readonly bucket: (number: number) => string;
  /** What a bucket had before, when it was large. */
  readonly cell: (bucket: number, number: number) => string;
}

/** The first had `key` in its place, and could have gaps. The second did not say of which log it is. */
const format = 'v3';

/** The subjects of the fresh records in any format. */
export function freshSubjects(prefix: string): string {
  return `${indexPrefix}.${prefix}.*.fresh`;
}

export function indexSubjects(prefix: string): IndexSubjects {
  const base = `${indexPrefix}.${prefix}.${format}`;
  return {
    fresh: `${base}.fresh`,
    merged: `${base}.merged`,
    bucket: (number) => `${base}.${number.toString()}`,
    cell: (bucket, number) => `${base}.${bucket.toString()}.${number.toString()}`,
  };
}

/**
 * The messages of an index subject from a sequence on, from the leader's point of view: all that are there now and nobody
 * removes meanwhile. Where they are removed, what is stored on the subject before that is among them.
 */
export async function* indexMessages(
  index: IndexStream,
  subject: string,
  call: CallContext,
  from = 1n,
): AsyncGenerator<StoredMessage, void> {
  const last = await lastIndexMessage(index, subject, call);
  if (last === undefined || last.sequence < from) return;
  const context = { pool: index.pool, log: index.index, limits: index.limits };
  for await (const messages of scanSubject(context, subject, from, last.sequence, call, { beyond: true }))
    for (const message of messages) yield storedMessage(message);
}

export function lastIndexMessage(
  index: IndexStream,
  subject: string,
  call: CallContext,
): Promise<StoredMessage | undefined> {
  const options = within(call, index.limits.requestTimeoutMs);
  return leaderGet(index.pool.read(), index.index, { last_by_subj: subject }, options);
}

/** What tells whether the index is still the one that something was read of. */
export interface IndexState {
  /** Another time means that somebody has made it anew, with other records. */
  readonly created: string;
  /** Of the oldest message that is there. */
  readonly firstSequence: bigint;
  readonly lastSequence: bigint;
}

/** Throws StoreUnavailableError if the index is gone, or not set as it must be: then it cannot be trusted to be whole. */
export async function indexState(
  { pool, index, indexConfig, limits }: IndexStream,
  call: CallContext,
): Promise<IndexState> {
  const info = await streamInfo(
    pool.read(),
    index.name,
    undefined,
    within(call, limits.requestTimeoutMs),
  ).catch((cause: unknown) => {
    if (!isRefused(cause, errCode.streamNotFound)) throw cause;
    throw new StoreUnavailableError('the index is gone, and not made anew yet', { cause });
  });
  const { config, created, state } = info;
  const wrong = disagreements(config, indexConfig);
  if (wrong.length > 0)
    throw new StoreUnavailableError(`the index ${index.name} is not set as it must be: ${wrong.join('; ')}`);
  return { created, firstSequence: BigInt(state.first_seq), lastSequence: BigInt(state.last_seq) };
}

/** Removes all records, for a reason: it is made from the log again. */
export async function emptyIndex(
  { pool, index, limits, logger }: IndexStream,
  reason: string,
  call: CallContext,
): Promise<void> {
  logger.warn({ index: index.name, reason }, 'the index is emptied, and made from the log again');
  await callApi(pool.append(), `STREAM.PURGE.${index.name}`, {}, within(call, limits.requestTimeoutMs));
}
