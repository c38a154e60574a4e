import { closeSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** LMDB's data file in the folder of an index. */
export function indexPath(folder: string): string {
  return join(folder, 'data.mdb');
}

/** LMDB's lock file in the folder of an index. */
export function lockPath(folder: string): string {
  return join(folder, 'lock.mdb');
}

/** More than LMDB has in its lock file: 64 bytes for each of 126 readers, and a header. */
const lockBytes = 64 << 10;

/**
 * Fills LMDB's lock file with bytes. LMDB maps the file into memory as a sparse file: on a full disk, a write to it would end
 * the process (SIGBUS). To fill the file gives an ordinary error instead.
 */
export function fillLockFile(folder: string): void {
  const path = lockPath(folder);
  const blocks = statSync(path, { throwIfNoEntry: false })?.blocks ?? 0;
  if (blocks * 512 >= lockBytes) return;
  const file = openSync(path, 'w', 0o600);
  try {
    // LMDB initialises the file, whatever it contains.
    for (let left = lockBytes; left > 0;) left -= writeSync(file, Buffer.alloc(left));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
