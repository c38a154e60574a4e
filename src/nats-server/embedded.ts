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
  /** Made if it is not there. */
  readonly dataDir: string;
  readonly binary: NatsBinary;
  /** The only one that its user can serve. */
  readonly store: StoreNames;
  readonly log: Logger;
  /** Loopback unless given. */
  readonly host?: string;
  /** A free one unless given. */
  readonly port?: number;
  /** What the store may take at most; as much as the disk allows unless given. */
  readonly storeBytesMax?: number | undefined;
  /** Where the replica of the log is kept; in the data folder unless given. */
  readonly replicaDir?: string;
  /** How long the server may take to recover its data; a minute unless given. */
  readonly startTimeoutMs?: number;
}

/** A nats-server of our own that runs, and is started again when it ends by itself. */
export interface EmbeddedServer extends AsyncDisposable {
  /** Stays the same over restarts of the server, as user and password do. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly version: string;
  /** Absolute, without symbolic links. */
  readonly dataDir: string;
  /** Whether no server has run over the folder before this start. */
  readonly isNew: boolean;
  /** What the store may take, all its streams together. */
  bytesMax(): number;
  /** What a byte of the store takes on its disk, with what the replica has of it. */
  bytesOnDisk(): Promise<number>;
  /** Lets it take more, if the disk has more by now. */
  raiseBound(): Promise<void>;
  /** Why one of its streams cannot be written any more; undefined: nothing is wrong, or it gives no answer. */
  writeError(): Promise<string | undefined>;
  /** Ends the server, which is then started again. */
  restart(): Promise<void>;
  /** undefined while no server runs. */
  pid(): number | undefined;
  /** Stops the server and gives the folder free. May be called again. */
  close(): Promise<void>;
}

/** The embedded server could not be started; the message has its own words. */
export class EmbeddedNatsError extends Error {}

const startTimeoutMs = 60_000;
const progressMs = 5_000;
const probeMs = 50;
/** JetStream answers, and has no such stream (server/errors.json). */
const streamNotFound = 10_059;

/** Starts a server over a folder. Throws FolderInUseError, OrphanError or EmbeddedNatsError; then nothing is left running. */
export async function startEmbeddedNats(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { binary, log, host = '127.0.0.1' } = options;
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  // One name for one folder: the configuration's path tells whose server a process is.
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
    if (!(await lock.held())) throw new EmbeddedNatsError(`another gateway took ${dataDir} over`);
    log.info(
      { version: binary.version, dataDir, port, natsPid: server.pid },
      'the embedded nats-server runs',
    );
    const supervised = supervise(server, () => bounded.launch(port), lock, log);
    takenOver = () => {
      log.fatal({ dataDir }, 'another gateway took the data folder over; its nats-server is ended here');
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
        supervised.signal('SIGHUP'); // it reads its configuration again
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
  /** What the store may take, as the server was told last. */
  bytesMax(): number;
  launch(port: number): Promise<TiedProcess>;
  /** Writes a higher bound into the configuration, if the disk has room for one. */
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

/** Whether a folder has nothing in it, or is not there. */
async function isEmpty(folder: string): Promise<boolean> {
  return readdir(folder).then(
    (entries) => entries.length === 0,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
      throw error;
    },
  );
}

/** Starts the server; what an earlier one left in the run folder is gone. */
async function launch(binary: NatsBinary, config: EmbeddedConfig, bytesMax: number): Promise<TiedProcess> {
  const paths = embeddedPaths(config.dataDir);
  await rm(paths.runDir, { recursive: true, force: true });
  await mkdir(paths.runDir, { mode: 0o700 });
  await writeEmbeddedConfig(config, bytesMax);
  return spawnTied(binary.path, ['-c', paths.config]);
}

/** How the server is reached, but for its port. */
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
    // Before the probe: one that ends right after its answer is the supervisor's.
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
  // Not complete yet, or not there.
  const port = /"nats":\["[^"]*:(\d+)"/.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}

/** Whether it knows what streams it has, be it that there is none of that name yet. */
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

/** The last error in the server's log since a place in it. */
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
