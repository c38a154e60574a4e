import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './nats-server';

/** A gateway that was started by a command, as operators do. */
export interface InstalledGateway extends AsyncDisposable {
  /** Waits until it serves, and gives host:port. */
  serving(): Promise<string>;
  /** Everything that it has written. */
  output(): string;
  /** Sends SIGTERM, waits for the end, and gives the exit code; null if the signal itself ended what was started. */
  terminated(): Promise<number | null>;
}

/** Starts a command with these variables, and those of the tests without the ones of Sluice. */
export function startInstalled(
  [program, ...args]: readonly [string, ...string[]],
  variables: Readonly<Record<string, string>>,
  cwd?: string,
): InstalledGateway {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const env = { ...Object.fromEntries(inherited), ...variables };
  const child = spawn(program, args, { env, cwd, detached: true });
  const ended = once(child, 'exit');
  const closed = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const address = (): string | undefined => /serves gRPC on (\S+) /.exec(output)?.[1];
  const terminated = async (): Promise<number | null> => {
    child.kill();
    await ended;
    return child.exitCode;
  };
  return {
    async serving() {
      await until(() => {
        if (child.exitCode !== null) throw new Error(`the gateway ended:\n${output}`);
        return address() !== undefined;
      }, 60_000);
      return address() as string;
    },
    output: () => output,
    terminated,
    async [Symbol.asyncDispose]() {
      await terminated();
      endGroup(child.pid as number);
      await closed;
    },
  };
}

/** Ends what a command that has ended left behind. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
