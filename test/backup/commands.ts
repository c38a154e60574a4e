import { join } from 'node:path';
import type { Manifest } from '../../src/backup/manifest';
import { readFileSync } from 'node:fs';
import { runSluice } from '../cli/process';
import { makeReplicaDir } from '../support/replica-dir';

/** A folder that does not exist, for a backup. It is removed when all tests have run. */
export function newFolder(): string {
  return join(makeReplicaDir(), 'backup');
}

export interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command that must succeed; resolves with what it printed. */
export async function succeed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runSluice(args);
  if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

/** Runs a command that must fail with exit code 1; resolves with its message. */
export async function fail(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runSluice(args);
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: expect.any(String) as unknown });
  return stderr.replace(/^sluice: /, '').trimEnd();
}

export function manifestOf(folder: string): Manifest {
  const { manifest } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    manifest: Manifest;
  };
  return manifest;
}
