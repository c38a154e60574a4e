import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { natsServerPath } from '../test/support/tools';

/** `npm run` runs the benchmarks in the folder of the project. */
const file = join('bench', 'RESULTS.md');

/** Replaces the part of the file with the same title, a line that begins with "# ", or adds a part. */
export function writePart(text: string): void {
  const title = titleOf(text);
  const parts = partsOfFile();
  const at = parts.findIndex((part) => titleOf(part) === title);
  parts.splice(at < 0 ? parts.length : at, 1, text);
  writeFileSync(file, `${parts.map((part) => part.trim()).join('\n\n')}\n`);
}

function partsOfFile(): string[] {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text.split(/^(?=# )/m).filter((part) => part.trim() !== '');
}

function titleOf(part: string): string {
  return part.trim().split('\n', 1)[0] ?? '';
}

/** Without the variables for finding tools, which gateways would take for settings. */
export function cleanEnvironment(): void {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('SLUICE_')) Reflect.deleteProperty(process.env, name);
  }
}

export function natsVersion(): string {
  const said = execFileSync(natsServerPath(), ['--version']).toString();
  return /\d+\.\d+\.\d+\S*/.exec(said)?.[0] ?? 'of an unknown version';
}
