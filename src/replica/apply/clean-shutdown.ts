import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { indexPath } from '../index/index-files';
import { syncPath } from '../segments/sync-path';

/** Says that all files of a replica were synced when it was closed, and how large its index was. */
const markName = 'clean';

/** What a replica was like when it was closed. */
export type CleanMark =
  /** It was not closed. */
  | 'absent'
  | 'clean'
  /** Its index was larger than it is. */
  | 'cut';

export async function cleanMark(folder: string): Promise<CleanMark> {
  const text = await readFile(join(folder, markName), 'utf8').catch(() => undefined);
  if (text === undefined) return 'absent';
  return (await indexBytes(folder)) < Number(text) ? 'cut' : 'clean';
}

/** The files may be written from now on. */
export async function removeCleanMark(folder: string): Promise<void> {
  await rm(join(folder, markName), { force: true });
  await syncPath(folder);
}

export async function leaveCleanMark(folder: string): Promise<void> {
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
