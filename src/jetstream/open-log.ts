import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { leftToNats } from '../store/durability';
import { sequence, sequenceAfter, type Sequence } from '../store/values';
import { walkLog, type OnGroups } from './follow/walk-log';
import { endless } from './log/bounded-call';
import { batchEndOf } from './log/batch-end';
import { messageAt } from './log/entry-at';
import { logAccess, type LogAccess } from './log/log-access';
import { LogHealth } from './log/log-health';
import { logInfo } from './log/log-info';
import { streamInfo, type StreamInfo } from './nats/api';
import { isRefused } from './nats/errors';
import type { Link } from './nats/link';
import type { NatsOptions, StoreOptions } from './nats/options';
import { openPool } from './nats/pool';

/** The log as the commands of an operator use it, without a gateway: whatever its configuration and its state are. */
export interface OpenedLog {
  readonly link: Link;
  /** undefined: there is no such stream. */
  info(): Promise<StreamInfo | undefined>;
  /**
   * The end of the log or, if a batch is being stored there, that of the batch. `isWhole`: false if the rest of the batch does not
   * come; then the end is before its first message.
   */
  wholeEnd(info: StreamInfo): Promise<{ readonly end: Sequence; readonly isWhole: boolean }>;
  /** Whether a sequence is within a batch of messages: what ends there has a part of it. */
  isWithinBatch(at: Sequence): Promise<boolean>;
  /** Gives every entry up to a sequence. Resolves with the sequence before the first one of the log. Throws StoreErrors. */
  walk(upTo: Sequence, onGroups: OnGroups, signal: AbortSignal): Promise<Sequence>;
  close(): Promise<void>;
}

export interface OpenLogOptions {
  readonly nats: NatsOptions;
  readonly store: Pick<StoreOptions, 'name' | 'prefix' | 'replicas'>;
  readonly limits: Limits;
  readonly log: Logger;
}

/** A batch is stored within milliseconds. */
const batchPatienceMs = 5_000;
const pauseMs = 100;

/** Connects. Throws ConnectError. */
export async function openLog({ nats, store, limits, log: logger }: OpenLogOptions): Promise<OpenedLog> {
  const pool = await openPool({ ...nats, appendConnections: 1, readConnections: 1 }, limits, logger);
  const stream = { name: store.name, replicas: store.replicas };
  const health = new LogHealth(logger, 0n, limits.unreadableRememberedMax);
  const access = logAccess({ pool, stream, prefix: store.prefix, limits }, health);
  const timeoutMs = limits.requestTimeoutMs;
  return {
    get link() {
      return pool.append();
    },
    async info() {
      try {
        return await streamInfo(pool.append(), stream.name, undefined, { timeoutMs });
      } catch (error) {
        if (isRefused(error, 'streamNotFound')) return undefined;
        throw error;
      }
    },
    wholeEnd: (info) => wholeEnd(access, sequence(BigInt(info.state.last_seq))),
    isWithinBatch: async (at) => (await endOfBatchAt(access, at)) > at,
    async walk(upTo, onGroups, signal) {
      await logInfo(access, endless);
      await walkLog({ access, durability: leftToNats }, upTo, onGroups, signal);
      return health.before;
    },
    close: () => pool.close(),
  };
}

/** The last sequence of the batch to which the message at a sequence belongs; the sequence itself outside a batch. */
async function endOfBatchAt(access: LogAccess, at: Sequence): Promise<Sequence> {
  const message = at === 0n ? undefined : await messageAt(access, at, endless);
  return message === undefined ? at : batchEndOf(message).last;
}

async function wholeEnd(access: LogAccess, at: Sequence): ReturnType<OpenedLog['wholeEnd']> {
  const message = at === 0n ? undefined : await messageAt(access, at, endless);
  if (message === undefined) return { end: at, isWhole: true };
  const { first, last } = batchEndOf(message);
  const giveUpMs = performance.now() + batchPatienceMs;
  while (last > at && (await messageAt(access, last, endless)) === undefined) {
    if (performance.now() > giveUpMs) return { end: sequenceAfter(first, -1n), isWhole: false };
    await sleep(pauseMs);
  }
  return { end: last, isWhole: true };
}
