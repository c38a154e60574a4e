import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildOnce, fastStart } from '../support/build';
import { until } from '../support/nats-server';
import { nodeFlags } from '../support/node-flags';
import { processes, testWorkers } from '../support/one-process';
import { makeReplicaDir } from '../support/replica-dir';

/** The gateway as users run it: a process of the compiled main.js. */
export interface SluiceProcess extends AsyncDisposable {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Waits until it listens, and returns host:port. Fails if it ends before. */
  serving(): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  /** From now on nobody reads what it writes to stderr, as with a log collector that hangs. */
  pauseStderr(): void;
  resumeStderr(): void;
  /** From now on it cannot write to stderr, as on a terminal that was closed. */
  closeStderr(): void;
  /** Waits for its end; resolves with the exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals>;
}

/** Gateways of an existing NATS would share a folder by default. */
function replicaOf(args: readonly string[]): Readonly<Record<string, string>> {
  const isGateway = args.some((arg) => arg.startsWith('--nats-url'));
  return isGateway ? { SLUICE_REPLICA_DIR: makeReplicaDir() } : {};
}

/** A build of before there was HTTP does not know the variable. */
function withoutHttp(main: string): Readonly<Record<string, string>> {
  return existsSync(join(dirname(main), 'http')) ? { SLUICE_HTTP_LISTEN: 'off' } : {};
}

/** The same for a build of before there were workers. */
function withWorkers(main: string): Readonly<Record<string, string>> {
  const knows = existsSync(join(dirname(main), 'workers'));
  return knows && testWorkers !== undefined ? { SLUICE_WORKERS: testWorkers } : {};
}

export interface ProcessOptions {
  readonly openFilesMax?: number | undefined;
  /** The path of main.js. Default: compiled from the present sources. */
  readonly main?: string | undefined;
}

/**
 * Starts main.js with these flags, variables and standard input, without the SLUICE_ variables of the tests. Without HTTP unless that
 * is asked for: gateways side by side would want the same port.
 */
export async function startSluice(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string | Uint8Array,
  { openFilesMax, main: built }: ProcessOptions = {},
): Promise<SluiceProcess> {
  const main = built ?? (await buildOnce());
  const command = [process.execPath, ...nodeFlags, `--require=${fastStart}`, main, ...args] as const;
  // The limit of the shell holds for the process that replaces it.
  const limited = ['-c', `ulimit -n ${openFilesMax ?? ''} && exec "$0" "$@"`, ...command];
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const [program, ...programArgs] = openFilesMax === undefined ? command : (['sh', ...limited] as const);
  const child = spawn(program, programArgs, {
    env: {
      ...Object.fromEntries(inherited),
      ...withoutHttp(main),
      ...withWorkers(main),
      ...replicaOf(args),
      ...env,
    },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  await once(child, 'spawn');
  child.stdin?.on('error', () => undefined).end(input); // it may end without reading all
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  let result: number | NodeJS.Signals | undefined;
  const closed = once(child, 'close').then(([code, signal]) => {
    result = (code ?? signal) as number | NodeJS.Signals;
    return result;
  });
  return {
    pid: child.pid as number,
    stdout: () => stdout,
    stderr: () => stderr,
    async serving() {
      const address = (): string | undefined => /serves gRPC on (\S+) /.exec(stdout)?.[1];
      await until(() => result !== undefined || address() !== undefined, 60_000 * processes);
      const found = address();
      if (found === undefined) throw new Error(`sluice ended with ${String(result)}:\n${stderr}`);
      return found;
    },
    signal: (signal) => void child.kill(signal),
    pauseStderr: () => void child.stderr?.pause(),
    resumeStderr: () => void child.stderr?.resume(),
    closeStderr: () => void child.stderr?.destroy(),
    ended: () => closed,
    async [Symbol.asyncDispose]() {
      // SIGTERM first, so that it also stops the embedded nats-server.
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        if (result === undefined) child.kill(signal);
        await until(() => result !== undefined, 15_000).catch(() => undefined);
      }
    },
  };
}

/** Runs main.js to its end. */
export async function runSluice(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string | Uint8Array,
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  await using sluice = await startSluice(args, env, input);
  const code = await sluice.ended();
  return { code, stdout: sluice.stdout(), stderr: sluice.stderr() };
}

/** Runs a gateway that must refuse to start. Fails at once if it serves, and leaves nothing behind. */
export async function refusedStart(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  main?: string,
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  await using sluice = await startSluice(args, env, undefined, { main });
  const serves = await sluice.serving().catch(() => undefined);
  if (serves !== undefined) throw new Error(`it serves on ${serves}`);
  return { code: await sluice.ended(), stdout: sluice.stdout(), stderr: sluice.stderr() };
}
