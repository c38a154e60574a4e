import { execFileSync } from 'node:child_process';

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', pid.toString()]).toString()) * 1_024;
}
