import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import type { Logger } from 'pino';
import { embeddedPaths, writeEmbeddedConfig, type EmbeddedConfig } from './embedded-config';
import { errCode } from './errors';
import { lockFolder, type FolderLock } from './folder-lock';
import type { NatsBinary } from './nats-binary';
import type { StoreOptions } from './options';
import { endOrphan } from './orphan';
import { gatewayPermissions } from './permissions';
import { spawnTied, type TiedProcess } from './tied-process';

export interface EmbeddedOptions {
  /** Made if it is not there. */
  readonly dataDir: string;
  readonly binary: NatsBinary;
  /** The only one that its user can serve. */
  readonly store: Pick<StoreOptions, 'name' | 'prefix'>;
  readonly log: Logger;
  /** Loopback unless given. */
  readonly host?: string;
  /** A free one unless given. */
  readonly port?: number;
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
  /** Whether the folder held no stream before this start. */
  readonly isNew: boolean;
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
const stopTimeoutMs = 10_000;
const backoffMinMs = 250;
const backoffMaxMs = 10_000;
/** After this time a server counts as having started well. */
const stableMs = 30_000;

/** Starts a server over a folder. Throws FolderInUseError, OrphanError or EmbeddedNatsError; then nothing is left running. */
export async function startEmbeddedNats(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { binary, log, host = '127.0.0.1' } = options;
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  // One name for one folder: the configuration's path tells whose server a process is.
  const dataDir = await realpath(options.dataDir);
  const paths = embeddedPaths(dataDir);
  let server: TiedProcess | undefined;
  let takenOver = (): void => server?.kill('SIGKILL');
  const lock = await lockFolder(dataDir, log, () => {
    takenOver();
  });
  const login = { user: 'sluice', password: randomBytes(24).toString('base64url') };
  const permissions = gatewayPermissions(options.store);
  const config = { dataDir, host, ...login, permissions };
  try {
    await endOrphan(paths.pid, paths.config, log);
    const logStart = await stat(paths.log).then(
      ({ size }) => size,
      () => 0,
    );
    const isNew = await isEmpty(paths.streams);
    server = await launch(binary, { ...config, port: options.port ?? -1 });
    const port = await ready(server, config, options, logStart);
    if (!(await lock.held())) throw new EmbeddedNatsError(`another gateway took ${dataDir} over`);
    log.info(
      { version: binary.version, dataDir, port, natsPid: server.pid },
      'the embedded nats-server runs',
    );
    const relaunch = (): Promise<TiedProcess> => launch(binary, { ...config, port });
    const supervised = supervise(server, relaunch, lock, log);
    takenOver = () => {
      log.fatal({ dataDir }, 'another gateway took the data folder over; its nats-server is ended here');
      supervised.abandon();
    };
    return {
      url: urlOf(host, port),
      ...login,
      version: binary.version,
      dataDir,
      isNew,
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
async function launch(binary: NatsBinary, config: EmbeddedConfig): Promise<TiedProcess> {
  const paths = embeddedPaths(config.dataDir);
  await rm(paths.runDir, { recursive: true, force: true });
  await mkdir(paths.runDir, { mode: 0o700 });
  await writeEmbeddedConfig(config);
  return spawnTied(binary.path, ['-c', paths.config]);
}

/** Waits until JetStream answers, and resolves with the port. Throws EmbeddedNatsError. */
async function ready(
  server: TiedProcess,
  config: Omit<EmbeddedConfig, 'port'>,
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
async function jetStreamAnswers(
  config: Omit<EmbeddedConfig, 'port'>,
  port: number,
  stream: string,
): Promise<boolean> {
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
      return error === undefined || error.err_code === errCode.streamNotFound;
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

interface Supervised {
  readonly pid: () => number | undefined;
  readonly close: () => Promise<void>;
  /** The folder is another gateway's: the server is killed before it can write, and not started again. */
  readonly abandon: () => void;
}

/** Starts the server again on its port whenever it ends, after a pause that doubles until one stays. */
function supervise(
  first: TiedProcess,
  relaunch: () => Promise<TiedProcess>,
  lock: FolderLock,
  log: Logger,
): Supervised {
  let server = first;
  const closing = new AbortController();
  const { signal } = closing;
  const isClosing = (): boolean => signal.aborted;

  const watch = async (): Promise<void> => {
    let backoffMs = backoffMinMs;
    while (!isClosing()) {
      const startMs = Date.now();
      const end = await server.ended;
      if (isClosing()) return;
      if (Date.now() - startMs > stableMs) backoffMs = backoffMinMs;
      log.error(
        { end, stderr: server.stderrTail(), backoffMs },
        'the embedded nats-server ended; restarting it',
      );
      await sleep(backoffMs, undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(2 * backoffMs, backoffMaxMs);
      // A folder that is lost gets no second server: `abandon` comes with the lock's next beat.
      if (isClosing() || !(await lock.held())) return;
      try {
        const next = await relaunch();
        server = next;
        log.info({ natsPid: next.pid }, 'the embedded nats-server is started again');
        if (isClosing()) await next.stop(stopTimeoutMs);
      } catch (err) {
        log.error({ err }, 'the embedded nats-server could not be started again');
      }
    }
  };
  const watching = watch();
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing.abort();
    await server.stop(stopTimeoutMs);
    await watching;
    await lock.release();
  };
  return {
    pid: () => (server.end === undefined ? server.pid : undefined),
    close: () => (closed ??= close()),
    abandon() {
      closing.abort();
      server.kill('SIGKILL');
    },
  };
}

function urlOf(host: string, port: number): string {
  return `nats://${host}:${port.toString()}`;
}
