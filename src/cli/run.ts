import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { connect, type ConnectOptions, type Token } from '../client/client';
import { isLocal } from '../client/target';
import type { CommandDefaults } from '../config/config';
import { suggestion } from '../config/nearest-name';
import { version } from '../version';
import { appendCommand } from './append';
import { withPort } from './address';
import type { Given } from './arguments';
import { authCommand } from './auth';
import type { Command, commonOptions } from './command';
import { commitCommand } from './commit';
import { completionScript, completionShells } from './completion';
import { consumeCommand } from './consume';
import { correlationCommand } from './correlation';
import { doctorCommand } from './doctor';
import { exportCommand } from './export';
import { endingOf, exitCode, InterruptedError, UsageError } from './failure';
import { groupCommand } from './group';
import { commandHelp } from './help';
import { importCommand } from './import';
import { keysCommand } from './keys';
import { otherCommands } from './other-commands';
import { createOutput, writeLines } from './output';
import { queryCommand } from './query';
import { readCommand } from './read';
import { streamCommand } from './stream';
import { streamsCommand } from './streams';
import { tailCommand } from './tail';
import { tokenCommand } from './token';
import { unreadableCommand } from './unreadable';
import { versionCommand } from './version';

/** The commands that go through a gateway, in the order of the help. */
export const commands: readonly Command[] = [
  appendCommand,
  readCommand,
  versionCommand,
  streamsCommand,
  streamCommand,
  commitCommand,
  correlationCommand,
  queryCommand,
  tailCommand,
  exportCommand,
  importCommand,
  groupCommand,
  consumeCommand,
  doctorCommand,
  unreadableCommand,
  authCommand,
  tokenCommand,
  keysCommand,
];

/** Runs the command that the first argument names; returns the exit code. */
export async function runCommand(
  argv: readonly string[],
  { address, tokenFile }: CommandDefaults,
): Promise<number> {
  const [name = '', ...rest] = argv;
  if (name === 'completion') return printCompletion(rest);
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const known = ['help', 'completion', ...[...otherCommands, ...commands].map((one) => one.name)];
    return usageError(`unknown command ${name}${suggestion(name, known)}`, 'sluice --help');
  }
  if (asksForHelp(rest)) {
    process.stdout.write(commandHelp(command));
    return exitCode.ok;
  }
  let prepared: ReturnType<Command['prepare']>;
  try {
    prepared = command.prepare(rest);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return usageError(error.message, `sluice ${name} --help`);
  }
  const at = withPort(prepared.common.address ?? address);
  try {
    return await runAt(at, { tokenFile, ...prepared });
  } catch (error) {
    const ending = endingOf(error, at);
    if (ending === undefined) throw error;
    if (ending.message !== undefined) writeLines(process.stderr, `sluice: ${ending.message}`);
    return ending.code;
  }
}

/** Fewer than a program makes: a person should learn within seconds that nobody listens. */
const appendAttemptsMax = 3;

type Prepared = ReturnType<Command['prepare']> & Pick<CommandDefaults, 'tokenFile'>;

async function runAt(address: string, { common, tokenFile, run }: Prepared): Promise<number> {
  const deadlineMs = timeoutOf(common.timeout);
  const tls = await tlsOf(common);
  const token = tokenFrom(common['token-file'] ?? tokenFile);
  if (token !== undefined && tls === undefined && !isLocal(address))
    throw new UsageError(`--tls is missing: a token is not sent to ${address} in plain text`);
  using client = connect(address, { tls, token, appendAttemptsMax });
  endQuietly();
  const signal = interrupted();
  signal.addEventListener('abort', () => {
    // A command that reads standard input must not wait forever.
    process.stdin.on('error', () => undefined).destroy(signal.reason as Error);
  });
  return await run({
    client,
    address,
    tls,
    deadlineMs,
    signal,
    stdin: process.stdin,
    out: createOutput(process.stdout),
    err: createOutput(process.stderr),
    errSink: process.stderr,
    version,
  });
}

function printCompletion([shell = '', ...more]: readonly string[]): number {
  const script = more.length === 0 ? completionScript(shell, commands) : undefined;
  if (script === undefined)
    return usageError(
      `completion needs the name of a shell: ${completionShells.join(', ')}`,
      'sluice --help',
    );
  process.stdout.write(script);
  return exitCode.ok;
}

function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).some((word) => word === '--help' || word === '-h');
}

function usageError(message: string, help: string): number {
  writeLines(process.stderr, `sluice: ${message}\nsee ${help}`);
  return exitCode.usage;
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds > 0) return seconds * 1_000;
  throw new UsageError(`--timeout must be a number of seconds above 0; found "${text}"`);
}

type Common = Given<typeof commonOptions>;

async function tlsOf(common: Common): Promise<ConnectOptions['tls']> {
  const { tls, 'tls-ca': ca, 'tls-cert': cert, 'tls-key': key } = common;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError('--tls-cert and --tls-key need each other');
  }
  if (!tls && ca === undefined && cert === undefined) return undefined;
  const read = (file: string | undefined): Promise<Buffer> | undefined =>
    file === undefined ? undefined : readFile(file);
  return { ca: await read(ca), cert: await read(cert), key: await read(key) };
}

/** The file is read again when the gateway refuses what it held. */
function tokenFrom(file: string | undefined): Token | undefined {
  return file === undefined ? undefined : async () => (await readFile(file, 'utf8')).trim();
}

/** A reader that closes the output early, such as `head`, ends the command without an error. */
function endQuietly(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCode.ok);
    writeLines(process.stderr, `sluice: cannot write the output: ${error.message}`);
    process.exit(exitCode.failure);
  });
}

/** Aborts on the first SIGINT or SIGTERM; the second ends the process at once. */
function interrupted(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (name: 'SIGINT' | 'SIGTERM'): void => {
    const number = constants.signals[name];
    if (controller.signal.aborted) process.exit(128 + number);
    controller.abort(new InterruptedError(number));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}
