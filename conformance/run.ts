import { execFile } from 'node:child_process';

/** A build from nothing, with what it fetches, on a machine that has other things to do. */
const timeoutMs = 1_200_000;

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end and gives what it printed. Throws, with the end of its output, if it fails. */
export function run(command: readonly string[], { cwd, env = {} }: RunOptions): Promise<string> {
  const [file = '', ...args] = command;
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64 << 20, timeout: timeoutMs };
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else {
        const output = `${stdout}${stderr}`.trim().slice(-4_000);
        reject(new Error(`${command.join(' ')}: ${output || error.message}`, { cause: error }));
      }
    });
  });
}
