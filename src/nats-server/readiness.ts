import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import type { Logger } from 'pino';
import { embeddedPaths, type EmbeddedConfig } from './embedded-config';
import type { TiedProcess } from './tied-process';

/** The embedded server could not be started; the message quotes the server. */
export class EmbeddedNatsError extends Error {}

const progressMs = 5_000;
const probeMs = 50;
/** JetStream answers, and has no such stream (server/errors.json). */
const streamNotFound = 10_059;

/** What `untilReady` waits for. */
export interface Readiness {
  readonly config: Login;
  /** The stream that JetStream must know of, or know not to exist. */
  readonly stream: string;
  /** Where the lines of this start begin in the log of the server. */
  readonly logStart: number;
  readonly timeoutMs: number;
  readonly log: Logger;
}

/** How the server is reached, except its port. */
type Login = Pick<EmbeddedConfig, 'host' | 'user' | 'password' | 'dataDir'>;

/** Waits until JetStream answers, and resolves with the port. Throws EmbeddedNatsError. */
export async function untilReady(
  server: TiedProcess,
  { config, stream, logStart, timeoutMs, log }: Readiness,
): Promise<number> {
  const { log: logFile, runDir } = embeddedPaths(config.dataDir);
  const startMs = performance.now();
  let reportMs = startMs + progressMs;
  for (;;) {
    // Read before the probe: the supervisor handles a server that ends right after its answer.
    const { end } = server;
    const port = await readPort(runDir);
    if (port !== undefined && (await jetStreamAnswers(config, port, stream))) return port;
    const waitedMs = performance.now() - startMs;
    if (end !== undefined || waitedMs > timeoutMs) {
      const what = end === undefined ? `is not ready after ${timeoutMs.toString()} ms` : `ended with ${end}`;
      const words = server.stderrTail() || (await lastComplaint(logFile, logStart));
      throw new EmbeddedNatsError(
        `the embedded nats-server ${what}${words === '' ? '' : `: ${words}`} (its log is ${logFile})`,
      );
    }
    if (performance.now() > reportMs) {
      log.info(
        { waitedMs: Math.round(waitedMs) },
        'waiting for the embedded nats-server to recover its data',
      );
      reportMs += progressMs;
    }
    await sleep(probeMs);
  }
}

/** The port from the file that the server writes once it listens. */
export async function readPort(runDir: string): Promise<number | undefined> {
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

export function urlOf(host: string, port: number): string {
  return `nats://${host}:${port.toString()}`;
}
