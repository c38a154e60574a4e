import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Says that all files of a replica were synced when it was closed, and how large its index was; removed when it is opened. */
const markName = 'clean';

/** What a replica was like when it was closed. */
export type CleanMark =
  /** It was not closed. */
  | 'absent'
  | 'clean'
  /** Its index was larger than it is. */
  | 'cut';

/** The files may be written from now on. */
export async function takeCleanMark(folder: string): Promise<CleanMark> {
  const path = join(folder, markName);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return 'absent';
  await rm(path, { force: true });
  await syncPath(folder);
  return (await indexBytes(folder)) < Number(text) ? 'cut' : 'clean';
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

/** The file of an index in its folder. */
export function indexPath(folder: string): string {
  return join(folder, 'data.mdb');
}

/** Puts a file, or the names in a folder, on the disk. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
