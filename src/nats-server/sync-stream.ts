import { closeSync, fdatasync, fsync, openSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { LogFiles } from './block-files';
import { embeddedPaths } from './embedded-config';

/** Each time nats-server has replaced a file meanwhile. */
const attemptsMax = 10;

/**
 * Syncs all files of a small stream of the embedded nats-server, which writes them again when records are replaced. Throws if that
 * fails.
 */
export async function syncStream({ dataDir, stream }: LogFiles): Promise<void> {
  const folder = join(embeddedPaths(dataDir).streams, stream);
  const messages = join(folder, 'msgs');
  for (let attempt = 0; ; attempt++) {
    try {
      const before = filesIn(messages);
      for (const path of [...before.keys()]) await syncWith(fdatasync, path);
      for (const name of ['meta.inf', 'meta.sum']) await syncWith(fdatasync, join(folder, name));
      for (let path = messages; path.length >= dataDir.length; path = dirname(path))
        await syncWith(fsync, path);
      if (isSame(before, filesIn(messages))) return;
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isGone || attempt + 1 === attemptsMax) throw error;
    }
    if (attempt + 1 === attemptsMax) throw new Error(`the files in ${messages} change while they are synced`);
  }
}

/** The files with messages, by path, each with what distinguishes it from another one in its place. */
function filesIn(folder: string): ReadonlyMap<string, number> {
  const paths = readdirSync(folder).flatMap((name) => (name.endsWith('.blk') ? [join(folder, name)] : []));
  return new Map(paths.map((path) => [path, statSync(path).ino]));
}

function isSame(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): boolean {
  return after.size === before.size && [...after].every(([path, ino]) => before.get(path) === ino);
}

async function syncWith(sync: typeof fsync, path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    await promisify(sync)(file);
  } finally {
    closeSync(file);
  }
}
