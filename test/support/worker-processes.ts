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

/** Kills a worker, and waits until another one is in its place. */
export async function replaceWorker(gateway: number, worker: number): Promise<void> {
  const count = workersOf(gateway).length;
  process.kill(worker, 'SIGKILL');
  await until(() => !isAlive(worker), 10_000);
  await until(() => workersOf(gateway).length === count, 60_000);
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
