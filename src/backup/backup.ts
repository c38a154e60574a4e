import type { OpenedLog } from '../jetstream/open-log';
import { storeIdOf } from '../jetstream/nats/open-stream';
import { requestSnapshot, type Snapshot } from '../jetstream/nats/snapshot';
import { unfinishedRestore } from '../jetstream/nats/unfinished-restore';
import { sequence } from '../store/values';
import { version } from '../version';
import { BackupError } from './backup-error';
import { newBackupFolder } from './backup-folder';
import { checkLog, type Checked } from './check-log';
import { createHashedFile, type FileFacts } from './hashed-file';
import { backupFiles, newManifest, type Manifest } from './manifest';
import type { OnProgress } from './progress';
import { UnpackedBytes } from './unpacked-bytes';
import { writeVersions } from './versions-file';

export interface BackupOptions {
  readonly log: OpenedLog;
  readonly store: { readonly name: string; readonly prefix: string };
  /** Created, or empty. */
  readonly folder: string;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

export interface BackedUp extends Checked {
  readonly manifest: Manifest;
}

/** A snapshot may end within a batch, which is stored within milliseconds. */
const snapshotsMax = 50;
const snapshotTimeoutMs = 60_000;
/** The first bytes of a snapshot that nats-server 2.15 or later has made of messages, below the framing of its compression. */
const messageSnapshot = 'NATSARC1';
const beginningBytes = 64;

/** Writes a backup of the store as it is now, while gateways append. Leaves nothing if it fails. Throws BackupError. */
export async function backup(options: BackupOptions): Promise<BackedUp> {
  const { log, store } = options;
  const info = await log.info();
  if (info === undefined) throw new BackupError(`NATS has no JetStream stream ${store.name}`);
  if (unfinishedRestore(info.config) !== undefined)
    throw new BackupError(`the store ${store.name} has not been restored completely`);
  const folder = await newBackupFolder(options.folder);
  try {
    for (let attempt = 1; ; attempt++) {
      const backedUp = await copy(options, folder.path);
      if (backedUp.manifest.stream.state['messages'] === backedUp.counts.messages) {
        await folder.complete(backedUp.manifest);
        return backedUp;
      }
      if (attempt === copiesMax) throw new BackupError(changed);
      await folder.clear();
    }
  } catch (error) {
    await folder.discard();
    throw error;
  }
}

/** Gateways remove what is hidden and what is erased; the next copy then has less to remove. */
const copiesMax = 5;
const changed = 'the log has other messages than the snapshot: messages were removed from it meanwhile';

/** Copies a snapshot, and reads the log up to its end. */
async function copy(options: BackupOptions, folder: string): Promise<BackedUp> {
  const { log, onProgress, signal } = options;
  const { snapshot, file } = await copySnapshot(options, folder);
  const end = sequence(BigInt(snapshot.state.last_seq));
  const files: FileFacts[] = [file];
  const onVersions: Parameters<typeof checkLog>[2]['onVersions'] = async (versions) => {
    files.push(await writeVersions(folder, versions));
  };
  const checked = await checkLog(log, end, { folder, onVersions, onProgress, signal });
  signal.throwIfAborted();
  return { ...checked, manifest: describe(options, snapshot, { checked, files }) };
}

function describe(
  { log, store }: BackupOptions,
  { config, state }: Snapshot,
  { checked, files }: { readonly checked: Checked; readonly files: FileFacts[] },
): Manifest {
  return newManifest({
    created: new Date().toISOString(),
    sluice: version,
    natsServer: log.link.serverVersion,
    store: {
      name: store.name,
      prefix: store.prefix,
      id: storeIdOf(config),
      replicas: Number(config['num_replicas'] ?? 1),
    },
    position: state.last_seq,
    counts: checked.counts,
    stream: { config: { ...config }, state: { ...state } },
    files,
  });
}

/** Requests snapshots until one ends with a whole batch, and writes that one to a file. */
async function copySnapshot(
  options: BackupOptions,
  folder: string,
): Promise<{ readonly snapshot: Snapshot; readonly file: FileFacts }> {
  const { log, store, signal } = options;
  for (let attempt = 0; attempt < snapshotsMax; attempt++) {
    signal.throwIfAborted();
    const snapshot = await requestSnapshot(log.link, store.name, snapshotTimeoutMs);
    // The server may be silent for seconds.
    signal.addEventListener('abort', snapshot.close);
    try {
      if (await log.isWithinBatch(sequence(BigInt(snapshot.state.last_seq)))) continue;
      return { snapshot, file: await writeSnapshot(options, folder, snapshot) };
    } finally {
      signal.removeEventListener('abort', snapshot.close);
      snapshot.close();
    }
  }
  throw new BackupError('every snapshot ended within a transaction: try again when there is less load');
}

async function writeSnapshot(
  { onProgress, signal }: BackupOptions,
  folder: string,
  { chunks, state }: Snapshot,
): Promise<FileFacts> {
  const file = await createHashedFile(folder, backupFiles.log);
  try {
    const unpacked = new UnpackedBytes();
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      if (unpacked.count === 0) checkKind(chunk);
      await file.write(chunk);
      unpacked.add(chunk);
      onProgress('copying the log', unpacked.count, state.bytes);
    }
    return await file.finish();
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Older servers make snapshots of files, which may have a part of what is being stored. */
function checkKind(chunk: Uint8Array): void {
  if (Buffer.from(chunk.subarray(0, beginningBytes)).includes(messageSnapshot)) return;
  throw new BackupError(
    'the nats-server that leads the store is too old: backups need nats-server 2.15 or later, whose snapshots end at a message',
  );
}
