import { execFileSync } from 'node:child_process';
import { testWorkers } from './one-process';
import { workersOf } from './worker-processes';

/** Resident memory of a gateway, with its workers, in bytes. */
export function residentBytes(pid: number): number {
  const pids = testWorkers === undefined ? [pid] : [pid, ...workersOf(pid)];
  const lines = execFileSync('ps', ['-o', 'rss=', '-p', pids.join()]).toString().trim().split('\n');
  return lines.reduce((sum, line) => sum + Number(line) * 1_024, 0);
}
