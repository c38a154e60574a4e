import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** A child process that ends with this one, even when this one is killed. */
export interface TiedProcess {
  readonly pid: number | undefined;
  /** Resolves when the process is gone, with how it ended: "exit code 1", "SIGKILL". Never rejects. */
  readonly ended: Promise<string>;
  /** undefined while it runs. */
  readonly end: string | undefined;
  /** Does nothing once the process is gone, so it never hits another process with the same pid. */
  kill(signal: NodeJS.Signals): void;
  /** The end of what it wrote to stderr. */
  stderrTail(): string;
  /** Sends SIGTERM, and SIGKILL after the time. Resolves when the process is gone. */
  stop(timeoutMs: number): Promise<void>;
}

/**
 * A shell that becomes the program, so that pid and signals are the program's. It leaves behind a process that reads a pipe from
 * this process: a line means that the program is gone, the end of the pipe that this process is. Then that process sends the
 * program SIGTERM, and SIGCONT in case it is paused.
 */
const shell =
  'exec 3<&0 </dev/null; { read -r line <&3 || { kill -TERM $$; kill -CONT $$; }; } >/dev/null 2>&1 & exec "$0" "$@" 3<&-';
const stderrTailChars = 4_096;

/** Starts a program in its own session: only this process gets Ctrl-C from the terminal. */
export function spawnTied(path: string, args: readonly string[]): TiedProcess {
  const child = spawn('/bin/sh', ['-c', shell, path, ...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
  });
  let tail = '';
  let end: string | undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-stderrTailChars);
  });
  // The pipe breaks if the process that the shell left behind ends first, which does no harm.
  child.stdin.on('error', () => undefined);
  const ended = whenEnded(child).then((how) => {
    end = how;
    child.stdin.end('\n');
    return how;
  });
  const kill = (signal: NodeJS.Signals): void => {
    if (end === undefined) child.kill(signal);
  };
  return {
    pid: child.pid,
    ended,
    get end() {
      return end;
    },
    kill,
    stderrTail: () => tail.trim(),
    async stop(timeoutMs) {
      kill('SIGTERM');
      const timer = setTimeout(kill, timeoutMs, 'SIGKILL');
      await ended;
      clearTimeout(timer);
    },
  };
}

async function whenEnded(child: ChildProcess): Promise<string> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return signal ?? `exit code ${String(code)}`;
  } catch (error) {
    return String(error);
  }
}
