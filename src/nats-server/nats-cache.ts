import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, isAbsolute, join } from 'node:path';

/** Older temporary folders in the cache were left by processes that died. */
const makingMaxMs = 24 * 3_600_000;
const makingPrefix = 'making-';

/** The folder where Sluice keeps programs that it fetched, after the XDG base directories. */
export function defaultCacheDir(env: Readonly<Record<string, string | undefined>>): string {
  const { XDG_CACHE_HOME: cache, HOME: home } = env;
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'sluice');
  return join(home !== undefined && isAbsolute(home) ? home : homedir(), '.cache', 'sluice');
}

/** Throws the error of the system unless files can be made in the folder; makes it if it is not there. */
export async function checkCacheDir(cacheDir: string): Promise<void> {
  await mkdir(cacheDir, { recursive: true });
  await rm(await mkdtemp(join(cacheDir, makingPrefix)), { recursive: true });
}

/**
 * Has a file made in a folder of its own and moves it into the cache under its name in one step, so that nobody meets
 * half a file. Its SHA-256 stands beside it, see `checkSum`. Processes that do so at the same time leave one of their
 * files. Resolves with its path.
 */
export async function intoCache(
  cacheDir: string,
  make: (folder: string) => Promise<{ readonly made: string; readonly name: string }>,
): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  await removeLeftovers(cacheDir);
  const folder = await mkdtemp(join(cacheDir, makingPrefix));
  try {
    const { made, name } = await make(folder);
    const path = join(cacheDir, name);
    await writeSum(path, await sha256Of(made));
    await rename(made, path);
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Throws if a file of the cache is not what was kept there: its SHA-256 is another than the file beside it says. A file
 * that somebody copied there has none; then its sum is written now.
 */
export async function checkSum(path: string): Promise<void> {
  const found = await sha256Of(path);
  const text = await readFile(sumFile(path), 'utf8').catch(() => undefined);
  if (text === undefined) {
    // A cache that cannot be written is still good to read.
    await writeSum(path, found).catch(() => undefined);
    return;
  }
  const [kept = ''] = text.split(' ', 1);
  if (found === kept) return;
  const ifMeant = `if that was meant, remove ${sumFile(path)}`;
  throw new Error(`${path} was changed: its SHA-256 is ${found}, not ${kept}; ${ifMeant}`);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

function sumFile(path: string): string {
  return `${path}.sha256`;
}

/** In the form that `sha256sum -c` reads. */
async function writeSum(path: string, sum: string): Promise<void> {
  const next = `${sumFile(path)}.${randomUUID()}`;
  await writeFile(next, `${sum}  ${basename(path)}\n`);
  await rename(next, sumFile(path));
}

async function removeLeftovers(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith(makingPrefix)) continue;
    const path = join(cacheDir, name);
    const changedMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (Date.now() - changedMs < makingMaxMs) continue;
    // Another user's is not ours to remove, and no reason to fail.
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
