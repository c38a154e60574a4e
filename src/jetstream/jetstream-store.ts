import type { Logger } from 'pino';
import type { Limits } from '../limits';
import type { Durability } from '../store/durability';
import type { CallContext, EventStore } from '../store/event-store';
import type { Log, LogView } from '../store/log';
import type { AppendFacts, LogFacts, RemovalReport, StoreFacts } from '../store/store-facts';
import type { StoreInfo } from '../store/store-info';
import { position } from '../store/values';
import { append, appendMulti, control, type Appending } from './append/append';
import { Doubts } from './append/doubts';
import { Fence, noFence } from './append/fence';
import { Heads } from './append/heads';
import { IdMemory } from './append/id-memory';
import { Publisher } from './append/publisher';
import { StoredCommits } from './append/stored-commits';
import { StreamQueues } from './append/stream-queues';
import { followLog, type DurableLog } from './follow/follow-log';
import { createChunks } from './follow/log-chunks';
import { watchLog } from './follow/watch-log';
import { endless } from './log/bounded-call';
import { CommitSizes } from './log/commit-sizes';
import { entryAt } from './log/entry-at';
import { identityAt } from './log/identity';
import { askLeader } from './log/leadership';
import { logAccess, type LogAccess } from './log/log-access';
import { LogHealth } from './log/log-health';
import { logInfo } from './log/log-info';
import { watchMirrors } from './log/mirrors';
import { watchEmbeddedDisk, type EmbeddedDisk } from './log/embedded-disk';
import { Space } from './log/space';
import { StoreFeatures } from './log/store-features';
import { storeInfo } from './log/store-info';
import type { StreamConfig } from './nats/api';
import { toStoreError } from './nats/errors';
import { createMessageSize } from './nats/message-size';
import { checkServerVersion, logConfig, messageTtlWarning, openStream } from './nats/open-stream';
import type { NatsOptions, StoreOptions } from './nats/options';
import { openPool, type NatsPool } from './nats/pool';
import { coalesced } from './nats/coalesce';
import { unfinishedRestore } from './nats/unfinished-restore';
import { createState, type JetStreamState } from './state/jetstream-state';
import { startSweeper, type Sweeper } from './sweep/sweeper';
import type { SweepView } from '../store/sweep-view';
import { StoreUnavailableError } from '../store/errors';

/** JetStream's part of an event store: it stores the log, and decides what is appended. */
export interface JetStream {
  /** The log, for a view of it. */
  readonly log: Log;
  readonly space: Space;
  /** Written by the process that removes messages; another one may write what it learns from that one. */
  readonly removal: RemovalReport;
  /** What the gateways of the store keep beside its log. */
  readonly state: JetStreamState;
  /** Appends and controls, which look up in the view what is stored already. `describe`: what the view knows of a stream. */
  appends(
    view: LogView,
    describe: EventStore['getStream'],
  ): Pick<EventStore, 'append' | 'appendMulti' | 'control'>;
  /** Everything except what a view of the log knows. */
  info(call: CallContext): Promise<Omit<StoreInfo, 'replica'>>;
  /** Begins to remove what nobody can read any more. To be called once at most, by one process of a gateway. */
  startSweeper(view: SweepView, control: EventStore['control']): void;
  /** The listener gets whether NATS is connected: now and whenever it changes. */
  onAvailability(listener: (available: boolean) => void): void;
  /** The listener gets whether the store takes appends, which does not affect reads: now and whenever it changes. */
  onSpace(listener: (hasSpace: boolean) => void): void;
  readonly facts: Omit<StoreFacts, 'replica'>;
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
  /** Syncs a small stream to disk; undefined: that is left to NATS. */
  readonly syncStream?: ((stream: string) => Promise<void>) | undefined;
  /** The embedded nats-server, if there is one: nobody else writes to the store. */
  readonly embedded?: EmbeddedDisk | undefined;
}

/** Connects, and checks the store or creates it. Throws ConnectError or StoreOpenError. */
export async function openJetStream(options: JetStreamOptions): Promise<JetStream> {
  const pool = await openPool(options.nats, options.limits, options.log);
  try {
    return await openOver(pool, options);
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** Checks the store or creates it. Throws StoreOpenError. */
async function openLogAccess(
  pool: NatsPool,
  options: JetStreamOptions,
): Promise<{ readonly log: LogAccess; readonly config: StreamConfig }> {
  const { store, mayCreate, limits, log: logger, durability } = options;
  checkServerVersion(pool.append());
  const opening = { timeoutMs: limits.requestTimeoutMs, mayCreate, immutable: store.immutable };
  const { config } = await openStream(pool.append(), logConfig(store, limits), opening);
  durability.begin();
  if (config['allow_msg_ttl'] === true) logger.warn(messageTtlWarning(store.name));
  const stream = { name: store.name, replicas: store.replicas };
  const log = logAccess({ pool, stream, prefix: store.prefix, limits }, openHealth(pool, options));
  await logInfo(log, endless, pool.append());
  return { log, config };
}

async function openOver(pool: NatsPool, options: JetStreamOptions): Promise<JetStream> {
  const { store, limits, log: logger, durability, embedded } = options;
  const { log, config } = await openLogAccess(pool, options);
  const { health, stream } = log;
  const space = new Space(logger);
  const sizes = new CommitSizes(createMessageSize(pool, store.name, config, limits.requestTimeoutMs), limits);
  const ids = new IdMemory();
  const watches = await startWatches(log, { space, sizes, ids }, options);
  const queues = new StreamQueues(limits);
  const doubts = new Doubts();
  let fence: Fence | undefined;
  const features = new StoreFeatures(log);
  const state = createState({ pool, stream, limits, logger, sync: options.syncStream });
  const removal: RemovalReport = { trouble: '' };
  let sweeper: Sweeper | undefined;
  return {
    log: createLog({ access: log, durability }, embedded !== undefined),
    space,
    removal,
    state,
    appends(view, describe) {
      fence = new Fence(log, view, options.nats.appendConnections === 1);
      return createAppends({
        fence,
        view,
        heads: new Heads(log, view),
        commits: new StoredCommits(log, view, ids),
        publisher: new Publisher(log, space, sizes),
        queues,
        doubts,
        features,
        describe,
        appendTimeoutMs: limits.appendTimeoutMs,
      });
    },
    async info() {
      const info = await translated(storeInfo(log, space, sizes, logger));
      const findings = { ...info.log, removalTrouble: removal.trouble };
      return { ...info, log: findings, wrongSettings: [...info.wrongSettings, ...state.wrongSettings] };
    },
    startSweeper(view, control) {
      sweeper = startSweeper({ log, features, durability, view, logger, control, report: removal });
    },
    onSpace(listener) {
      space.onChange(listener);
    },
    onAvailability(listener) {
      pool.onAvailability(listener);
    },
    get facts() {
      return {
        log: logFacts(health),
        appends: appendFacts(queues, doubts, fence),
        space: space.facts,
        state: state.facts,
        removal: sweeper?.facts,
        nats: pool.facts,
      };
    },
    async idle() {
      await sweeper?.close();
      state.close();
      for (const watch of watches) await watch.close();
      await queues.idle();
      await durability.idle();
    },
    close: () => pool.close(),
  };
}

/** What watches the log, its mirrors and the disk. */
async function startWatches(
  log: LogAccess,
  { space, sizes, ids }: { readonly space: Space; readonly sizes: CommitSizes; readonly ids: IdMemory },
  { embedded, log: logger }: JetStreamOptions,
): Promise<{ close(): Promise<void> }[]> {
  const watches: { close(): Promise<void> }[] = [];
  if (embedded !== undefined) watches.push(await watchEmbeddedDisk(log, space, embedded, logger));
  watches.push(await watchLog(log, space, sizes, ids));
  watches.push(await watchMirrors(log, logger));
  return watches;
}

function appendFacts(queues: StreamQueues, doubts: Doubts, fence: Fence | undefined): AppendFacts {
  const { appends: underWay, bytes: bytesUnderWay } = queues;
  return { underWay, bytesUnderWay, doubts, fence: fence?.facts ?? noFence };
}

function openHealth(pool: NatsPool, { store, limits, log, durability }: JetStreamOptions): LogHealth {
  const accepted = BigInt(store.lostMessagesAccepted ?? 0);
  const health = new LogHealth(log, accepted, limits.unreadableRememberedMax);
  // A server that comes back may have less of the log than before.
  pool.onLinkChange(() => {
    health.doubt();
  });
  health.onDoubt(() => {
    durability.forget();
  });
  return health;
}

function logFacts(health: LogHealth): LogFacts {
  return {
    end: position(health.end),
    lostMessages: health.lostMessages,
    unreadableMessages: health.unreadableCount,
    mirrors: health.mirrors.length,
    timesGoneBack: health.timesGoneBack,
  };
}

function createAppends(appending: Appending): ReturnType<JetStream['appends']> {
  return {
    append: (command, call) => append(appending, command, call),
    appendMulti: (command, call) => appendMulti(appending, command, call),
    control: (command, call) => control(appending, command, call),
  };
}

function createLog(log: DurableLog, isEmbedded: boolean): Log {
  const { access } = log;
  const { health, limits } = access;
  const ask = coalesced(() => logInfo(access, endless));
  const read = createChunks(log);
  return {
    get isSoleWriter() {
      return isEmbedded && health.isCurrent;
    },
    get doubts() {
      return health.doubts;
    },
    onDoubt(listener) {
      health.onDoubt(listener);
    },
    faults: health,
    get storeId() {
      return health.storeId;
    },
    async end(call) {
      const { sequence, lost, info } = await translated(askLeader(ask, limits, call));
      if (unfinishedRestore(info.config) !== undefined)
        throw new StoreUnavailableError('the store is being restored from a backup');
      const isAuthoritative = Number(info.config['num_replicas'] ?? 1) <= 1;
      return { sequence, identity: info.created, lost, isAuthoritative };
    },
    identityAt: (sequence, call) => translated(identityAt(access, sequence, call)),
    follow: (after, sink, signal) => translated(followLog(log, after, sink, signal)),
    read: (after, upTo, bytesMax) => translated(read(after, upTo, bytesMax)),
    entryAt: (sequence) => translated(entryAt(access, sequence)),
  };
}

function translated<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw toStoreError(error);
  });
}
