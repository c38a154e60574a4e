import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { Guard } from '../../src/auth/guard';
import { createGuard } from '../../src/auth/file-guard';

/** A guard by a file in a folder of its own, and what it logs. */
export interface GuardFile extends Disposable {
  readonly folder: string;
  readonly path: string;
  readonly guard: Guard;
  readonly logged: readonly LogLine[];
  write(file: unknown): void;
}

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly generation?: number;
  readonly problems?: readonly string[];
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'sluice-auth-'));
}

/** `lookIntervalMs`: by default an hour, so that only `reload` looks. */
export async function openGuardFile(
  file: unknown,
  { folder = temporaryFolder(), lookIntervalMs = 3_600_000 } = {},
): Promise<GuardFile> {
  const path = join(folder, 'auth.json');
  const write = (content: unknown): void => {
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  };
  if (file !== undefined) write(file);
  const logged: LogLine[] = [];
  const log = pino({}, { write: (line: string) => logged.push(JSON.parse(line) as LogLine) });
  const guard = await createGuard({ file: path, log, lookIntervalMs });
  return {
    folder,
    path,
    guard,
    logged,
    write,
    [Symbol.dispose]() {
      guard.close();
      rmSync(folder, { recursive: true });
    },
  };
}
