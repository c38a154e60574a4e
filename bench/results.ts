import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { natsServerPath } from '../test/support/tools';

/** `npm run` runs the benchmarks in the folder of the project. */
const file = join('bench', 'RESULTS.md');
/** The first line of the part that `npm run bench:peers` writes; it is the last part. */
export const peersTitle = '# Beside peers';

/** Replaces the part that `npm run bench` writes. */
export function writeTables(text: string): void {
  writeResults(text, partsOfFile().peers);
}

/** Replaces the part that `npm run bench:peers` writes. */
export function writePeers(text: string): void {
  writeResults(partsOfFile().tables, text);
}

function writeResults(...parts: readonly string[]): void {
  const filled = parts.map((part) => part.trim()).filter((part) => part !== '');
  writeFileSync(file, `${filled.join('\n\n')}\n`);
}

function partsOfFile(): { readonly tables: string; readonly peers: string } {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const at = text.startsWith(peersTitle) ? 0 : text.indexOf(`\n${peersTitle}\n`);
  return at < 0 ? { tables: text, peers: '' } : { tables: text.slice(0, at), peers: text.slice(at) };
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
