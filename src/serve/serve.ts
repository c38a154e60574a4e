import pino, { type Logger } from 'pino';
import { banner } from './banner';
import { commandLines } from '../cli/help';
import { printable, writeLines } from '../cli/output';
import { commands } from '../cli/run';
import { ConfigError, loadConfig, printConfig } from '../config/config';
import { StartError, startGateway } from '../gateway';
import { boundBuffers, boundHeapGrowth } from './heap-growth';
import { helpText } from '../config/help';
import { isPatchedNode, nodeVersions } from '../versions';
import { version } from '../versions';

/** What serving ends with; explained in help.ts. */
const exitCode = { ok: 0, unexpected: 1, settings: 2, store: 3, listen: 4, disk: 5 } as const;

/** What waits to be written while stderr takes nothing; later lines are dropped. */
const logBytesMax = 1 << 20;

/** The log must be out before the process ends, hence `sync`. That it cannot be written does not end the process. */
const logDestination = pino
  .destination({ fd: 2, sync: true, maxLength: logBytesMax })
  .on('error', () => undefined);

/** As it is, but on a terminal, which would obey what JSON leaves in it. */
function logLine(line: string): string {
  return process.stderr.isTTY ? `${printable(line.trimEnd())}\n` : line;
}

/** The largest message that stubs of gRPC take unless they are told otherwise. */
const stubBytesMax = 4 << 20;

/** Serves, or says what it would serve with; gives the exit code. */
export async function serve(argv: readonly string[]): Promise<number> {
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  boundHeapGrowth();
  boundBuffers();
  if (argv.includes('--help') || argv.includes('-h')) return print(helpText(commandLines(commands)));
  if (argv.includes('--version')) return print(`${version}\n`);
  try {
    if (argv.includes('--print-config')) {
      return print(printConfig(argv.filter((argument) => argument !== '--print-config')));
    }
    return await serveUntilStopped(argv);
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof StartError)) throw error;
    writeLines(process.stderr, `sluice: ${error.message}`);
    return error instanceof StartError ? exitCode[error.stage] : exitCode.settings;
  }
}

/** Serves until a signal asks to stop. Throws ConfigError and StartError. */
async function serveUntilStopped(argv: readonly string[]): Promise<number> {
  const config = loadConfig(argv);
  const log = pino({ level: config.logLevel, hooks: { streamWrite: logLine } }, logDestination);
  // Before the start, so that a signal during the start still stops what is already running.
  const stopped = stopSignal(log);
  ignoreHangUp(log);
  if (config.insecure && config.tls === undefined) {
    log.warn(
      { address: config.address },
      'plain text by --insecure: anyone who reaches the address can read and write',
    );
  }
  if (!isPatchedNode(process.versions.node)) {
    log.warn(
      { node: process.versions.node, wanted: nodeVersions },
      'this Node.js lacks security fixes that callers can make use of: upgrade it, unless its distributor has put them in',
    );
  }
  if (config.limits.eventBytesMax > stubBytesMax) {
    log.warn(
      { eventBytesMax: config.limits.eventBytesMax, stubBytesMax },
      'events may be larger than stubs with the defaults of gRPC can receive',
    );
  }
  const gateway = await startGateway(config, log);
  process.stdout.write(banner(gateway.describe()));
  const end = await Promise.race([
    stopped.then(() => 'ok' as const),
    gateway.failed.then(() => 'disk' as const),
  ]);
  await gateway.close();
  log.info('stopped');
  return exitCode[end];
}

/** Resolves with the first SIGTERM or SIGINT; the second ends the process at once. */
function stopSignal(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals, number: number): void => {
      if (asked) process.exit(128 + number);
      asked = true;
      log.info({ signal }, 'stopping; a second signal ends at once');
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/** The end of a terminal is no reason to stop, and who means "read your files again" must not stop it either. */
function ignoreHangUp(log: Logger): void {
  process.on('SIGHUP', () => {
    log.info('SIGHUP does nothing: settings and files are read at the start only');
  });
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCode.ok;
}

/** A bug: it is logged, and the process ends rather than go on in a state that nobody knows. */
function crash(err: unknown): never {
  pino({ hooks: { streamWrite: logLine } }, logDestination).fatal({ err }, 'unexpected error');
  process.exit(exitCode.unexpected);
}
