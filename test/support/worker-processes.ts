import { readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGatewayProcess, type GatewayProcess } from './gateway';
import { until } from './nats-server';

/** A gateway with the embedded nats-server and two workers. */
export async function startWithWorkers(flags: readonly string[] = []): Promise<GatewayProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-workers-'));
  return startGatewayProcess([], ['--workers=2', `--data-dir=${dataDir}`, ...flags]);
}

/** The workers of a gateway process, by their ids. */
export function workersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.map(Number).filter((child) => commandOf(child).includes('worker-main.js'));
}

/** Kills a worker; resolves with the id of the one that is started in its place, which may not serve yet. */
export async function replaceWorker(gateway: number, worker: number): Promise<number> {
  const before = workersOf(gateway);
  process.kill(worker, 'SIGKILL');
  const next = (): number | undefined => workersOf(gateway).find((pid) => !before.includes(pid));
  await until(() => next() !== undefined, 60_000);
  return next() as number;
}

/** Stops them while `run` does: a process that stays stopped would not notice that its primary is gone. */
export async function whilePaused(workers: readonly number[], run: () => Promise<void>): Promise<void> {
  for (const worker of workers) process.kill(worker, 'SIGSTOP');
  await run().finally(() => {
    for (const worker of workers.filter(isAlive)) process.kill(worker, 'SIGCONT');
  });
}

export function isAlive(pid: number): boolean {
  return commandOf(pid) !== '';
}

/** Empty if there is no such process any more. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
