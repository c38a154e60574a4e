import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
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
import { lockFolder } from './folder-lock';
import type { NatsBinary } from './nats-binary';
import { endOrphan } from './orphan';
import { gatewayPermissions, type StoreNames } from './permissions';
import { stopTimeoutMs, supervise } from './supervise';
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

/** The embedded server could not be started; the message quotes the server. */
export class EmbeddedNatsError extends Error {}

const startTimeoutMs = 60_000;
const progressMs = 5_000;
const probeMs = 50;
/** JetStream answers, and has no such stream (server/errors.json). */
const streamNotFound = 10_059;

/** Starts a server over a folder. Throws FolderInUseError, OrphanError or EmbeddedNatsError, and then leaves nothing running. */
export async function startEmbeddedNats(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { binary, log, host = '127.0.0.1' } = options;
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  // One name for one folder: the path of its configuration identifies a server process.
  const dataDir = await realpath(options.dataDir);
  const paths = embeddedPaths(dataDir);
  let server: TiedProcess | undefined;
  let takenOver = (): void => server?.kill('SIGKILL');
  const lock = await lockFolder({ path: dataDir, kind: 'data folder' }, log, () => {
    takenOver();
  });
  const config = newConfig(options, dataDir, host);
  const bounded = boundedLaunch(binary, config);
  try {
    await endOrphan(paths.pid, paths.config, log);
    const logStart = await stat(paths.log).then(
      ({ size }) => size,
      () => 0,
    );
    const isNew =
      (await isEmpty(paths.streams)) && ![paths.config, paths.log].some((path) => existsSync(path));
    server = await bounded.launch(options.port ?? -1);
    const port = await ready(server, config, options, logStart);
    if (!(await lock.held())) throw new EmbeddedNatsError(`another gateway took over ${dataDir}`);
    log.info(
      { version: binary.version, dataDir, port, natsPid: server.pid },
      'the embedded nats-server is running',
    );
    const supervised = supervise(server, () => bounded.launch(port), lock, log);
    takenOver = () => {
      log.fatal({ dataDir }, 'another gateway took over the data folder; this gateway ends its nats-server');
      supervised.abandon();
    };
    const streams = [options.store.name];
    return {
      url: urlOf(host, port),
      user: config.user,
      password: config.password,
      version: binary.version,
      dataDir,
      isNew,
      bytesMax: () => bounded.bytesMax(),
      bytesOnDisk: async () => ((await areOnOneDisk(dataDir, config.replicaDir)) ? 1 + replicaFactor : 1),
      async raiseBound() {
        if (!(await bounded.raise(port))) return;
        supervised.signal('SIGHUP'); // makes it reload its configuration
        log.info({ bytesMax: bounded.bytesMax() }, 'the store may take more of the disk');
      },
      writeError: () => streamWriteError(urlOf(host, port), config.systemPassword, streams),
      restart: supervised.restart,
      pid: supervised.pid,
      close: supervised.close,
      [Symbol.asyncDispose]: supervised.close,
    };
  } catch (error) {
    await server?.stop(stopTimeoutMs);
    await lock.release();
    throw error;
  }
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
  return spawnTied(binary.path, ['-c', paths.config]);
}

/** How the server is reached, except its port. */
type Login = Pick<EmbeddedConfig, 'host' | 'user' | 'password' | 'dataDir'>;

/** Waits until JetStream answers, and resolves with the port. Throws EmbeddedNatsError. */
async function ready(
  server: TiedProcess,
  config: Login,
  { log, store, startTimeoutMs: timeoutMs = startTimeoutMs }: EmbeddedOptions,
  logStart: number,
): Promise<number> {
  const { log: logFile, runDir } = embeddedPaths(config.dataDir);
  const startMs = Date.now();
  let reportMs = startMs + progressMs;
  for (;;) {
    // Read before the probe: the supervisor handles a server that ends right after its answer.
    const { end } = server;
    const port = await readPort(runDir);
    if (port !== undefined && (await jetStreamAnswers(config, port, store.name))) return port;
    const waitedMs = Date.now() - startMs;
    if (end !== undefined || waitedMs > timeoutMs) {
      const what = end === undefined ? `is not ready after ${timeoutMs.toString()} ms` : `ended with ${end}`;
      const words = server.stderrTail() || (await lastComplaint(logFile, logStart));
      throw new EmbeddedNatsError(
        `the embedded nats-server ${what}${words === '' ? '' : `: ${words}`} (its log is ${logFile})`,
      );
    }
    if (Date.now() > reportMs) {
      log.info({ waitedMs }, 'waiting for the embedded nats-server to recover its data');
      reportMs += progressMs;
    }
    await sleep(probeMs);
  }
}

/** The port from the file that the server writes once it listens. */
async function readPort(runDir: string): Promise<number | undefined> {
  const name = (await readdir(runDir)).find((entry) => entry.endsWith('.ports'));
  const text = name === undefined ? '' : await readFile(join(runDir, name), 'utf8');
  // The file may be missing or incomplete.
  const port = /"nats":\["[^"]*:(\d+)"/.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}

/** Whether JetStream answers a request about a stream, which need not exist. */
async function jetStreamAnswers(config: Login, port: number, stream: string): Promise<boolean> {
  const { host, user, password } = config;
  try {
    const connection = await connect({
      servers: urlOf(host, port),
      user,
      pass: password,
      timeout: 2_000,
      reconnect: false,
    });
    try {
      const answer = await connection.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 2_000 });
      const { error } = answer.json<{ error?: { err_code?: number } }>();
      return error === undefined || error.err_code === streamNotFound;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

/** The last error in the server's log after an offset. */
async function lastComplaint(logFile: string, start: number): Promise<string> {
  const file = await open(logFile).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 << 10), 0, 64 << 10, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    return lines.findLast((line) => /\[(FTL|ERR)\]/.test(line))?.replace(/^.*\[(FTL|ERR)\] /, '') ?? '';
  } finally {
    await file.close();
  }
}

function urlOf(host: string, port: number): string {
  return `nats://${host}:${port.toString()}`;
}
