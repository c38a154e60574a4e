import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { patience } from '../test/support/patience';
import type { Json } from './json-files';

/** A program that gets lines of JSON and writes lines of JSON. It ends with its input, and so with this process. */
export interface LineProcess extends AsyncDisposable {
  /** Its first line. */
  readonly first: Json;
  /** The last lines of its stderr. */
  readonly errors: string;
  say(line: Json): void;
  /** Waits until something holds after a line. Throws if that takes too long, or the program is gone. */
  until(holds: () => boolean): Promise<void>;
}

/** What a program is started with, beside the variables of this process that are not settings of gateways. */
export interface LineProcessOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** How long it may take to start, and anything that is waited for; on a slow machine longer, see patience.ts. */
  readonly waitMs: number;
  /** Gets each line but the first. */
  readonly onLine: (line: Json) => void;
}

const stopMs = 5_000;

/** Starts a program, and waits for its first line. */
export async function startLineProcess(
  command: readonly string[],
  { env = {}, waitMs, onLine }: LineProcessOptions,
): Promise<LineProcess> {
  const [file = '', ...args] = command;
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const child = spawn(file, args, {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = new EventEmitter().setMaxListeners(0);
  let first: Json | undefined;
  let errors = '';
  let gone: string | undefined;
  child.stdin.on('error', () => undefined);
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4_000)));
  child.on('error', (error) => (gone = error.message));
  const closed = new Promise<void>((resolve) => {
    child.on('close', (code, signal) => {
      gone ??= `it ended with ${String(code ?? signal)}: ${errors}`;
      output.emit('line');
      resolve();
    });
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Json;
    if (first === undefined) first = line;
    else onLine(line);
    output.emit('line');
  });
  const until = async (holds: () => boolean): Promise<void> => {
    const signal = AbortSignal.timeout(waitMs * patience);
    while (!holds()) {
      if (gone !== undefined) throw new Error(`${file} is gone: ${gone}`);
      await once(output, 'line', { signal }).catch((error: unknown) => {
        throw new Error(`waited for ${waitMs * patience} ms in vain: ${errors}`, { cause: error });
      });
    }
  };
  const stop = async (): Promise<void> => {
    child.stdin.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await closed;
    clearTimeout(timer);
  };
  try {
    await until(() => first !== undefined);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    first: first ?? null,
    get errors() {
      return errors;
    },
    say: (line) => void child.stdin.write(`${JSON.stringify(line)}\n`),
    until,
    [Symbol.asyncDispose]: stop,
  };
}
