import type { Logger } from 'pino';
import { banner } from './banner';
import { writeLines } from '../cli/output';
import { ConfigError, loadConfig, printConfig, type Config } from '../config/config';
import { StartError, startGateway, type Gateway } from '../gateway';
import { boundBuffers, boundHeapGrowth } from './heap-growth';
import { logCrash, openLog, relayLine, reloadLevel } from './log';
import { primary } from '../primary';
import { alone } from '../role';
import { helpText } from '../config/help';
import { isPatchedNode, nodeVersions } from '../versions';
import { version } from '../version';

/** The exit codes of serving; config/help.ts explains them. */
const exitCode = { ok: 0, unexpected: 1, settings: 2, store: 3, listen: 4, disk: 5 } as const;

/** The largest message that gRPC clients receive by default. */
const stubBytesMax = 4 << 20;

/** Serves, or prints the help, the version or the settings. Resolves with the exit code. */
export async function serve(argv: readonly string[]): Promise<number> {
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  boundHeapGrowth();
  boundBuffers();
  if (argv.includes('--help') || argv.includes('-h')) return print(await help());
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

/** Serves until a signal or a failed disk. Throws ConfigError and StartError. */
async function serveUntilStopped(argv: readonly string[]): Promise<number> {
  const config = loadConfig(argv);
  const log = openLog(config.logLevel);
  // Before the start, so that a signal during the start stops what is already running.
  const stopped = stopSignal(log);
  const serving = onHangUp(config, log);
  if (config.insecure) warnOfOpenness(config, log);
  if (!isPatchedNode(process.versions.node)) {
    log.warn(
      { node: process.versions.node, wanted: nodeVersions },
      'this Node.js has security bugs that callers can exploit: upgrade it, unless its distributor has fixed them',
    );
  }
  if (config.limits.eventBytesMax > stubBytesMax) {
    log.warn(
      { eventBytesMax: config.limits.eventBytesMax, stubBytesMax },
      'events may be larger than gRPC clients receive by default',
    );
  }
  const role = config.workers === 1 ? alone : primary(config, log, relayLine);
  const gateway = await startGateway(config, log, role);
  serving(gateway);
  process.stdout.write(banner(gateway.describe()));
  const end = await Promise.race([
    stopped.then(() => gateway.drain()).then(() => 'ok' as const),
    gateway.failed.then(() => 'disk' as const),
  ]);
  await gateway.close();
  log.info('stopped');
  return exitCode[end];
}

/** Loads the commands, which serving does not need. */
async function help(): Promise<string> {
  const { commands } = await import('../cli/run.js');
  const { commandLines } = await import('../cli/help.js');
  return helpText(commandLines(commands));
}

function warnOfOpenness({ address, tls, authenticates }: Config, log: Logger): void {
  if (tls === undefined) {
    log.warn(
      { address },
      'plain text by --insecure: everyone on the network can read what is sent, credentials too',
    );
  }
  if (!authenticates) {
    log.warn(
      { address },
      'no authentication by --insecure: anyone who reaches the address can read and write',
    );
  }
}

/** Resolves at the first SIGTERM or SIGINT; the second one ends the process at once. */
function stopSignal(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    const onSignal = (signal: NodeJS.Signals, number: number): void => {
      if (isStopping) process.exit(128 + number);
      isStopping = true;
      log.info({ signal }, 'stopping; a second signal ends the process at once');
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/**
 * SIGHUP has the gateway look at its files, and never ends it: a terminal that closes sends it as well. Returns a function that
 * takes the gateway once it serves; during the start, the files are read anyway.
 */
function onHangUp({ logLevelFile }: Config, log: Logger): (gateway: Gateway) => void {
  let serving: Gateway | undefined;
  process.on('SIGHUP', () => {
    log.info('SIGHUP: looking at the files; settings are read only at the start');
    if (logLevelFile !== undefined) reloadLevel(log, logLevelFile);
    void serving?.reload();
  });
  return (gateway) => {
    serving = gateway;
  };
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCode.ok;
}

/** Logs a bug and ends the process, whose state is unknown. */
function crash(err: unknown): never {
  logCrash(err);
  process.exit(exitCode.unexpected);
}
