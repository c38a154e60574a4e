import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Commands of the documentation, run as they stand there. */

/** A command of the shell under way. */
export interface RunningExample {
  /** What it has printed so far, on stdout and stderr, in the order in which it came. */
  printed(): string;
  /** Whether it has ended. */
  ended(): boolean;
  /** Waits for its end, and gives all that it printed. */
  output(): Promise<string>;
  /** As Ctrl-C does. */
  interrupt(): void;
}

/** Starts a command with programs under names of the documentation's, which come before those of the PATH. */
export function startExample(
  command: string,
  programs: string,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): RunningExample {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const path = `${programs}${delimiter}${process.env['PATH'] ?? ''}`;
  const child: ChildProcess = spawn('sh', ['-c', command], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    // A group of its own, so that a whole pipe can be interrupted.
    detached: true,
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  }
  let isEnded = false;
  const closed = once(child, 'close').then(() => (isEnded = true));
  return {
    printed: () => printed,
    ended: () => isEnded,
    async output() {
      await closed;
      return printed;
    },
    interrupt() {
      if (child.pid !== undefined && !isEnded) process.kill(-child.pid, 'SIGINT');
    },
  };
}

/** A folder with programs under the names that the documentation calls them by. */
export function programFolder(parent: string, programs: Readonly<Record<string, string>>): string {
  const folder = join(parent, 'programs');
  mkdirSync(folder);
  for (const [name, path] of Object.entries(programs)) symlinkSync(path, join(folder, name));
  return folder;
}

/** What differs from run to run is blotted out: ids that the store makes, times, versions and sizes at NATS. */
export function normal(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<time>"')
    .replace(/"natsVersion": "[^"]+"/g, '"natsVersion": "<version>"')
    .replace(/nats-server \d+\.\d+\.\d+/g, 'nats-server <version>')
    .replace(/"bytes": "\d+"/g, '"bytes": "<bytes>"')
    .replace(/\s+/g, ' ')
    .trim();
}

/**
 * What was printed in the form of what is shown: normal, and with three dots in the place of what a line of three dots
 * in `shown` leaves out. The two are then equal if the page is true.
 */
export function asShown(printed: string, shown: string): { printed: string; shown: string } {
  const text = normal(printed);
  const parts = shown.split(/^ *\.\.\.$/m).map(normal);
  const [first = '', ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return { printed: text, shown: first };
  let at = text.startsWith(first) ? first.length : -1;
  for (const part of rest) {
    const found = at < 0 ? -1 : text.indexOf(part, at);
    at = found < 0 ? -1 : found + part.length;
  }
  const isTrue = at >= 0 && text.endsWith(last) && text.length - last.length >= at;
  const joined = parts.join(' ... ');
  return { printed: isTrue ? joined : text, shown: joined };
}
