import type { Json } from '../../conformance/json-files';
import { startLineProcess } from '../../conformance/line-process';

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

interface State {
  readonly reports: Report[];
  end?: CommandEnd;
}

interface FirstLine {
  readonly driver: string;
  readonly lacks?: readonly string[];
}

interface Line {
  readonly id: number;
  readonly event?: Json;
  readonly note?: string;
  readonly result?: Json;
  readonly error?: Json;
}

export async function startDriver(
  command: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<Driver> {
  const states = new Map<number, State>();
  const onLine = (line: Json): void => {
    const { id, event, note, result, error } = line as unknown as Line;
    const state = states.get(id);
    if (state === undefined) return;
    if (event !== undefined) state.reports.push({ event });
    if (note !== undefined) state.reports.push({ note });
    if (result !== undefined) state.end = { result };
    if (error !== undefined) state.end = { error };
  };
  const program = await startLineProcess(command, { env, waitMs, onLine });
  const { driver: versions, lacks = [] } = program.first as unknown as FirstLine;
  return {
    versions,
    lacks,
    get errors() {
      return program.errors;
    },
    begin(fields) {
      const id = states.size + 1;
      const state: State = { reports: [] };
      states.set(id, state);
      program.say({ id, ...fields });
      return {
        id,
        reports: state.reports,
        get end() {
          return state.end;
        },
        until: (holds) => program.until(holds),
      };
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
