import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Json } from '../../conformance/case-file';

/** A program that calls a client in its language, as README.md says. It ends with this process. */
export interface Driver extends AsyncDisposable {
  /** What it is made with, in its own words. */
  readonly versions: string;
  /** Commands that its client does not have. */
  readonly lacks: readonly string[];
  begin(command: JsonObject): Command;
  /** The last lines of its stderr. */
  readonly errors: string;
}

export type JsonObject = Readonly<Record<string, Json>>;

/** A command that has begun. */
export interface Command {
  readonly id: number;
  /** What it reported until now: events and notes, in order. */
  readonly reports: readonly Report[];
  /** undefined while it is under way. */
  readonly end: CommandEnd | undefined;
  /** Waits until something holds. Throws if that takes too long, or the driver is gone. */
  until(holds: () => boolean): Promise<void>;
}

export type Report = { readonly event: Json } | { readonly note: string };
export type CommandEnd = { readonly result: Json } | { readonly error: Json };

/** How long a driver may take to start, and a command to do what is waited for. */
const waitMs = 40_000;
const stopMs = 5_000;

interface State {
  readonly reports: Report[];
  end?: CommandEnd;
}

type Line = { readonly id?: number; readonly driver?: string; readonly lacks?: readonly string[] } & Partial<
  Record<'event' | 'result' | 'error', Json> & { note: string }
>;

export async function startDriver(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Driver> {
  const [file = '', ...args] = command;
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const child = spawn(file, args, {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = new EventEmitter().setMaxListeners(0);
  const states = new Map<number, State>();
  let first: Line | undefined;
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
    const line = JSON.parse(text) as Line;
    first ??= line;
    const state = states.get(line.id ?? -1);
    if (line.event !== undefined) state?.reports.push({ event: line.event });
    if (line.note !== undefined) state?.reports.push({ note: line.note });
    if (state !== undefined && line.result !== undefined) state.end = { result: line.result };
    if (state !== undefined && line.error !== undefined) state.end = { error: line.error };
    output.emit('line');
  });
  const until = async (holds: () => boolean): Promise<void> => {
    const signal = AbortSignal.timeout(waitMs);
    while (!holds()) {
      if (gone !== undefined) throw new Error(`the driver is gone: ${gone}`);
      await once(output, 'line', { signal }).catch((error: unknown) => {
        throw new Error(`waited for ${waitMs} ms in vain`, { cause: error });
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
    versions: first?.driver ?? '',
    lacks: first?.lacks ?? [],
    get errors() {
      return errors;
    },
    begin(fields) {
      const id = states.size + 1;
      const state: State = { reports: [] };
      states.set(id, state);
      child.stdin.write(`${JSON.stringify({ id, ...fields })}\n`);
      return {
        id,
        reports: state.reports,
        get end() {
          return state.end;
        },
        until,
      };
    },
    [Symbol.asyncDispose]: stop,
  };
}
