import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ParkEvent, type EventHandler } from '../client/client';
import { toEventJson } from './event-json';
import { CommandError } from './failure';
import type { Sink } from './output';

/** Handles events by processes. */
export interface ExecHandler {
  readonly handle: EventHandler;
  /** Aborted with a CommandError when the shell cannot run the command. */
  readonly failed: AbortSignal;
}

/** EX_DATAERR of sysexits.h: the input is not correct. */
const parkCode = 65;
/** With these a shell says that it cannot run a command, and that there is no such command. */
const cannotRun: readonly (number | null)[] = [126, 127];
/** The end of what a process writes to standard error is searched for its last line. */
const tailBytesMax = 4_096;
const reasonLengthMax = 500;

/** A handler that runs a command in a shell for each event. What that writes to standard error goes to `err`. */
export function execHandler(command: string, err: Sink): ExecHandler {
  const failing = new AbortController();
  const running = new Set<ChildProcess>();
  // A second signal ends this process at once.
  process.on('exit', () => {
    for (const child of running) terminate(child);
  });
  return {
    failed: failing.signal,
    async handle(event, { attempt, redelivered, replayed, signal }) {
      const delivery = { attempt, redelivered, replayed };
      const child = start(command, `${JSON.stringify({ ...toEventJson(event), delivery })}\n`);
      const stop = (): void => {
        terminate(child);
      };
      running.add(child);
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop);
      const { code, by, lastLine } = await ending(child, err);
      signal.removeEventListener('abort', stop);
      running.delete(child);
      if (code === 0) return;
      const end = code === null ? `ended by ${String(by)}` : `exit code ${code}`;
      const reason = lastLine === '' ? end : `${end}: ${lastLine}`;
      if (cannotRun.includes(code)) {
        failing.abort(new CommandError(`--exec cannot be run: ${reason}`));
        throw failing.signal.reason;
      }
      throw code === parkCode ? new ParkEvent(reason) : new Error(reason);
    },
  };
}

/** In a process group, so that Ctrl-C does not reach it, and all that it starts can be ended. */
function start(command: string, input: string): ChildProcess {
  const child = spawn('sh', ['-c', command], { stdio: ['pipe', 'inherit', 'pipe'], detached: true });
  child.stdin.on('error', () => undefined).end(input); // it may end without reading
  return child;
}

function terminate({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended.
  }
}

interface Ending {
  /** null: a signal ended it. */
  readonly code: number | null;
  readonly by: NodeJS.Signals | null;
  /** What it wrote last to standard error, which is passed on. */
  readonly lastLine: string;
}

/** How long the last line may come after the end of a process, whose children may keep the pipe open. */
const lastLineMsMax = 200;

/** Rejects if there is no shell. */
async function ending(child: ChildProcess, err: Sink): Promise<Ending> {
  let tail = Buffer.alloc(0);
  child.stderr?.on('data', (chunk: Buffer) => {
    err.write(chunk);
    tail = Buffer.concat([tail, chunk]).subarray(-tailBytesMax);
  });
  const closed = child.stderr === null ? undefined : once(child.stderr, 'close');
  const [code, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  await Promise.race([closed, sleep(lastLineMsMax)]);
  const lines = tail.toString().trimEnd().split('\n');
  return { code, by, lastLine: (lines.at(-1) ?? '').slice(-reasonLengthMax) };
}
