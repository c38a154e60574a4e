import { open } from 'node:fs/promises';

/** Puts a file, or the names in a folder, on the disk. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
