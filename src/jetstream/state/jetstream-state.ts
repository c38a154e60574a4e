import type { Logger } from 'pino';
import type { Limits } from '../../limits';
import { StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import { overlap } from '../../store/patterns';
import type { StateFacts } from '../../store/store-facts';
import {
  StateChangedError,
  type StateRecord,
  type StateStore,
  type StateView,
} from '../../store/state-store';
import { byDeadline } from '../nats/coalesce';
import { RequestTimeoutError, toStoreError } from '../nats/errors';
import type { NatsPool } from '../nats/pool';
import { listKeys, listRecords } from './list-records';
import { RecordsView } from './records-view';
import { scanRecords } from './scan-records';
import { recordIn, type StateAccess } from './state-access';
import { StateStream, stateStreamOf } from './state-stream';
import { newestMessage, valueBytesMax, writeRecord, type Change } from './write-record';

/** The records beside the log, in the stream `<store>_STATE`. */
export interface JetStreamState extends StateStore {
  /** A line for each setting of the stream that is wrong, as of the last look, with the name of the stream. */
  readonly wrongSettings: readonly string[];
  readonly facts: StateFacts;
  close(): void;
}

export interface StateOptions {
  readonly pool: NatsPool;
  /** The log. */
  readonly stream: { readonly name: string; readonly replicas: number };
  readonly limits: Limits;
  readonly logger: Logger;
  readonly sync?: StateAccess['sync'];
}

/** What is acknowledged to callers. With power, other records may be lost, the newest first: then events are delivered again. */
const durablePrefix = 'group.';
/** Each is looked for once a second. */
const patternsMax = 8;
const none = new Uint8Array(0);

/** Sends nothing to NATS until it is used. */
export function createState({ stream: log, sync, ...options }: StateOptions): JetStreamState {
  const stream = { name: stateStreamOf(log.name), replicas: log.replicas };
  const access: StateAccess = { ...options, stream, log: log.name, sync };
  const { limits } = options;
  const state = new StateStream(access);
  const views = new Set<RecordsView>();
  const changes = { stored: 0, tooLate: 0, failed: 0 };

  const write = async (change: Change, call: CallContext): Promise<bigint> => {
    try {
      const revision = await translated(writeRecord(access, state, change, call));
      if (change.key.startsWith(durablePrefix)) await syncNow(access);
      changes.stored++;
      return revision;
    } catch (error) {
      if (error instanceof StateChangedError) changes.tooLate++;
      else changes.failed++;
      throw error;
    }
  };

  return {
    get wrongSettings() {
      return state.wrongSettings;
    },
    get facts() {
      return { changes, viewAgeMs: ageOf(views) };
    },
    get valueBytesMax() {
      return valueBytesMax(access);
    },
    get: (key, call) => translated(readRecord(access, key, call)),
    keys: (pattern, call) => translated(listKeys(access, pattern, call)),
    scan: (pattern, visit, call) => translated(scanRecords(access, pattern, visit, call)),
    list: (prefix, call) => translated(listRecords(access, prefix, call)),
    async put(key, value, revision, call) {
      if (value.length === 0) throw new Error('a record has at least one byte');
      return write({ key, value, revision }, call);
    },
    async remove(key, revision, call) {
      try {
        if (revision > 0n) await write({ key, value: none, revision }, call);
        else throw new StateChangedError(`${key} has not been read`);
      } catch (error) {
        if (!(error instanceof StateChangedError) || !(await isGone(access, key, call))) throw error;
      }
    },
    watch: (patterns, call) => watch(patterns, call),
    close() {
      for (const view of views) view.close();
    },
  };

  async function watch(patterns: readonly string[], call: CallContext): Promise<StateView> {
    checkPatterns(patterns);
    const view: RecordsView = new RecordsView({ access, patterns }, state, () => views.delete(view));
    views.add(view);
    const deadlineMs = Math.min(call.deadlineMs, performance.now() + limits.requestTimeoutMs);
    try {
      await byDeadline(view.ready, { signal: call.signal, deadlineMs });
      return view;
    } catch (error) {
      view.close();
      throw toStoreError(error instanceof RequestTimeoutError ? (view.obstacle ?? error) : error);
    }
  }
}

async function readRecord(
  access: StateAccess,
  key: string,
  call: CallContext,
): Promise<StateRecord | undefined> {
  const message = await newestMessage(access, key, call);
  return message && recordIn(access, message);
}

/** How long ago the oldest view was last compared; undefined: no view is open. */
function ageOf(views: ReadonlySet<RecordsView>): number | undefined {
  const age = performance.now() - Math.min(...[...views].map(({ verifiedMs }) => verifiedMs));
  return Number.isFinite(age) ? age : undefined;
}

/** Whether a record is removed already. */
async function isGone(access: StateAccess, key: string, call: CallContext): Promise<boolean> {
  const message = await translated(newestMessage(access, key, call));
  return message === undefined || message.body.length === 0;
}

async function syncNow({ sync, stream, logger }: StateAccess): Promise<void> {
  try {
    await sync?.(stream.name);
  } catch (cause) {
    logger.error(
      { err: cause, stream: stream.name },
      'the records of consumer groups cannot be synced to disk',
    );
    throw new StoreUnavailableError('the change is stored, and cannot be synced to disk', { cause });
  }
}

/** A mistake of the caller is a bug. */
function checkPatterns(patterns: readonly string[]): void {
  const doOverlap = patterns.some((one, i) => patterns.slice(i + 1).some((other) => overlap(one, other)));
  if (patterns.length === 0 || patterns.length > patternsMax || doOverlap)
    throw new Error('1 to 8 patterns that do not overlap');
}

function translated<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw toStoreError(error);
  });
}
