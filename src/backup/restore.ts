import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { callApi, type StreamConfig, type StreamInfo } from '../jetstream/nats/api';
import { storeIdOf } from '../jetstream/nats/open-stream';
import { restoreStream } from '../jetstream/nats/restore-stream';
import { quarantined, unfinishedRestore } from '../jetstream/nats/unfinished-restore';
import type { OpenedLog } from '../jetstream/open-log';
import { sequence } from '../store/values';
import { atLeast } from '../versions';
import { BackupError } from './backup-error';
import { checkLog, type Checked } from './check-log';
import { readHashedFile } from './hashed-file';
import { backupFiles, type Manifest } from './manifest';
import type { OnProgress } from './progress';
import { writeVersions } from './versions-file';

export interface RestoreOptions {
  readonly log: OpenedLog;
  readonly folder: string;
  readonly manifest: Manifest;
  readonly replicas: number;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** The oldest nats-server that can read a snapshot of messages. */
const natsVersionMin = '2.15.0';
const chunkBytes = 128 << 10;
const timeoutMs = 60_000;
/**
 * How long a store stays in quarantine at least: running gateways look at the log every second, notice that it is another one, and
 * forget what they knew of the log before, while none of them can append.
 */
const quarantineMinMs = 3_000;
/** How long the other servers may take until they have the log. */
const replicasTimeoutMs = 3_600_000;
const pauseMs = 250;
const settleMs = 500;

/** Reads all files of a backup. Throws BackupError if one does not have its length and checksum. */
export async function checkFiles(
  folder: string,
  { files }: Manifest,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<void> {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const file of files) {
    for await (const chunk of readHashedFile(folder, file, 1 << 20)) {
      signal.throwIfAborted();
      onProgress('checking the backup', (done += chunk.length), total);
    }
  }
}

/**
 * Creates the store of a backup whose files are checked. It is in quarantine until it was compared with the manifest. If that fails,
 * what was restored is deleted. Throws BackupError.
 */
export async function restore(options: RestoreOptions): Promise<Checked> {
  const { log, manifest } = options;
  await checkTarget(log, manifest);
  const mark = randomUUID();
  try {
    const sinceMs = performance.now();
    await send(options, mark);
    await untilReplicated(options);
    const checked = await compare(options);
    const leftMs = Math.max(0, quarantineMinMs - (performance.now() - sinceMs));
    await sleep(leftMs, undefined, { signal: options.signal });
    await release(options);
    return checked;
  } catch (error) {
    await remove(options, mark, error);
    throw error;
  }
}

/** Throws BackupError if the store cannot be restored here; never overwrites. */
async function checkTarget(log: OpenedLog, { store }: Manifest): Promise<void> {
  const { serverVersion } = log.link;
  if (!atLeast(serverVersion, natsVersionMin))
    throw new BackupError(
      `nats-server ${serverVersion} is too old: a backup can be restored to ${natsVersionMin} or later`,
    );
  const info = await log.info();
  if (info === undefined) return;
  if (unfinishedRestore(info.config) !== undefined) {
    throw new BackupError(
      `a restore of ${store.name} is under way, or was interrupted and has left a part of the store: if none is under way, delete ` +
        'that part (nats stream rm, or the data folder of an embedded nats-server), and restore again',
    );
  }
  const whose = storeIdOf(info.config) === store.id ? 'the same store' : 'another store';
  throw new BackupError(
    `NATS already has a JetStream stream ${store.name}, of ${whose}: nothing is overwritten. Restore to another NATS server, or ` +
      'delete that stream first',
  );
}

/** The configuration that the store gets. nats-server adds its own metadata again. */
function configOf({ manifest, replicas }: RestoreOptions): StreamConfig {
  const config = manifest.stream.config as unknown as StreamConfig;
  const metadata = Object.entries((config['metadata'] ?? {}) as Readonly<Record<string, unknown>>).filter(
    ([key]) => !key.startsWith('_nats.'),
  );
  return { ...config, metadata: Object.fromEntries(metadata), num_replicas: replicas };
}

async function send(options: RestoreOptions, mark: string): Promise<void> {
  const { log, folder, manifest, onProgress, signal } = options;
  const file = manifest.files.find(({ name }) => name === backupFiles.log);
  if (file === undefined) throw new BackupError(`the manifest does not name ${backupFiles.log}`);
  await restoreStream(log.link, {
    config: quarantined(configOf(options), mark),
    state: manifest.stream.state as unknown as StreamInfo['state'],
    chunks: readHashedFile(folder, file, chunkBytes),
    onTaken: (bytes) => {
      onProgress('restoring the log', bytes, file.bytes);
    },
    timeoutMs,
    signal,
  });
}

/** Waits until all servers of the store have the log. */
async function untilReplicated({
  log,
  replicas,
  manifest,
  onProgress,
  signal,
}: RestoreOptions): Promise<void> {
  const giveUpMs = performance.now() + replicasTimeoutMs;
  for (;;) {
    const info = await log.info();
    const others = info?.cluster?.replicas ?? [];
    const lag = others.reduce((most, one) => Math.max(most, one.current ? 0 : (one.lag ?? 0)), 0);
    if (others.length === replicas - 1 && others.every(({ current }) => current)) return;
    if (performance.now() > giveUpMs)
      throw new BackupError('the other NATS servers of the store do not get the log');
    onProgress('copying to the other servers', manifest.position - lag, manifest.position);
    await sleep(pauseMs, undefined, { signal });
  }
}

/** Reads the restored log. Throws BackupError unless it is what the manifest says. */
async function compare({ log, manifest, onProgress, signal }: RestoreOptions): Promise<Checked> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-restore-'));
  try {
    let versions: string | undefined;
    const checked = await checkLog(log, sequence(BigInt(manifest.position)), {
      folder,
      onVersions: async (all) => {
        versions = (await writeVersions(folder, all)).sha256;
      },
      onProgress,
      signal,
    });
    signal.throwIfAborted();
    const end = (await log.info())?.state.last_seq;
    const expected = manifest.files.find(({ name }) => name === backupFiles.versions)?.sha256;
    const wrong = [
      ...(end === manifest.position
        ? []
        : [`it ends at ${String(end)}, not at ${manifest.position.toString()}`]),
      ...(versions === expected ? [] : ['streams have other versions']),
      ...differences(manifest.counts, checked.counts),
    ];
    if (wrong.length > 0)
      throw new BackupError(`the restored store is not the one in the backup: ${wrong.join('; ')}`);
    return checked;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function differences(expected: Manifest['counts'], found: Manifest['counts']): string[] {
  return (Object.keys(expected) as (keyof Manifest['counts'])[])
    .filter((key) => expected[key] !== found[key])
    .map((key) => `${found[key].toString()} ${key} instead of ${expected[key].toString()}`);
}

/** Ends the quarantine. */
async function release(options: RestoreOptions): Promise<void> {
  const config = configOf(options);
  await callApi<StreamInfo>(options.log.link, `STREAM.UPDATE.${config.name}`, config, { timeoutMs });
}

/** Deletes what a failed restore has left, if it is certainly from this one. */
async function remove(
  { log, manifest: { store } }: RestoreOptions,
  mark: string,
  cause: unknown,
): Promise<void> {
  try {
    // nats-server creates the stream a moment after it has taken the first bytes.
    await sleep(settleMs);
    const info = await log.info();
    if (info === undefined || unfinishedRestore(info.config) !== mark) return;
    await callApi(log.link, `STREAM.DELETE.${store.name}`, undefined, { timeoutMs });
  } catch (error) {
    const left = `a part of ${store.name} may be left at NATS, which gateways do not serve: delete it (nats stream rm)`;
    throw new BackupError(`${(cause as Error).message}\n${left}: ${(error as Error).message}`, { cause });
  }
}
