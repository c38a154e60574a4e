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
import { newHistogram, toSlot } from './statistics';

const run = promisify(execFile);
const buildTimeoutMs = 600_000;

/** Whether the load process in Go can be built here; if not, it says that the table is left out. */
export function hasGo(title: string, progress: (line: string) => void): Promise<boolean> {
  return run('go', ['version']).then(
    () => true,
    () => {
      progress(`${title}: left out, since there is no Go here`);
      return false;
    },
  );
}

/** What the load process in Go answers to a job. */
type Answer = { readonly error: string } | GoReport;
interface GoReport {
  /** Of all calls, in microseconds. */
  readonly times: readonly number[];
  readonly startedMs: number;
  readonly endedMs: number;
}

/** One load process, bench/go, with so many channels to a gateway. It is built first, with stubs made from proto/. */
export async function startGoClients(channels: number, address: string): Promise<Clients> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-go-'));
  const stop = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await build(folder);
  } catch (error) {
    await stop();
    throw error;
  }
  const child = spawn(join(folder, 'load'), [address, String(channels)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run({ callers, ...job }) {
      const to = job.operation.kind === 'flood' ? job.operation.callers : callers;
      child.stdin.write(`${JSON.stringify({ ...job, callers: { from: 0, to } })}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error('the load process in Go has ended');
      const answer = JSON.parse(line.value) as Answer;
      if ('error' in answer) throw new Error(`${job.operation.kind} from Go: ${answer.error}`);
      const histogram = newHistogram();
      for (const time of answer.times) histogram.recordValue(time);
      return toSlot([{ ...answer, histogram: encodeIntoCompressedBase64(histogram) }]);
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
      await stop();
    },
  };
}

async function build(folder: string): Promise<void> {
  const root = projectFolder();
  await cp(join(root, 'bench', 'go'), folder, { recursive: true });
  for (const name of ['proto', 'stubs']) await cp(join(root, name), join(folder, name), { recursive: true });
  const path = [join(root, 'node_modules', '.bin'), process.env['PATH']].join(delimiter);
  const options = { cwd: folder, timeout: buildTimeoutMs, env: { ...process.env, PATH: path } };
  await run('buf', ['generate', '--template', join('stubs', 'buf.gen.go.yaml')], options);
  await run('go', ['build', '-o', 'load', '.'], options);
}

/** The folder of the project, wherever in it this is compiled to. */
function projectFolder(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'buf.yaml'))) {
    if (folder === dirname(folder)) throw new Error('bench/go is not there');
    folder = dirname(folder);
  }
  return folder;
}
