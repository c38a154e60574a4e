import type { Logger } from 'pino';
import type { Limits } from '../../limits';
import type { StateRecord } from '../../store/state-store';
import type { StreamApi } from '../nats/api';
import { sentHeader } from '../nats/headers';
import { publishedHeader, type StoredMessage } from '../nats/message';
import type { NatsPool } from '../nats/pool';

/** The records of the gateways: how to reach them. */
export interface StateAccess {
  readonly pool: NatsPool;
  /** The JetStream stream of the records. Its name is also the first token of its subjects. */
  readonly stream: StreamApi;
  /** The name of the JetStream stream that is the log. */
  readonly log: string;
  readonly limits: Limits;
  readonly logger: Logger;
  /** Syncs a stream to disk; undefined: that is left to NATS. */
  readonly sync: ((stream: string) => Promise<void>) | undefined;
}

export function subjectOf({ stream }: Pick<StateAccess, 'stream'>, key: string): string {
  return `${stream.name}.${key}`;
}

export function keyOf({ stream }: Pick<StateAccess, 'stream'>, subject: string): string {
  return subject.slice(stream.name.length + 1);
}

/** The record in a message; undefined: it was removed. */
export function recordIn(access: StateAccess, message: StoredMessage): StateRecord | undefined {
  const { subject, sequence, timeNanos, body } = message;
  if (body.length === 0) return undefined;
  return { key: keyOf(access, subject), value: Uint8Array.from(body), revision: sequence, timeNanos };
}

/** The attempt that stored a message; undefined: no gateway stored it. */
export function writeIn({ headers }: StoredMessage): string | undefined {
  return publishedHeader(headers, sentHeader.write);
}
