import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { CommitIdReuseError, VersionConflictError } from '../store/errors';
import type { CallContext, EventStore, Page } from '../store/event-store';
import { streamInfo, type StreamInfo } from './api';
import { append, type Appender } from './append';
import { appendMulti } from './append-multi';
import type { EmbeddedServer } from './embedded';
import { checkIndexFormat } from './check-index-format';
import { toStoreError } from './errors';
import { commitAsOf } from './find-commit';
import { lastPartsForReaders, logHead, soundLastPart, toHead } from './head';
import { leftToNats, syncInGroups } from './group-sync';
import { IdMemory } from './id-memory';
import { IndexCache } from './index-cache';
import { indexSubjects } from './index-stream';
import { startIndexWriter, type IndexWriter } from './index-writer';
import { readTail } from './key-index';
import { LargeHeads } from './large-heads';
import { listStreams } from './list-streams';
import { LogHealth } from './log-health';
import { hasStill } from './log-mark';
import { createMessageSize } from './message-size';
import { lookForMirrors } from './mirrors';
import { checkServerVersion, indexConfig, logConfig, messageTtlWarning, openStream } from './open-stream';
import type { NatsOptions, StoreOptions } from './options';
import { watchOwnDisk } from './own-disk';
import { openPool, type NatsPool } from './pool';
import { readAll } from './read-all';
import { readByCorrelation } from './read-by-correlation';
import { readStream } from './read-stream';
import { createRecentKeys } from './recent-keys';
import { RecentMap } from './recent-map';
import { kept, shared } from './shared';
import { endless } from './store-context';
import { Space } from './space';
import { storeInfo } from './store-info';
import { StreamQueues } from './stream-queues';
import { subscribe, type Subscriptions } from './subscribe';
import { createTail } from './tail';
import { watchLog, type LogWatch } from './watch-log';

/** An event store kept by JetStream, with its connections. */
export interface JetStreamStore extends EventStore {
  /** Told when NATS is lost and when it is back. */
  onAvailability(listener: (available: boolean) => void): void;
  /** Told whether the store takes appends, which is no matter of reads: now and whenever it changes. */
  onRoom(listener: (hasRoom: boolean) => void): void;
  /** Resolves if the disk fails so that nothing can be answered any more. */
  readonly failed: Promise<void>;
  /** Lets appends under way finish, then drains the connections. */
  close(): Promise<void>;
}

export interface JetStreamStoreOptions {
  readonly nats: NatsOptions;
  readonly store: StoreOptions;
  /** Whether the log is created if it does not exist. */
  readonly mayCreate: boolean;
  readonly limits: Limits;
  readonly log: Logger;
  /**
   * Where the NATS server, which runs on this machine and does not sync what it writes, keeps its streams: the store does it
   * then. undefined: how durable the store is is left to NATS.
   */
  readonly syncFolder?: string | undefined;
  /** The NATS server, if it is the gateway's own. */
  readonly ownServer?: EmbeddedServer | undefined;
}

/** Connects, and checks the store or creates it. Throws ConnectError or StoreOpenError. */
export async function openJetStreamStore(options: JetStreamStoreOptions): Promise<JetStreamStore> {
  const { store, mayCreate, limits, log, syncFolder, ownServer } = options;
  const pool = await openPool(options.nats, limits, log);
  const { requestTimeoutMs: timeoutMs, unreadableRememberedMax } = limits;
  let fail = (): void => undefined;
  const failed = new Promise<void>((resolve) => (fail = resolve));
  const wantedIndex = indexConfig(store);
  const openIndex = (): Promise<unknown> =>
    openStream(pool.append(), wantedIndex, { timeoutMs, mayCreate: true });
  try {
    checkServerVersion(pool.append());
    const info = await openStream(pool.append(), logConfig(store, limits), { timeoutMs, mayCreate });
    const { config } = info;
    const health = new LogHealth(log, BigInt(store.lostMessagesAccepted ?? 0), unreadableRememberedMax);
    watchHealth(health, pool, info);
    if (config['allow_msg_ttl'] === true) log.warn(messageTtlWarning(store.name));
    await openIndex();
    const index = { name: `${store.name}_INDEX`, replicas: store.replicas };
    const subjects = indexSubjects(store.prefix);
    const appender: Appender = {
      pool,
      log: {
        name: store.name,
        replicas: store.replicas,
        onMirror: (name) => {
          health.noteMirror(name);
        },
      },
      health,
      prefix: store.prefix,
      durability: syncFolder === undefined ? leftToNats : syncInGroups(syncFolder, store.name, log, fail),
      messageSize: createMessageSize(pool, store.name, config, timeoutMs),
      space: new Space(log),
      lastPartOf: lastPartsForReaders(() => appender),
      largeHeads: new LargeHeads(limits.headCacheEntriesMax),
      limits,
      logger: log,
      heads: new RecentMap(limits.headCacheEntriesMax),
      queues: new StreamQueues(limits),
      ids: new IdMemory(),
      recent: createRecentKeys(limits.recentCommitsMax),
      index,
      indexConfig: wantedIndex,
      subjects,
      cache: new IndexCache(
        { pool, limits, index, indexConfig: wantedIndex, logger: log, subjects },
        async (mark) => hasStill(appender, mark, await logHead(appender, endless), endless),
      ),
      tail: shared(() => readTail(appender)),
    };
    forgetInDoubt(appender);
    await checkIndexFormat(appender);
    const watches: { close(): Promise<void> }[] = [];
    if (ownServer !== undefined)
      watches.push(await watchOwnDisk(appender, ownServer, [store.name, index.name]));
    watches.push(await watchLog(appender, appender.ids));
    const subscriptions: Subscriptions = { ...appender, tail: createTail(appender), catchUps: 0 };
    await lookForMirrors(appender);
    // Where the log is gone as well, something is wrong with NATS: then nothing is created.
    const reopenIndex = (): Promise<unknown> =>
      streamInfo(pool.append(), store.name, undefined, { timeoutMs }).then(openIndex);
    return createStore(appender, subscriptions, startIndexWriter(appender, reopenIndex), { watches, failed });
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

/** Positions may be given a second time, then even the check of a stream's last position proves nothing of its version. */
function forgetInDoubt({ health, heads, recent, cache }: Appender): void {
  health.onDoubt(() => {
    heads.clear();
    recent.clear();
    cache.forgetAll();
  });
}

function createStore(
  appender: Appender,
  subscriptions: Subscriptions,
  indexWriter: IndexWriter,
  { watches, failed }: { readonly watches: readonly LogWatch[]; readonly failed: Promise<void> },
): JetStreamStore {
  const { pool } = appender;
  // What an error tells, a version for instance, could be lost in a loss of power as well as what an answer tells.
  const onceDurable = async (error: unknown, { deadlineMs }: CallContext): Promise<never> => {
    if (error instanceof VersionConflictError || error instanceof CommitIdReuseError) {
      const longestMs = Date.now() + appender.limits.appendTimeoutMs;
      await appender.durability.all(Math.min(deadlineMs, longestMs));
    }
    throw error;
  };
  const info = kept(() => {
    const now = { indexPosition: indexWriter.position, subscriptionsTrouble: subscriptions.tail.trouble };
    return storeInfo(appender, now);
  }, appender.limits.serverInfoAgeMaxMs);
  return {
    append: (command, call) =>
      translated(append(appender, command, call).catch((error: unknown) => onceDurable(error, call))),
    appendMulti: (command, call) =>
      translated(appendMulti(appender, command, call).catch((error: unknown) => onceDurable(error, call))),
    async readStream(query, call) {
      const { head, pages } = await translated(readStream(appender, query, call));
      return { head, pages: translatedPages(pages) };
    },
    async getVersion(stream, asOf, call) {
      const head = await translated(
        asOf === undefined
          ? soundLastPart(appender, stream, call).then(toHead)
          : commitAsOf(appender, stream, asOf, call).then(toHead),
      );
      await translated(durable(appender, head.position));
      return head;
    },
    async readByCorrelation(query, call) {
      const { position: through, pages } = await translated(readByCorrelation(appender, query, call));
      return { position: through, pages: translatedPages(pages) };
    },
    async readAll(query, call) {
      const { position: head, pages } = await translated(readAll(appender, query, call));
      return { position: head, pages: translatedPages(pages) };
    },
    subscribe: (query, call, stop) => translatedPages(subscribe(subscriptions, query, call, stop)),
    listStreams: (query, call) => translatedPages(listStreams(appender, query, call)),
    info: (call) => translated(info(call)),
    failed,
    onRoom(listener) {
      appender.space.onChange(listener);
    },
    onAvailability(listener) {
      pool.onAvailability(listener);
    },
    async close() {
      subscriptions.tail.close();
      await indexWriter.close();
      for (const watch of watches) await watch.close();
      await appender.queues.idle();
      await appender.durability.idle();
      await pool.close();
    },
  };
}

/** What could be lost in a loss of power shall not be seen before. */
async function durable({ durability }: Appender, sequence: bigint): Promise<void> {
  await durability.through(sequence);
}

function translated<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw toStoreError(error);
  });
}

async function* translatedPages<T = Page>(pages: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* pages;
  } catch (error) {
    throw toStoreError(error);
  }
}
