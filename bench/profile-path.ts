import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The file to which a process writes its profile. */
export function profilePath(pid: number): string {
  return join(tmpdir(), `sluice-bench-${pid}.cpuprofile`);
}
