import { constants } from 'node:os';
import { resolve } from 'node:path';
import pino from 'pino';
import { backup } from '../backup/backup';
import { BackupError } from '../backup/backup-error';
import type { Checked } from '../backup/check-log';
import { readManifest, type Manifest } from '../backup/manifest';
import { checkFiles, restore } from '../backup/restore';
import { verify } from '../backup/verify';
import { writeLines } from '../cli/output';
import { counted } from '../cli/counted';
import { ConfigError, loadOperatorConfig, type OperatorConfig } from '../config/config';
import { openLog, type OpenedLog } from '../jetstream/open-log';
import { DataFolderError, reachAsOperator } from './reach';
import { operatorHelp, type OperatorVerb } from './help';
import { createReport, type Report } from './report';

const exitCode = { ok: 0, failed: 1, usage: 2, found: 3 } as const;

/** The command got a signal to end. */
class Interrupted extends Error {
  constructor(readonly signalNumber: number) {
    super('interrupted');
  }
}

/** What a command has: its folder, its settings, and how it reports. */
interface Command {
  /** Absolute; undefined for verify. */
  readonly folder: string;
  readonly config: OperatorConfig;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Runs `sluice backup`, `sluice restore` or `sluice verify`; resolves with the exit code. */
export async function operatorCommand(verb: OperatorVerb, args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(operatorHelp(verb));
    return exitCode.ok;
  }
  const report = createReport(process.stderr);
  const signal = interrupted();
  try {
    const { folder, flags } = parse(verb, args);
    const command = { folder, config: loadOperatorConfig(flags), report, signal };
    return await { backup: runBackup, restore: runRestore, verify: runVerify }[verb](command);
  } catch (error) {
    report.clear();
    // After a signal, all kinds of things fail.
    return failed(verb, signal.aborted ? signal.reason : error);
  }
}

class UsageError extends Error {}

function parse(verb: OperatorVerb, args: readonly string[]): { folder: string; flags: readonly string[] } {
  if (verb === 'verify') return { folder: '', flags: args };
  const [folder = '', ...flags] = args;
  if (folder !== '' && !folder.startsWith('-')) return { folder: resolve(folder), flags };
  throw new UsageError(`sluice ${verb} needs a folder, before its flags`);
}

async function runBackup({ folder, config, report, signal }: Command): Promise<number> {
  return withLog(config, false, async (log) => {
    const { store } = config;
    const done = await backup({ log, store, folder, onProgress: report.progress, signal });
    report.clear();
    const { manifest, findings } = done;
    writeLines(process.stdout, `backed up ${contents(manifest)} to ${folder}`);
    if (findings.count > 0) warn(`the log has ${counted(findings.count, 'fault')}, see sluice verify`);
    return exitCode.ok;
  });
}

async function runRestore({ folder, config, report, signal }: Command): Promise<number> {
  const manifest = await readManifest(folder);
  const replicas = replicasFor(manifest, config);
  checkStore(manifest, config);
  await checkFiles(folder, manifest, report.progress, signal);
  return withLog(config, true, async (log) => {
    await restore({ log, folder, manifest, replicas, onProgress: report.progress, signal });
    report.clear();
    writeLines(process.stdout, `restored ${contents(manifest)}; it is the store as of ${manifest.created}`);
    return exitCode.ok;
  });
}

function checkStore({ store }: Manifest, { store: wanted }: OperatorConfig): void {
  for (const [key, flag] of [
    ['name', '--store-name'],
    ['prefix', '--store-prefix'],
  ] as const)
    if (store[key] !== wanted[key])
      throw new BackupError(`the backup is of the store ${store.name}: give ${flag}=${store[key]}`);
}

/** A store keeps its number of replicas unless another one is given. */
function replicasFor({ store }: Manifest, { store: { replicas }, replicasGiven }: OperatorConfig): number {
  if (replicasGiven || store.replicas === replicas) return replicas;
  const found = `the store in the backup has ${store.replicas.toString()} replicas`;
  throw new BackupError(`${found}: give --store-replicas=${store.replicas.toString()}, or another number`);
}

async function runVerify({ config, report, signal }: Command): Promise<number> {
  return withLog(config, false, async (log) => {
    const { store } = config;
    const { counts, position, findings, foreign } = await verify({
      log,
      store,
      onProgress: report.progress,
      signal,
    });
    report.clear();
    for (const { stream, position: at, reason } of findings.first)
      writeLines(process.stdout, `${at.toString().padStart(10)}  ${stream === '' ? '-' : stream}  ${reason}`);
    const more = findings.count - findings.first.length;
    if (more > 0) writeLines(process.stdout, `and ${more.toString()} more`);
    if (foreign > 0)
      warn(`${counted(foreign, 'message')} in the log: not part of the store, and skipped by readers`);
    const read = `${store.name} up to position ${position.toString()}: ${numbers(counts)}`;
    if (findings.count === 0) writeLines(process.stdout, `verified ${read}; no faults`);
    else writeLines(process.stderr, `sluice: read ${read}; ${counted(findings.count, 'fault')}`);
    return findings.count === 0 ? exitCode.ok : exitCode.found;
  });
}

function contents({ store, position, counts }: Manifest): string {
  return `${store.name} up to position ${position.toString()}: ${numbers(counts)}`;
}

function numbers({ events, commits, streams }: Checked['counts']): string {
  return `${counted(events, 'event')} in ${counted(commits, 'commit')} of ${counted(streams, 'stream')}`;
}

async function withLog(
  config: OperatorConfig,
  mayCreate: boolean,
  work: (log: OpenedLog) => Promise<number>,
): Promise<number> {
  const logger = pino({ level: 'silent' });
  const nats = await reachAsOperator(config, logger, mayCreate);
  try {
    const { store, limits } = config;
    const log = await openLog({ nats: nats.options, store, limits, log: logger });
    try {
      return await work(log);
    } finally {
      await log.close();
    }
  } finally {
    await nats.close();
  }
}

function warn(text: string): void {
  writeLines(process.stderr, `sluice: ${text}`);
}

function failed(verb: OperatorVerb, error: unknown): number {
  if (error instanceof Interrupted) return 128 + error.signalNumber;
  const { message, code } = error as NodeJS.ErrnoException;
  if (error instanceof UsageError || error instanceof ConfigError) {
    warn(`${message}\nsee sluice ${verb} --help`);
    return exitCode.usage;
  }
  const isKnown = error instanceof BackupError || error instanceof DataFolderError;
  const reason = code === 'ENOSPC' || code === 'EDQUOT' ? `the disk is full: ${message}` : message;
  warn(isKnown ? message : `${verb} failed: ${reason}`);
  return exitCode.failed;
}

/** Aborts on the first SIGINT or SIGTERM; the second ends the process at once. */
function interrupted(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (name: 'SIGINT' | 'SIGTERM'): void => {
    const number = constants.signals[name];
    if (controller.signal.aborted) process.exit(128 + number);
    controller.abort(new Interrupted(number));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}
