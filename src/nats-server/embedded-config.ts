import { readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Permissions } from './permissions';

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** What the configuration of an embedded nats-server is made from. */
export interface EmbeddedConfig {
  /** Absolute. */
  readonly dataDir: string;
  readonly host: string;
  /** -1: a free port, which the server writes into `runDir`. */
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** What the user may do at the server. */
  readonly permissions: Permissions;
  /** The user of the commands backup, restore and verify. */
  readonly operator: Login & { readonly permissions: Permissions };
  /** What the store may take on the disk at most. */
  readonly storeBytesMax?: number | undefined;
  /** Folder of the replica of the log, which takes space beside the store. */
  readonly replicaDir: string;
  /** Of the system account, for requests about the server itself. */
  readonly systemPassword: string;
}

/** The paths in the data folder. The events are in `jetstream`, a name that nats-server chooses. */
export function embeddedPaths(dataDir: string) {
  const runDir = join(dataDir, 'run');
  return {
    config: join(dataDir, 'nats.conf'),
    log: join(dataDir, 'nats.log'),
    /** The streams of the only account. */
    streams: join(dataDir, 'jetstream', '$G', 'streams'),
    /** Files of the running server; when it has stopped, no more than its pid. */
    runDir,
    pid: join(runDir, 'nats-server.pid'),
    /** The login for the commands backup, restore and verify. */
    operator: join(runDir, 'operator.json'),
  } as const;
}

export const systemUser = 'sluice-system';

/**
 * Writes the configuration file, with a bound for the bytes of the store. The file holds the passwords, so it is always a new
 * file that only this user can read. The run folder must exist.
 */
export async function writeEmbeddedConfig(config: EmbeddedConfig, bytesMax: number): Promise<void> {
  const paths = embeddedPaths(config.dataDir);
  const lines = [
    '# Written by Sluice at every start: changes here are lost.',
    'server_name: "sluice"',
    `listen: "${config.host}:${config.port.toString()}"`,
    'max_payload: 8MB',
    `authorization { users: [ ${userEntry(config, config.permissions)}, ${userEntry(config.operator, config.operator.permissions)} ] }`,
    `accounts { $SYS { users: [{ user: ${quoted(systemUser)}, password: ${quoted(config.systemPassword)} }] } }`,
    'jetstream {',
    `  store_dir: ${quoted(config.dataDir)}`,
    `  max_file_store: ${bytesMax.toString()}`,
    // If every append must be on disk, the gateway itself syncs, once for many of them.
    '  sync_interval: "2m"',
    '}',
    `pid_file: ${quoted(paths.pid)}`,
    `ports_file_dir: ${quoted(paths.runDir)}`,
    `log_file: ${quoted(paths.log)}`,
    'logfile_size_limit: 16MB',
    'logfile_max_num: 4',
  ];
  const next = join(paths.runDir, 'nats.conf');
  // A full disk may have left part of an earlier one.
  await rm(next, { force: true });
  await writeFile(next, lines.join('\n') + '\n', { flag: 'wx', mode: 0o600 });
  await rename(next, paths.config);
}

function userEntry({ user, password }: Login, { publish, subscribe }: Permissions): string {
  const allow = (subjects: readonly string[]): string => `{ allow: [${subjects.map(quoted).join(', ')}] }`;
  const permissions = `permissions { publish: ${allow(publish)}, subscribe: ${allow(subscribe)} }`;
  return `{ user: ${quoted(user)}, password: ${quoted(password)}, ${permissions} }`;
}

/** The share of the disk that nats-server by itself gives to streams. */
const shareOfDisk = 0.75;
/**
 * Bytes of the replica, with its index, for each byte of the log: 1.1 was measured for events of 1,000 bytes, 2.1 for events of
 * 50 bytes with random ids. In logs of a few megabytes 2.7 was measured, which still fits into the last quarter of the disk.
 */
export const replicaFactor = 2;

/**
 * The bytes that the store may take: at most three quarters of what it has and could have, together with the replica if that is
 * on the same disk. The gateway computes it, since older servers do not count what the store has already: after a restart they
 * would refuse appends on a disk that is less than half full.
 */
export async function storageBytesMax({
  dataDir,
  storeBytesMax = Infinity,
  replicaDir,
}: Pick<EmbeddedConfig, 'dataDir' | 'storeBytesMax' | 'replicaDir'>): Promise<number> {
  const { bavail, bsize } = await statfs(dataDir);
  const stored = await bytesIn(join(dataDir, 'jetstream'));
  const isShared = await areOnOneDisk(dataDir, replicaDir);
  const all = bavail * bsize + stored + (isShared ? await bytesIn(replicaDir) : 0);
  const share = isShared ? shareOfDisk / (1 + replicaFactor) : shareOfDisk;
  return Math.min(storeBytesMax, Math.floor(all * share));
}

/** Whether two folders are on one disk. The second one need not exist yet. */
export async function areOnOneDisk(folder: string, other: string): Promise<boolean> {
  const { dev } = await stat(folder);
  for (let path = other; ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) return found.dev === dev;
  }
}

/** The bytes that the files in a folder take on the disk. */
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

/** A string of the configuration language, which has the escapes of JSON. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
