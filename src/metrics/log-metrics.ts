import { statfs } from 'node:fs/promises';
import type { SyncCounts } from '../store/durability';
import type { RemovalFacts, StoreFacts } from '../store/store-facts';
import type { Lag } from './lag';
import { counter, flag, gauge, histogram, type Metric, type Sample } from './metric';

export interface Lags {
  /** Of what the gateway has received. */
  readonly tail: Lag;
  /** Of what can be read. */
  readonly replica: Lag;
}

/** Metrics of the log, of its replica, and of how far these differ. */
export function logMetrics(facts: () => StoreFacts, { tail, replica }: Lags): Metric[] {
  return [
    gauge('sluice_log_end_position', 'The end of the log.', 'max', () => Number(facts().log.end)),
    gauge('sluice_tail_lag_commits', 'Commits that were not received yet.', 'max', () => tail.commits),
    gauge('sluice_tail_lag_seconds', 'For how long they are missing.', 'max', () => tail.seconds),
    gauge('sluice_replica_applied_position', 'Everything up to here can be read.', 'min', () =>
      Number(facts().replica.applied),
    ),
    gauge('sluice_replica_lag_commits', 'Commits that cannot be read yet.', 'max', () => replica.commits),
    gauge('sluice_replica_lag_seconds', 'For how long they are missing.', 'max', () => replica.seconds),
    gauge('sluice_replica_filled', 'Whether the replica is filled, so that reads are served.', 'min', () =>
      flag(facts().replica.isFilled),
    ),
    counter(
      'sluice_replica_rebuilds_total',
      'How often the replica was built again.',
      () => facts().replica.rebuilds,
    ),
    gauge('sluice_log_lost_messages', 'Messages of the log that are gone.', 'max', () =>
      Number(facts().log.lostMessages),
    ),
    gauge(
      'sluice_log_unreadable_messages',
      'Messages of the log that are not commits.',
      'max',
      () => facts().log.unreadableMessages,
    ),
    ...removalMetrics(facts),
    gauge('sluice_log_mirrors', 'Streams of NATS that mirror the log.', 'max', () => facts().log.mirrors),
    counter(
      'sluice_log_gone_back_total',
      'How often the log was found at an earlier state.',
      () => facts().log.timesGoneBack,
    ),
  ];
}

function removalMetrics(facts: () => StoreFacts): Metric[] {
  const removal = (): RemovalFacts => facts().removal ?? noRemoval;
  return [
    counter(
      'sluice_log_removed_messages_total',
      'Messages that this gateway has removed from the log.',
      () => removal().messages,
    ),
    counter('sluice_log_removed_bytes_total', 'Bytes of these messages.', () => removal().bytes),
    gauge(
      'sluice_log_removals_waiting',
      'Streams and erasures of which messages are being removed.',
      'max',
      () => removal().waiting,
    ),
    counter(
      'sluice_log_sweep_failures_total',
      'Sweeps of the log that have failed.',
      () => removal().failures,
    ),
  ];
}

const noRemoval: RemovalFacts = { messages: 0, bytes: 0, failures: 0, waiting: 0, trouble: '' };

/** Folders whose disks are watched; undefined: another machine has it. */
export interface Folders {
  readonly store: string | undefined;
  readonly replica: string;
}

/** Metrics of the disk and of the space of the store. */
export function diskMetrics(facts: () => StoreFacts, syncs: SyncCounts, folders: Folders): Metric[] {
  return [
    histogram('sluice_sync_seconds', 'Time of a sync of the log to the disk.', () => [
      { histogram: syncs.seconds },
    ]),
    histogram('sluice_sync_batch_size', 'Appends and other waiters that shared a sync.', () => [
      { histogram: syncs.batchSizes },
    ]),
    gauge('sluice_disk_free_bytes', 'Free space on a disk.', 'min', async () => {
      const disks = Object.entries(folders) as [string, string | undefined][];
      return (await Promise.all(disks.map(([disk, folder]) => freeBytes(disk, folder)))).flat();
    }),
    gauge('sluice_store_bytes', 'Size of the log.', 'max', () => facts().space.bytes),
    gauge(
      'sluice_store_limit_bytes',
      'The size up to which the log takes appends.',
      'min',
      () => facts().space.bytesMax,
    ),
    gauge('sluice_store_takes_appends', 'Whether the store has space for appends.', 'min', () =>
      flag(facts().space.takesAppends),
    ),
  ];
}

/** No sample if the folder cannot be looked at. */
async function freeBytes(disk: string, folder: string | undefined): Promise<Sample[]> {
  if (folder === undefined) return [];
  const found = await statfs(folder).catch(() => undefined);
  return found === undefined ? [] : [{ labels: { disk }, value: found.bavail * found.bsize }];
}
