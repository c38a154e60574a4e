import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, isAbsolute, join } from 'node:path';

/** Temporary folders in the cache that are older were left by dead processes. */
const makingMaxMs = 24 * 3_600_000;
const makingPrefix = 'making-';

/** The folder for programs that Sluice fetches, by the XDG Base Directory Specification. */
export function defaultCacheDir(env: Readonly<Record<string, string | undefined>>): string {
  const { XDG_CACHE_HOME: cache, HOME: home } = env;
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'sluice');
  return join(home !== undefined && isAbsolute(home) ? home : homedir(), '.cache', 'sluice');
}

/** Throws the error of the system unless files can be created in the folder, which is created if it does not exist. */
export async function checkCacheDir(cacheDir: string): Promise<void> {
  await mkdir(cacheDir, { recursive: true });
  await rm(await mkdtemp(join(cacheDir, makingPrefix)), { recursive: true });
}

/**
 * Lets `make` write a file in a temporary folder and renames it into the cache, so that no process finds half a file. Its
 * SHA-256 is stored beside it, see `checkSum`. If several processes do this at the same time, one of their files stays. Resolves
 * with its path.
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
 * Throws if a file of the cache has changed: its SHA-256 is not the one in the file beside it. A file that a person copied there
 * has no such file, which is written now.
 */
export async function checkSum(path: string): Promise<void> {
  const found = await sha256Of(path);
  const text = await readFile(sumFile(path), 'utf8').catch(() => undefined);
  if (text === undefined) {
    // A read-only cache can still be used.
    await writeSum(path, found).catch(() => undefined);
    return;
  }
  const [stored = ''] = text.split(' ', 1);
  if (found === stored) return;
  const remedy = `if the change is intended, remove ${sumFile(path)}`;
  throw new Error(`${path} has changed: its SHA-256 is ${found}, not ${stored}; ${remedy}`);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

function sumFile(path: string): string {
  return `${path}.sha256`;
}

/** In the format of `sha256sum -c`. */
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
    // A folder of another user cannot be removed, which is no reason to fail.
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
