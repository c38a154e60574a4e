import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { until } from '../support/nats-server';
import { blocks } from './markdown';

/** Commands of the documentation, run as they stand there. */

/** A command of the shell under way. */
interface RunningExample {
  /** What it has printed so far, on stdout and stderr as one. */
  printed(): string;
  /** Whether it has ended. */
  ended(): boolean;
  /** Waits for its end, and gives all that it printed. */
  output(): Promise<string>;
  /** As Ctrl-C does. */
  interrupt(): void;
}

/** Starts a command; `programs` is a folder that comes first on the PATH. */
function startExample(
  command: string,
  programs: string,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): RunningExample {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const path = `${programs}${delimiter}${process.env['PATH'] ?? ''}`;
  const child: ChildProcess = spawn('sh', ['-c', `exec 2>&1\n${command}`], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env, PATH: path },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
    // In a process group, so that a whole pipe can be interrupted.
    detached: true,
  });
  let printed = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text));
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

/** Replaces what differs from run to run: ids that the store and the gateway make, times, checksums, versions, sizes at NATS and of the disk. */
export function normal(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/\b[0-9a-f]{64}\b/g, '<checksum>')
    .replace(/"requestId": "[\w-]+"/g, '"requestId": "<request>"')
    .replace(/"natsVersion": "[^"]+"/g, '"natsVersion": "<version>"')
    .replace(/nats-server \d+\.\d+\.\d+/g, 'nats-server <version>')
    .replace(/"(bytes|bytesMax)": "\d+"/g, '"$1": "<bytes>"')
    .replace(/\b\d+ bytes$/gm, '<bytes> bytes')
    .replace(/\s+/g, ' ')
    .trim();
}

/**
 * What was printed in the form of what is shown: normal, and with three dots instead of what a line of three dots in
 * `shown` omits. The two are equal if the page is true.
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

interface ShownCommand {
  /** The line for the shell. */
  readonly text: string;
  /** What it prints before the next command is run. */
  shown: string;
  /** What it prints after that, while other commands run. */
  later: string;
}

/** The commands of a page with the text below each. Text that follows text is what the command before the last prints later. */
function commandsOf(page: string): ShownCommand[] {
  const commands: ShownCommand[] = [];
  let expectsOutput = false;
  let before = '';
  for (const { language, code } of blocks(page)) {
    const isOfProgram = before === 'ts'; // what an example in TypeScript prints
    before = language;
    if (language === 'sh') commands.push({ text: code, shown: '', later: '' });
    else if (language !== 'text' || isOfProgram) continue;
    else if (expectsOutput) (commands.at(-1) as ShownCommand).shown = code;
    else (commands.at(-2) as ShownCommand).later += code;
    expectsOutput = language === 'sh';
  }
  return commands;
}

/** The address of the gateway in the pages. */
const exampleAddress = '127.0.0.1:50051';

export interface PageOptions {
  /** host:port of a gateway with an empty store. */
  readonly address: string;
  /** See `programFolder`. */
  readonly programs: string;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Applied to what is printed and to what is shown, to remove other differences between runs. */
  readonly even?: (text: string) => string;
}

/** Runs the commands of a page from top to bottom, and compares what they print; gives how many there are. */
export async function checkPage(page: string, options: PageOptions): Promise<number> {
  const { address, programs, cwd, env, even = (text: string) => text } = options;
  const compare = (printed: string, shown: string): ReturnType<typeof asShown> =>
    asShown(even(printed.replaceAll(address, exampleAddress)), even(shown));
  const check = (printed: string, shown: string): void => {
    const result = compare(printed, shown);
    expect(result.printed).toBe(result.shown);
  };
  /** Waits until a command that keeps running has printed this. */
  const untilPrinted = async (example: RunningExample, shown: string): Promise<void> => {
    const isThere = (): boolean => {
      const result = compare(example.printed(), shown);
      return example.ended() || result.printed === result.shown;
    };
    await until(isThere).catch(() => undefined); // the check shows what was printed instead
    check(example.printed(), shown);
  };
  const commands = commandsOf(page);
  const following: [RunningExample, ShownCommand][] = [];
  for (const command of commands) {
    const example = startExample(command.text.replaceAll(exampleAddress, address), programs, cwd, env);
    if (command.later === '') check(await example.output(), command.shown);
    else {
      following.push([example, command]);
      await untilPrinted(example, command.shown);
    }
  }
  for (const [example, { shown, later }] of following) {
    await untilPrinted(example, shown + later);
    example.interrupt();
    await example.output();
  }
  return commands.length;
}
