import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { transformFile, type Options } from '@swc/core';
import { nodeFlags } from './node-flags';

const run = promisify(execFile);
const root = join(__dirname, '..', '..');
/** Under node_modules, so that the build finds its packages; git, jest and prettier ignore it. */
const folder = join(root, 'node_modules', '.cache', 'sluice-build');
const buildTimeoutMs = 120_000;
const keptMs = 24 * 3_600_000;

/**
 * The path of main.js, compiled from the present sources, once for all workers and runs: the name of the folder is a hash of the
 * sources. Types are not checked; `npm run typecheck` does that.
 */
export function buildOnce(): Promise<string> {
  return buildInto(join(folder, hashOfSources()), (making) => compile(root, making), prepareStart);
}

/** Required before main.js, makes it start in less processor time. */
export const fastStart = join(__dirname, 'fast-start.cjs');

/** Compiles what main.js loads for its commands ahead. */
async function prepareStart(main: string): Promise<void> {
  const commands = ['serve/serve.js', 'replica-command.js', 'operator/command.js', 'cli/run.js'];
  await run(process.execPath, [...nodeFlags, fastStart, main, ...commands]);
}

/** The version before: the commit of the newest release, and until there is one, a commit that stores in the same formats. */
export const before = '4f75af3aa001886e7e89f93df724a132d6bc56a3';

/** Whether the clone has a commit. */
export function hasCommit(commit: string): boolean {
  try {
    execFileSync('git', ['-C', root, 'cat-file', '-e', `${commit}^{commit}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The same as `buildOnce` for the sources of a commit, with the present packages. */
export function buildOf(commit: string): Promise<string> {
  return buildInto(join(folder, commit), async (making) => {
    const sources = await mkdtemp(join(folder, 'sources-'));
    try {
      const archive = join(sources, 'sources.tar');
      const parts = ['src', 'generated'];
      await run('git', ['-C', root, 'archive', '--output', archive, commit, ...parts]);
      await run('tar', ['-xf', archive, '-C', sources]);
      await compile(sources, making);
    } finally {
      await rm(sources, { recursive: true });
    }
  });
}

async function buildInto(
  target: string,
  build: (making: string) => Promise<void>,
  prepare: (main: string) => Promise<void> = () => Promise.resolve(),
): Promise<string> {
  const main = join(target, 'src', 'main.js');
  await mkdir(folder, { recursive: true });
  const giveUpMs = Date.now() + 2 * buildTimeoutMs;
  while (!existsSync(main)) {
    if (Date.now() > giveUpMs) throw new Error(`nobody finished the build of ${target}`);
    if (await takeLock(`${target}.lock`))
      await buildOne(target, build)
        .then(() => prepare(main))
        .finally(() => rm(`${target}.lock`, { recursive: true }));
    else await sleep(100);
  }
  return main;
}

/** Compiles into a temporary folder and renames that, so that no process finds half a build. */
async function buildOne(target: string, build: (making: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return;
  await removeOld();
  const making = await mkdtemp(join(folder, 'making-'));
  await build(making);
  await rename(making, target);
}

/** File by file, in a tenth of the time of `tsc`, which the package is built with. */
async function compile(sources: string, making: string): Promise<void> {
  const options: Options = {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    // Node.js must find the names of exports for `import()`.
    module: { type: 'commonjs', ignoreDynamic: true, exportInteropAnnotation: true },
    swcrc: false,
  };
  for (const file of sourceFiles(sources)) {
    const { code } = await transformFile(join(sources, file), options);
    const made = join(making, file.replace(/\.ts$/, '.js'));
    await mkdir(dirname(made), { recursive: true });
    await writeFile(made, code);
  }
}

/** Whether this process has the lock now. The lock of a dead process is removed. */
async function takeLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
    return true;
  } catch {
    const ageMs = await stat(lock)
      .then(({ mtimeMs }) => Date.now() - mtimeMs)
      .catch(() => 0);
    if (ageMs > buildTimeoutMs + 5_000) await rm(lock, { recursive: true, force: true });
    return false;
  }
}

async function removeOld(): Promise<void> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const changedMs = await stat(path)
      .then(({ mtimeMs }) => mtimeMs)
      .catch(() => Infinity);
    if (Date.now() - changedMs > keptMs) await rm(path, { recursive: true, force: true });
  }
}

function hashOfSources(): string {
  const hash = createHash('sha256');
  for (const file of sourceFiles(root)) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

function sourceFiles(folder: string): string[] {
  return ['src', 'generated']
    .flatMap((name) =>
      readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' }).map((file) => join(name, file)),
    )
    .filter((name) => name.endsWith('.ts'))
    .sort();
}
