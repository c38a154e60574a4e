import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import { leaderGet, streamInfo, type StreamApi } from './api';
import { JetStreamApiError, errCode } from './errors';
import { storedMessage, type StoredMessage } from './message';
import { indexPrefix } from './open-stream';
import type { NatsPool } from './pool';
import { scanSubject } from './scan';
import { within } from './store-context';

/** The JetStream stream of the index (docs/storage.md), and how to reach it. */
export interface IndexStream {
  readonly pool: NatsPool;
  readonly limits: Limits;
  readonly index: StreamApi;
  readonly subjects: IndexSubjects;
}

export interface IndexSubjects {
  /** Records of stretches of the log, the newest last. Its last message tells how far the index is. */
  readonly fresh: string;
  /** How far `fresh` has been merged into buckets, as a sequence of the index stream. */
  readonly merged: string;
  readonly bucket: (number: number) => string;
  /** What a bucket had before, when it was large. */
  readonly cell: (bucket: number, number: number) => string;
}

export function indexSubjects(prefix: string): IndexSubjects {
  const base = `${indexPrefix}.${prefix}.key`;
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

export async function indexState(
  { pool, index, limits }: IndexStream,
  call: CallContext,
): Promise<IndexState> {
  try {
    const options = within(call, limits.requestTimeoutMs);
    const { created, state } = await streamInfo(pool.read(), index.name, undefined, options);
    return { created, firstSequence: BigInt(state.first_seq), lastSequence: BigInt(state.last_seq) };
  } catch (cause) {
    if (!(cause instanceof JetStreamApiError && cause.errCode === errCode.streamNotFound)) throw cause;
    throw new StoreUnavailableError('the index is gone, and not made anew yet', { cause });
  }
}
