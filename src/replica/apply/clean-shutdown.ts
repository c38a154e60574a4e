import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { indexPath } from '../index/index-files';
import { syncPath } from '../segments/sync-path';

/** A file that exists if all files of the replica were synced when it was closed; it contains the size of the index. */
const markName = 'clean';

/** How a replica was closed the last time. */
export type ShutdownState =
  /** Not at all, or not completely. */
  | 'unclean'
  | 'clean'
  /** Completely, but its index was larger than it is now. */
  | 'truncated';

export async function readShutdownState(folder: string): Promise<ShutdownState> {
  const text = await readFile(join(folder, markName), 'utf8').catch(() => undefined);
  if (text === undefined) return 'unclean';
  return (await indexBytes(folder)) < Number(text) ? 'truncated' : 'clean';
}

/** To call before the files are written. */
export async function removeCleanShutdownMark(folder: string): Promise<void> {
  await rm(join(folder, markName), { force: true });
  await syncPath(folder);
}

/** To call after all files are synced. */
export async function writeCleanShutdownMark(folder: string): Promise<void> {
  const path = join(folder, markName);
  await writeFile(path, (await indexBytes(folder)).toString(), { mode: 0o600 });
  await syncPath(path);
  await syncPath(folder);
}

function indexBytes(folder: string): Promise<number> {
  return stat(indexPath(join(folder, 'index'))).then(
    ({ size }) => size,
    () => 0,
  );
}
