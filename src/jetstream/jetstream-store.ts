import type { Logger } from 'pino';
import type { Limits } from '../limits';
import type { Durability } from '../store/durability';
import { CommitIdReuseError, VersionConflictError } from '../store/errors';
import type { CallContext, EventStore } from '../store/event-store';
import type { Log, LogView } from '../store/log';
import type { StoreInfo } from '../store/store-info';
import type { StreamName } from '../store/values';
import type { StreamInfo } from './nats/api';
import { append, type Appender } from './append/append';
import { appendMulti } from './append/append-multi';
import { toStoreError } from './nats/errors';
import { followLog } from './follow/follow-log';
import { IdMemory } from './append/id-memory';
import type { KnownHead } from './append/head-cache';
import { identityAt } from './log/identity';
import { askLeader } from './log/leadership';
import { LogHealth, lostMessages } from './log/log-health';
import { logInfo } from './log/log-info';
import { createMessageSize } from './nats/message-size';
import { lookForMirrors } from './log/mirrors';
import { checkServerVersion, logConfig, messageTtlWarning, openStream } from './nats/open-stream';
import type { NatsOptions, StoreOptions } from './nats/options';
import { watchOwnDisk, type OwnServer } from './log/own-disk';
import { openPool, type NatsPool } from './nats/pool';
import { createStretches } from './follow/log-stretches';
import { entryAt } from './log/entry-at';
import { createRecentIds } from './append/recent-ids';
import { RecentMap } from '../collections/recent-map';
import { coalesced } from './nats/coalesce';
import { Space } from './log/space';
import { endless, type StoreContext } from './log/store-context';
import { storeInfo } from './log/store-info';
import { StreamQueues } from './append/stream-queues';
import { watchLog } from './follow/watch-log';

/** What JetStream does of an event store: it keeps the log, and decides what is appended. */
export interface JetStream {
  /** For a view of the log. */
  readonly log: Log;
  /** Appends, which take what is stored already from the view. */
  appends(view: LogView): Pick<EventStore, 'append' | 'appendMulti'>;
  /** All but what a view of the log tells. */
  info(call: CallContext): Promise<Omit<StoreInfo, 'replica'>>;
  /** Told when NATS is lost and when it is back. */
  onAvailability(listener: (available: boolean) => void): void;
  /** Told whether the store takes appends, which is no matter of reads: now and whenever it changes. */
  onRoom(listener: (hasRoom: boolean) => void): void;
  /** Waits for appends under way. */
  idle(): Promise<void>;
  /** Drains the connections. */
  close(): Promise<void>;
}

export interface JetStreamOptions {
  readonly nats: NatsOptions;
  readonly store: StoreOptions;
  /** Whether the log is created if it does not exist. */
  readonly mayCreate: boolean;
  readonly limits: Limits;
  readonly log: Logger;
  /** Says when what is stored is on disk. */
  readonly durability: Durability;
  /** The embedded nats-server, if there is one: nobody else writes to the store. */
  readonly ownServer?: OwnServer | undefined;
}

/** Connects, and checks the store or creates it. Throws ConnectError or StoreOpenError. */
export async function openJetStream(options: JetStreamOptions): Promise<JetStream> {
  const { store, mayCreate, limits, log, durability, ownServer } = options;
  const pool = await openPool(options.nats, limits, log);
  const timeoutMs = limits.requestTimeoutMs;
  try {
    checkServerVersion(pool.append());
    const info = await openStream(pool.append(), logConfig(store, limits), { timeoutMs, mayCreate });
    durability.begin();
    const { config } = info;
    const health = new LogHealth(
      log,
      BigInt(store.lostMessagesAccepted ?? 0),
      limits.unreadableRememberedMax,
    );
    watchHealth(health, pool, info);
    if (config['allow_msg_ttl'] === true) log.warn(messageTtlWarning(store.name));
    const context: StoreContext = {
      pool,
      log: { name: store.name, replicas: store.replicas },
      health,
      prefix: store.prefix,
      durability,
      messageSize: createMessageSize(pool, store.name, config, timeoutMs),
      space: new Space(log),
      limits,
      logger: log,
    };
    health.onDoubt(() => {
      context.durability.forget();
    });
    const ids = new IdMemory();
    const watches: { close(): Promise<void> }[] = [];
    if (ownServer !== undefined) watches.push(await watchOwnDisk(context, ownServer));
    watches.push(await watchLog(context, ids));
    await lookForMirrors(context);
    return createJetStream(context, ids, { watches, isOwn: ownServer !== undefined });
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** What a server has that NATS comes back with may be less. */
function watchHealth(health: LogHealth, pool: NatsPool, info: StreamInfo): void {
  health.noteInfo(info);
  pool.onLinkChange(() => {
    health.doubt();
  });
}

interface Around {
  readonly watches: readonly { close(): Promise<void> }[];
  readonly isOwn: boolean;
}

function createJetStream(context: StoreContext, ids: IdMemory, { watches, isOwn }: Around): JetStream {
  const { pool, limits, durability } = context;
  const queues = new StreamQueues(limits);
  return {
    log: createLog(context, isOwn),
    appends(view) {
      const heads = new RecentMap<StreamName, KnownHead>(limits.headCacheEntriesMax);
      const recent = createRecentIds(() => view.applied);
      const appender: Appender = { ...context, view, heads, queues, ids, recent };
      // Positions may be given a second time: then even the check of a stream's last position proves nothing of its version.
      context.health.onDoubt(() => {
        heads.clear();
        recent.clear();
      });
      // What an error tells, a version for instance, could be lost in a loss of power as well as what an answer tells.
      const onceDurable = async (error: unknown, { deadlineMs }: CallContext): Promise<never> => {
        if (error instanceof VersionConflictError || error instanceof CommitIdReuseError) {
          await durability.whenAllDurable(Math.min(deadlineMs, Date.now() + limits.appendTimeoutMs));
        }
        throw error;
      };
      return {
        append: (command, call) =>
          translated(append(appender, command, call).catch((error: unknown) => onceDurable(error, call))),
        appendMulti: (command, call) =>
          translated(
            appendMulti(appender, command, call).catch((error: unknown) => onceDurable(error, call)),
          ),
      };
    },
    info: () => translated(storeInfo(context)),
    onRoom(listener) {
      context.space.onChange(listener);
    },
    onAvailability(listener) {
      pool.onAvailability(listener);
    },
    async idle() {
      for (const watch of watches) await watch.close();
      await queues.idle();
      await durability.idle();
    },
    close: () => pool.close(),
  };
}

function createLog(context: StoreContext, isOwn: boolean): Log {
  const { health, limits } = context;
  const ask = coalesced(() => logInfo(context, endless));
  const read = createStretches(context);
  return {
    get isSoleWriter() {
      return isOwn && health.isCurrent;
    },
    get doubts() {
      return health.doubts;
    },
    onDoubt(listener) {
      health.onDoubt(listener);
    },
    faults: health,
    async end(call) {
      const { sequence, info } = await translated(askLeader(ask, limits, call));
      const isAuthoritative = Number(info.config['num_replicas'] ?? 1) <= 1;
      return { sequence, identity: info.created, lost: lostMessages(info), isAuthoritative };
    },
    identityAt: (sequence, call) => translated(identityAt(context, sequence, call)),
    follow: (after, sink, signal) => translated(followLog(context, after, sink, signal)),
    read: (after, upTo, bytesMax) => translated(read(after, upTo, bytesMax)),
    entryAt: (sequence) => translated(entryAt(context, sequence)),
  };
}

function translated<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw toStoreError(error);
  });
}
