import { readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/**
 * What the store may take: at most three quarters of what the store has and could have, nats-server's own rule. Older servers forget what the store has
 * already: they would refuse appends after a restart with the disk less than half full.
 */
export async function storageBytesMax({
  dataDir,
  storeBytesMax = Infinity,
}: Pick<EmbeddedConfig, 'dataDir' | 'storeBytesMax'>): Promise<number> {
  const { bavail, bsize } = await statfs(dataDir);
  const entries = await readdir(join(dataDir, 'jetstream'), { recursive: true }).catch((): string[] => []);
  let own = 0;
  for (const entry of entries) {
    own += await stat(join(dataDir, 'jetstream', entry)).then(
      ({ blocks }) => blocks * 512,
      () => 0,
    );
  }
  return Math.min(storeBytesMax, Math.floor((bavail * bsize + own) * 0.75));
}

/** A string of the configuration language, whose escapes are JSON's. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
