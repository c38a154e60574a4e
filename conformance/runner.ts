import type { Json } from './json-files';
import { startLineProcess } from './line-process';

/** A program that makes calls to one gateway in its language, as README.md says. It ends with this process. */
export interface Runner extends AsyncDisposable {
  /** What it is made with, in its own words. */
  readonly versions: string;
  open(call: RunnerRequest): RunnerCall;
}

/** A call to begin. */
export interface RunnerRequest {
  readonly method: string;
  readonly deadlineMs: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Absent: its messages follow by `send`. */
  readonly request?: Json;
}

/** A call as the runner reports it. */
export interface RunnerCall {
  readonly messages: readonly Json[];
  /** undefined while it is under way. */
  readonly end: CallEnd | undefined;
  send(request: Json): void;
  halfClose(): void;
  cancel(): void;
  /** Waits until something holds for the call. Throws if that takes too long, or the runner is gone. */
  until(holds: () => boolean): Promise<void>;
}

export interface CallEnd {
  /** The name of the status. */
  readonly status: string;
  /** Its message. */
  readonly text: string;
  readonly details: readonly Json[];
}

/** How long a runner may take to start, and a call to do what is waited for. */
const waitMs = 30_000;

interface State {
  readonly messages: Json[];
  end?: CallEnd;
}

type Line = Partial<CallEnd> & { readonly call?: number; readonly message?: Json };

/** Starts a program for the gateway at host:port. */
export async function startRunner(command: readonly string[], address: string): Promise<Runner> {
  const calls: State[] = [];
  const onLine = (line: Json): void => {
    const { call = -1, message, status, text = '', details = [] } = line as Line;
    const state = calls[call];
    if (message !== undefined) state?.messages.push(message);
    if (state !== undefined && status !== undefined) state.end = { status, text, details };
  };
  const program = await startLineProcess([...command, address], { waitMs, onLine });
  return {
    versions: (program.first as { readonly runner: string }).runner,
    open(request) {
      const call = calls.length;
      const state: State = { messages: [] };
      calls.push(state);
      program.say({ call, ...request });
      return {
        messages: state.messages,
        get end() {
          return state.end;
        },
        send: (message) => {
          program.say({ call, send: message });
        },
        halfClose: () => {
          program.say({ call, halfClose: true });
        },
        cancel: () => {
          program.say({ call, cancel: true });
        },
        until: (holds) => program.until(holds),
      };
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
