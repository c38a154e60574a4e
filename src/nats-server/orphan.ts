import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Logger } from 'pino';

/** A nats-server of a killed gateway still runs on the data folder and cannot be ended. */
export class OrphanError extends Error {}

const patienceMs = 10_000;
const probeMs = 50;

/**
 * Ends the nats-server that a pid file names, if it provably runs with this configuration file: pids are reused, and the signal
 * must not hit another process. Does nothing if there is no such server. Throws OrphanError.
 */
export async function endOrphan(pidFile: string, configFile: string, log: Logger): Promise<void> {
  const text = await readFile(pidFile, 'utf8').catch(() => '');
  const pid = Number(text.trim());
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!(await runsConfig(pid, configFile))) return;
    log.warn({ pid, signal }, 'ending the nats-server that a killed gateway left behind');
    send(pid, signal);
    const giveUpMs = performance.now() + patienceMs;
    while (performance.now() < giveUpMs && (await runsConfig(pid, configFile))) await sleep(probeMs);
  }
  if (!(await runsConfig(pid, configFile))) return;
  throw new OrphanError(
    `nats-server with pid ${pid.toString()}, which a killed gateway left behind, still runs on ${configFile} ` +
      'and could not be ended: end it, then start again',
  );
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself or belongs to another user; the caller checks whether it still runs.
  }
}

/** Whether a process is a nats-server that was started with exactly this configuration file; false once it is dead. */
async function runsConfig(pid: number, configFile: string): Promise<boolean> {
  if (process.platform === 'linux') {
    const line = await readFile(`/proc/${pid.toString()}/cmdline`, 'utf8').catch(() => '');
    const [, ...args] = line.split('\0');
    return args.join('\0') === `-c\0${configFile}\0`;
  }
  const ps = await promisify(execFile)('ps', ['-ww', '-p', pid.toString(), '-o', 'args=']).catch(
    () => undefined,
  );
  return ps?.stdout.trim().endsWith(` -c ${configFile}`) ?? false;
}
