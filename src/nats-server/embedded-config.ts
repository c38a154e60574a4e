import { readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Permissions } from './permissions';

/** What the configuration of an embedded nats-server is made from. */
export interface EmbeddedConfig {
  /** Absolute. */
  readonly dataDir: string;
  readonly host: string;
  /** -1: a free one, which the server writes into `runDir`. */
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** What the user may do at the server. */
  readonly permissions: Permissions;
  /** What the store may take at most, if the disk has so much. */
  readonly storeBytesMax?: number | undefined;
  /** Where the replica of the log is kept, which takes room beside the store. */
  readonly replicaDir: string;
  /** Of the system account, for questions about the server itself. */
  readonly systemPassword: string;
}

/** Where things are in the data folder. The events are in `jetstream`, a name that nats-server gives. */
export function embeddedPaths(dataDir: string) {
  const runDir = join(dataDir, 'run');
  return {
    config: join(dataDir, 'nats.conf'),
    log: join(dataDir, 'nats.log'),
    /** Of the only account. */
    streams: join(dataDir, 'jetstream', '$G', 'streams'),
    /** What the running server says of itself; empty when none runs. */
    runDir,
    pid: join(runDir, 'nats-server.pid'),
  } as const;
}

export const systemUser = 'sluice-system';

/**
 * Writes the configuration file, with a bound for what the store may take. It holds the passwords, so it is a new file that
 * only this user can read, whatever was there before. The run folder must be there.
 */
export async function writeEmbeddedConfig(config: EmbeddedConfig, bytesMax: number): Promise<void> {
  const paths = embeddedPaths(config.dataDir);
  const { publish, subscribe } = config.permissions;
  const allow = (subjects: readonly string[]): string => `{ allow: [${subjects.map(quoted).join(', ')}] }`;
  const lines = [
    '# Written by Sluice at every start: changes here are lost.',
    'server_name: "sluice"',
    `listen: "${config.host}:${config.port.toString()}"`,
    'max_payload: 8MB',
    'authorization { users: [ {',
    `  user: ${quoted(config.user)}, password: ${quoted(config.password)}`,
    `  permissions { publish: ${allow(publish)}, subscribe: ${allow(subscribe)} }`,
    '} ] }',
    `accounts { $SYS { users: [{ user: ${quoted(systemUser)}, password: ${quoted(config.systemPassword)} }] } }`,
    'jetstream {',
    `  store_dir: ${quoted(config.dataDir)}`,
    `  max_file_store: ${bytesMax.toString()}`,
    // Where every append shall be on disk, the gateway syncs itself, for many of them at a time.
    '  sync_interval: "2m"',
    '}',
    `pid_file: ${quoted(paths.pid)}`,
    `ports_file_dir: ${quoted(paths.runDir)}`,
    `log_file: ${quoted(paths.log)}`,
    'logfile_size_limit: 16MB',
    'logfile_max_num: 4',
  ];
  const next = join(paths.runDir, 'nats.conf');
  // What a disk that was full has left of an earlier one.
  await rm(next, { force: true });
  await writeFile(next, lines.join('\n') + '\n', { flag: 'wx', mode: 0o600 });
  await rename(next, paths.config);
}

/** nats-server's own rule for what streams may take of the disk. */
const shareOfDisk = 0.75;
/**
 * What is stored once is stored again in the replica, with an index: 1.1 times as much for events of 1,000 bytes, up to 2.1 times
 * for those of 50 bytes with random ids. Then some of the last quarter of the disk is taken, and 2.7 times, which was measured in
 * logs of a few megabytes, still fits.
 */
export const replicaFactor = 2;

/**
 * What the store may take: at most three quarters of what the store has and could have, with the replica if that is on the same
 * disk. Older servers forget what the store has already: they would refuse appends after a restart with the disk less than half
 * full.
 */
export async function storageBytesMax({
  dataDir,
  storeBytesMax = Infinity,
  replicaDir,
}: Pick<EmbeddedConfig, 'dataDir' | 'storeBytesMax' | 'replicaDir'>): Promise<number> {
  const { bavail, bsize } = await statfs(dataDir);
  const own = await bytesIn(join(dataDir, 'jetstream'));
  const isShared = await areOnOneDisk(dataDir, replicaDir);
  const all = bavail * bsize + own + (isShared ? await bytesIn(replicaDir) : 0);
  const share = isShared ? shareOfDisk / (1 + replicaFactor) : shareOfDisk;
  return Math.min(storeBytesMax, Math.floor(all * share));
}

/** Whether two folders, of which the second one need not be there yet, are on one disk. */
export async function areOnOneDisk(folder: string, other: string): Promise<boolean> {
  const { dev } = await stat(folder);
  for (let path = other; ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) return found.dev === dev;
  }
}

/** What the files in a folder take on the disk. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch((): string[] => []);
  let bytes = 0;
  for (const entry of entries) {
    bytes += await stat(join(folder, entry)).then(
      ({ blocks }) => blocks * 512,
      () => 0,
    );
  }
  return bytes;
}

/** A string of the configuration language, whose escapes are JSON's. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
