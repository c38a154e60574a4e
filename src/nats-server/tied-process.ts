import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** A child process that ends with this one, even when this one is killed. */
export interface TiedProcess {
  readonly pid: number | undefined;
  /** Resolves when the process is gone, with how it ended: "exit code 1", "SIGKILL". Never rejects. */
  readonly ended: Promise<string>;
  /** undefined while it runs. */
  readonly end: string | undefined;
  /** Does nothing once the process is gone, so it never meets another process of the same pid. */
  kill(signal: NodeJS.Signals): void;
  /** The last of what it wrote to stderr. */
  stderrTail(): string;
  /** Asks it to end with SIGTERM, and after the time with SIGKILL. Resolves when it is gone. */
  stop(timeoutMs: number): Promise<void>;
}

/**
 * A shell that becomes the program, so that pid and signals are the program's. What it leaves behind waits on a pipe
 * from this process: a line says that the program is gone, the end of the pipe that this process is; then the program
 * is asked to end, and woken in case it is paused.
 */
const shell =
  'exec 3<&0 </dev/null; { read -r line <&3 || { kill -TERM $$; kill -CONT $$; }; } >/dev/null 2>&1 & exec "$0" "$@" 3<&-';
const stderrTailChars = 4_096;

/** Starts a program. It has a session of its own: Ctrl-C in the terminal is for this process to handle. */
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
  // The pipe breaks when the shell's rest ends before us: nothing is lost.
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
