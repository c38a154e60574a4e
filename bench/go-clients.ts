import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import type { Clients } from './clients';
import { newHistogram, toSlot, type Slot } from './statistics';

const run = promisify(execFile);
const buildTimeoutMs = 600_000;

/** Whether the load process in Go can be built here; if not, it reports that the table is left out. */
export function hasGo(title: string, progress: (line: string) => void): Promise<boolean> {
  return run('go', ['version']).then(
    () => true,
    () => {
      progress(`${title}: left out, because Go is not installed`);
      return false;
    },
  );
}

/** The response of the load process in Go to a job. */
type Answer = { readonly error: string } | GoReport;
interface GoReport {
  /** The times of all calls in microseconds. */
  readonly times: readonly number[];
  readonly startedMs: number;
  readonly endedMs: number;
  /** Only from bench/go/load. */
  readonly cpuMs?: number;
}

export interface GoSlot extends Slot {
  /** The CPU time of the load process in milliseconds; NaN if it does not say. */
  readonly cpuMs: number;
}

export interface GoClients extends Clients {
  run(job: Parameters<Clients['run']>[0]): Promise<GoSlot>;
}

/** One load process, bench/go, with this many channels to a gateway. */
export async function startGoClients(channels: number, address: string): Promise<GoClients> {
  const programs = await buildGo();
  const load = startGoLoad(join(programs.folder, 'load'), [address, String(channels)]);
  return {
    run({ callers, ...job }) {
      const to = job.operation.kind === 'flood' ? job.operation.callers : callers;
      return load.run({ ...job, callers: { from: 0, to } });
    },
    async [Symbol.asyncDispose]() {
      await load[Symbol.asyncDispose]();
      await programs[Symbol.asyncDispose]();
    },
  };
}

/** A process that takes jobs as lines of JSON. */
export interface GoLoad extends AsyncDisposable {
  run(job: object): Promise<GoSlot>;
}

export function startGoLoad(program: string, args: readonly string[]): GoLoad {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error('the load process in Go has ended');
      const answer = JSON.parse(line.value) as Answer;
      if ('error' in answer) throw new Error(`${JSON.stringify(job)} from Go: ${answer.error}`);
      const histogram = newHistogram();
      for (const time of answer.times) histogram.recordValue(time);
      const slot = toSlot([{ ...answer, histogram: encodeIntoCompressedBase64(histogram) }]);
      return { ...slot, cpuMs: answer.cpuMs ?? NaN };
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}

/** The programs of bench/go, `load` and `peers`, in a folder that is removed at the end. Their stubs are those of clients/go. */
export async function buildGo(): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-go-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await build(folder);
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder: join(folder, 'bench', 'go', 'bin'), [Symbol.asyncDispose]: remove };
}

async function build(folder: string): Promise<void> {
  const root = projectFolder();
  const programs = join(folder, 'bench', 'go');
  await cp(join(root, 'bench', 'go'), programs, { recursive: true });
  await cp(join(root, 'clients', 'go'), join(folder, 'clients', 'go'), { recursive: true });
  const path = [join(root, 'node_modules', '.bin'), process.env['PATH']].join(delimiter);
  const options = { cwd: programs, timeout: buildTimeoutMs, env: { ...process.env, PATH: path } };
  await run('buf', ['generate', '--template', 'buf.gen.umadb.yaml'], options);
  await run('go', ['build', '-o', 'bin/', './...'], options);
}

/** The folder of the project, wherever this file is compiled to. */
function projectFolder(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'buf.yaml'))) {
    if (folder === dirname(folder)) throw new Error('bench/go does not exist');
    folder = dirname(folder);
  }
  return folder;
}
