import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import {
  areOnOneDisk,
  embeddedPaths,
  replicaFactor,
  storageBytesMax,
  writeEmbeddedConfig,
  type EmbeddedConfig,
} from './embedded-config';
import { streamWriteError } from './embedded-health';
import { lockFolder, type FolderLock } from './folder-lock';
import type { NatsBinary } from './nats-binary';
import { endOrphan } from './orphan';
import { gatewayPermissions, operatorPermissions, type StoreNames } from './permissions';
import { removeOperatorLogin, writeOperatorLogin } from './operator-login';
import { EmbeddedNatsError, untilReady, urlOf } from './readiness';
import { stopTimeoutMs, supervise, type Supervised } from './supervise';
import { spawnTied, type TiedProcess } from './tied-process';

export interface EmbeddedOptions {
  /** Created if it does not exist. */
  readonly dataDir: string;
  readonly binary: NatsBinary;
  /** The only store that the permissions of the server's user allow. */
  readonly store: StoreNames;
  readonly log: Logger;
  /** Default: loopback. */
  readonly host?: string;
  /** Default: a free port. */
  readonly port?: number;
  /** The bytes that the store may take at most. Default: as much as the disk allows. */
  readonly storeBytesMax?: number | undefined;
  /** Folder of the replica of the log. Default: `replica` in the data folder. */
  readonly replicaDir?: string;
  /** How long the server may take to recover its data. Default: a minute. */
  readonly startTimeoutMs?: number;
}

/** A running embedded nats-server. It is started again when it ends by itself. */
export interface EmbeddedServer extends AsyncDisposable {
  /** Survives restarts of the server, as user and password do. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly version: string;
  /** Absolute, without symbolic links. */
  readonly dataDir: string;
  /** Whether this is the first start over the folder. */
  readonly isNew: boolean;
  /** The bytes that the store may take, all its streams together. */
  bytesMax(): number;
  /** The bytes on its disk for each byte of the store: more than one if the replica is on the same disk. */
  bytesOnDisk(): Promise<number>;
  /** Raises the bound of the store if the disk has more free space now. */
  raiseBound(): Promise<void>;
  /** Why the store can no longer be written; undefined: nothing is wrong, or the server does not answer. */
  writeError(): Promise<string | undefined>;
  /** Ends the server; the supervisor starts it again. */
  restart(): Promise<void>;
  /** undefined while no server runs. */
  pid(): number | undefined;
  /** Stops the server and releases the folder. May be called again. */
  close(): Promise<void>;
}

const startTimeoutMs = 60_000;

/** Starts a server over a folder. Throws FolderInUseError, OrphanError or EmbeddedNatsError, and then leaves nothing running. */
export async function startEmbeddedNats(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { log } = options;
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  // One name for one folder: the path of its configuration identifies a server process.
  const dataDir = await realpath(options.dataDir);
  const running: Running = { server: undefined, supervised: undefined };
  const lock = await lockData(dataDir, log, () => {
    log.fatal({ dataDir }, 'another gateway took over the data folder; this gateway ends its nats-server');
    running.supervised?.abandon();
    running.server?.kill('SIGKILL');
  });
  try {
    return await launchLocked(options, dataDir, lock, running);
  } catch (error) {
    await running.server?.stop(stopTimeoutMs);
    await lock.release();
    throw error;
  }
}

/** Locks the folder until its server has stopped. */
async function lockData(dataDir: string, log: Logger, onLost: () => void): Promise<FolderLock> {
  const lock = await lockFolder({ path: dataDir, kind: 'data folder' }, log, onLost);
  return {
    held: () => lock.held(),
    async release() {
      if (await lock.held()) await removeOperatorLogin(dataDir).catch(() => undefined);
      await lock.release();
    },
  };
}

/** What must be ended if the start fails or the folder is lost. */
interface Running {
  server: TiedProcess | undefined;
  supervised: Supervised | undefined;
}

async function launchLocked(
  options: EmbeddedOptions,
  dataDir: string,
  lock: FolderLock,
  running: Running,
): Promise<EmbeddedServer> {
  const { binary, log, store, host = '127.0.0.1', startTimeoutMs: timeoutMs = startTimeoutMs } = options;
  const paths = embeddedPaths(dataDir);
  const config = newConfig(options, dataDir, host);
  const bounded = boundedLaunch(binary, config);
  await endOrphan(paths.pid, paths.config, log);
  const logStart = await sizeOf(paths.log);
  const isNew = (await isEmpty(paths.streams)) && ![paths.config, paths.log].some((path) => existsSync(path));
  const server = await bounded.launch(options.port ?? -1);
  running.server = server;
  const port = await untilReady(server, { config, stream: store.name, logStart, timeoutMs, log });
  if (!(await lock.held())) throw new EmbeddedNatsError(`another gateway took over ${dataDir}`);
  const { version } = binary;
  log.info({ version, dataDir, port, natsPid: server.pid }, 'the embedded nats-server is running');
  const supervised = supervise(server, () => bounded.launch(port), lock, log);
  running.supervised = supervised;
  return {
    url: urlOf(host, port),
    user: config.user,
    password: config.password,
    version,
    dataDir,
    isNew,
    bytesMax: () => bounded.bytesMax(),
    bytesOnDisk: async () => ((await areOnOneDisk(dataDir, config.replicaDir)) ? 1 + replicaFactor : 1),
    async raiseBound() {
      if (!(await bounded.raise(port))) return;
      supervised.signal('SIGHUP'); // makes it reload its configuration
      log.info({ bytesMax: bounded.bytesMax() }, 'the store may take more of the disk');
    },
    writeError: () => streamWriteError(urlOf(host, port), config.systemPassword, [store.name]),
    restart: supervised.restart,
    pid: supervised.pid,
    close: supervised.close,
    [Symbol.asyncDispose]: supervised.close,
  };
}

/** The bytes of a file, 0 if it does not exist. */
async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

function newConfig(options: EmbeddedOptions, dataDir: string, host: string): Omit<EmbeddedConfig, 'port'> {
  const secret = (): string => randomBytes(24).toString('base64url');
  const { store, storeBytesMax, replicaDir = join(dataDir, 'replica') } = options;
  const permissions = gatewayPermissions(store);
  return {
    dataDir,
    host,
    user: 'sluice',
    password: secret(),
    permissions,
    operator: { user: 'sluice-operator', password: secret(), permissions: operatorPermissions(store) },
    systemPassword: secret(),
    storeBytesMax,
    replicaDir,
  };
}

interface BoundedLaunch {
  /** The bytes that the store may take, as last configured. */
  bytesMax(): number;
  launch(port: number): Promise<TiedProcess>;
  /** Writes a higher bound into the configuration, if the disk has space for it. */
  raise(port: number): Promise<boolean>;
}

function boundedLaunch(binary: NatsBinary, config: Omit<EmbeddedConfig, 'port'>): BoundedLaunch {
  let bytesMax = 0;
  return {
    bytesMax: () => bytesMax,
    async launch(port) {
      bytesMax = await storageBytesMax(config);
      return launch(binary, { ...config, port }, bytesMax);
    },
    async raise(port) {
      const next = await storageBytesMax(config);
      if (next <= bytesMax) return false;
      await writeEmbeddedConfig({ ...config, port }, next);
      bytesMax = next;
      return true;
    },
  };
}

/** Whether a folder is empty or missing. */
async function isEmpty(folder: string): Promise<boolean> {
  return readdir(folder).then(
    (entries) => entries.length === 0,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
      throw error;
    },
  );
}

/** Starts the server with an empty run folder. */
async function launch(binary: NatsBinary, config: EmbeddedConfig, bytesMax: number): Promise<TiedProcess> {
  const paths = embeddedPaths(config.dataDir);
  await rm(paths.runDir, { recursive: true, force: true });
  await mkdir(paths.runDir, { mode: 0o700 });
  await writeEmbeddedConfig(config, bytesMax);
  await writeOperatorLogin(config);
  return spawnTied(binary.path, ['-c', paths.config]);
}
