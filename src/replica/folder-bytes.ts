import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The disk space of all files in a folder and its subfolders, in bytes. */
export async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch((): string[] => []);
  const sizes = entries.map((entry) =>
    stat(join(folder, entry)).then(
      ({ blocks }) => blocks * 512,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
