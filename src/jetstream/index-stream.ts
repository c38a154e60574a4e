import type { Limits } from '../limits';
import type { CallContext } from '../store/event-store';
import { leaderGet, type StreamApi } from './api';
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
}

export function indexSubjects(prefix: string): IndexSubjects {
  const base = `${indexPrefix}.${prefix}.key`;
  return {
    fresh: `${base}.fresh`,
    merged: `${base}.merged`,
    bucket: (number) => `${base}.${number.toString()}`,
  };
}

/** The messages of an index subject from a sequence on, from the leader's point of view. */
export async function* indexMessages(
  index: IndexStream,
  subject: string,
  call: CallContext,
  from = 1n,
): AsyncGenerator<StoredMessage, void> {
  const last = await lastIndexMessage(index, subject, call);
  if (last === undefined || last.sequence < from) return;
  const context = { pool: index.pool, log: index.index, limits: index.limits };
  for await (const messages of scanSubject(context, subject, from, last.sequence, call))
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
