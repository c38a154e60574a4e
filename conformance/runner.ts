import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { patience } from '../test/support/patience';
import type { Json } from './case-file';

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
const waitMs = 30_000 * patience;
const stopMs = 5_000;

interface State {
  readonly messages: Json[];
  end?: CallEnd;
}

/** Starts a program for the gateway at host:port. */
export async function startRunner(command: readonly string[], address: string): Promise<Runner> {
  const [file = '', ...args] = command;
  const child = spawn(file, [...args, address], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output = new EventEmitter().setMaxListeners(0);
  const calls: State[] = [];
  let versions: string | undefined;
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
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as Partial<CallEnd> & { runner?: string; call?: number; message?: Json };
    versions ??= said.runner;
    const call = calls[said.call ?? -1];
    if (said.message !== undefined) call?.messages.push(said.message);
    if (call !== undefined && said.status !== undefined)
      call.end = { status: said.status, text: said.text ?? '', details: said.details ?? [] };
    output.emit('line');
  });
  const until = async (holds: () => boolean): Promise<void> => {
    const signal = AbortSignal.timeout(waitMs);
    while (!holds()) {
      if (gone !== undefined) throw new Error(`the runner is gone: ${gone}`);
      await once(output, 'line', { signal }).catch((error: unknown) => {
        throw new Error(`waited for ${waitMs} ms: ${errors}`, { cause: error });
      });
    }
  };
  const say = (command: Json): void => void child.stdin.write(`${JSON.stringify(command)}\n`);
  const stop = async (): Promise<void> => {
    child.stdin.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await closed;
    clearTimeout(timer);
  };
  try {
    await until(() => versions !== undefined);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    versions: versions ?? '',
    open(request) {
      const call = calls.length;
      const state: State = { messages: [] };
      calls.push(state);
      say({ call, ...request });
      return {
        messages: state.messages,
        get end() {
          return state.end;
        },
        send: (message) => {
          say({ call, send: message });
        },
        halfClose: () => {
          say({ call, halfClose: true });
        },
        cancel: () => {
          say({ call, cancel: true });
        },
        until,
      };
    },
    [Symbol.asyncDispose]: stop,
  };
}
