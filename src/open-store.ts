import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { openGroups } from './groups/open-groups';
import { FolderInUseError, lockFolder, type FolderLock } from './nats-server/folder-lock';
import { openJetStream, type JetStream, type JetStreamOptions } from './jetstream/jetstream-store';
import { toStoreError } from './jetstream/nats/errors';
import { cached } from './jetstream/nats/coalesce';
import { durable } from './store/durable';
import { Replica } from './replica/replica';
import { createReplicaStore } from './replica/replica-store';
import { createSweepView } from './replica/sweep-view';
import type { ReplicaOptions } from './replica/apply/open-files';
import type { Publication } from './replica/share/publication';
import type { SharedReplicaOptions } from './replica/share/shared-keeper';
import type { ConsumerGroups } from './store/consumer-groups';
import type { EventStore } from './store/event-store';
import type { StoreFacts } from './store/store-facts';
import type { FillingProgress } from './store/store-info';

/** An event store in JetStream that is read from a replica. */
export interface OpenedStore
  extends EventStore, Pick<JetStream, 'onAvailability' | 'onSpace' | 'space' | 'removal'> {
  /** Resolves when the disk has failed or the folder of the replica is lost: nothing can be served any more. */
  readonly failed: Promise<void>;
  /** The listener gets whether the replica is filled, so that reads are served: now and whenever it changes. */
  onFilled(listener: (isFilled: boolean) => void): void;
  /** How far the replica is; undefined: it is filled. */
  filling(): FillingProgress | undefined;
  readonly facts: StoreFacts;
  readonly groups: ConsumerGroups;
  /** Lets members of groups and appends under way finish, then closes the replica and the connections. */
  close(): Promise<void>;
}

export interface OpenStoreOptions extends JetStreamOptions {
  /** Where the gateway listens, for those who look for a member of a group. */
  readonly address: string;
  /** Folder of the replica; created if it does not exist. */
  readonly replicaDir: string;
  /** Lets other processes read the replica; undefined: none does. */
  readonly publication?: Publication | undefined;
  /** The way to the process that writes the replica; undefined: this one does. */
  readonly replicaLink?: SharedReplicaOptions['link'] | undefined;
}

/** How long a start waits until the replica is filled; a larger replica is filled while the gateway serves. */
const fillWaitMs = 5_000;
/** The same for a replica that another process writes, which has waited already. */
const sharedWaitMs = 1_000;

/** Connects, creates or checks the store, and opens the replica. Throws ConnectError, StoreOpenError or FolderInUseError. */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { limits, log: logger, replicaDir, durability } = options;
  let lose = (): void => undefined;
  const lost = new Promise<void>((resolve) => (lose = resolve));
  const opened: (() => Promise<void>)[] = [];
  if (options.replicaLink === undefined) {
    const lock = await takeFolder(replicaDir, logger, () => {
      logger.fatal({ replicaDir }, 'another gateway took over the folder of the replica; this gateway ends');
      lose();
    });
    opened.push(() => lock.release());
  }
  const close = async (): Promise<void> => {
    for (let next = opened.pop(); next !== undefined; next = opened.pop()) await next();
  };
  try {
    const jetstream = await openJetStream(options);
    opened.push(() => jetstream.close());
    const { log } = jetstream;
    const replica = await openReplica({ folder: replicaDir, log, limits, logger }, options);
    opened.push(() => replica.close());
    opened.push(() => jetstream.idle());
    const store = durable(combine(jetstream, replica, limits), durability, limits);
    const { state } = jetstream;
    const groups = openGroups({ store, state, limits, log: logger, gateway: options.address });
    opened.push(() => groups.close());
    if (options.replicaLink === undefined)
      jetstream.startSweeper(createSweepView(replica), (command, call) => store.control(command, call));
    return {
      ...store,
      groups,
      onAvailability(listener) {
        jetstream.onAvailability(listener);
      },
      onSpace(listener) {
        jetstream.onSpace(listener);
      },
      space: jetstream.space,
      removal: jetstream.removal,
      failed: Promise.race([durability.failed, lost]),
      onFilled(listener) {
        replica.onFilled(listener);
      },
      filling: () => replica.progress,
      get facts() {
        return { ...jetstream.facts, replica: replica.facts };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function openReplica(
  replica: Omit<ReplicaOptions, 'readers'>,
  { publication, replicaLink: link }: OpenStoreOptions,
): Promise<Replica> {
  return link === undefined
    ? Replica.open(replica, fillWaitMs, publication)
    : Replica.openShared({ ...replica, link }, sharedWaitMs);
}

/** Reads of the replica, appends of JetStream, and what both know of the store. */
function combine(jetstream: JetStream, replica: Replica, limits: OpenStoreOptions['limits']): EventStore {
  const { reads, view } = createReplicaStore(replica);
  const info = cached(async () => {
    const call = { signal: new AbortController().signal, deadlineMs: Infinity };
    const [found, findings] = await Promise.all([jetstream.info(call), replica.findings()]);
    return { ...found, replica: findings };
  }, limits.serverInfoAgeMaxMs);
  return {
    ...reads,
    ...jetstream.appends(view, (stream, call) => reads.getStream(stream, call)),
    info: (call) =>
      info(call).catch((error: unknown) => {
        throw toStoreError(error);
      }),
  };
}

/** Creates the folder and locks it. Throws FolderInUseError, or an error that names the folder if it cannot be used at all. */
async function takeFolder(replicaDir: string, logger: Logger, onLost: () => void): Promise<FolderLock> {
  try {
    await mkdir(replicaDir, { recursive: true, mode: 0o700 });
    return await lockFolder({ path: replicaDir, kind: 'folder of the replica' }, logger, onLost);
  } catch (error) {
    if (error instanceof FolderInUseError) throw error;
    const { message } = error as Error;
    throw new Error(`the folder of the replica, ${replicaDir}, cannot be used: ${message}`, { cause: error });
  }
}
