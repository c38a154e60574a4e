import { closeSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** More than LMDB has in its lock file: 64 bytes for each of 126 readers, and a header. */
const lockBytes = 64 << 10;

/** The file of an index in its folder. */
export function indexPath(folder: string): string {
  return join(folder, 'data.mdb');
}

/** The lock file of an index in its folder. */
export function lockPath(folder: string): string {
  return join(folder, 'lock.mdb');
}

/**
 * LMDB maps its lock file into memory and leaves it full of holes: on a full disk that would end the process (SIGBUS). With bytes
 * in it there is an ordinary error instead.
 */
export function fillLockFile(folder: string): void {
  const path = lockPath(folder);
  const blocks = statSync(path, { throwIfNoEntry: false })?.blocks ?? 0;
  if (blocks * 512 >= lockBytes) return;
  const file = openSync(path, 'w', 0o600);
  try {
    // LMDB makes it its own, whatever is in it.
    for (let left = lockBytes; left > 0;) left -= writeSync(file, Buffer.alloc(left));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
