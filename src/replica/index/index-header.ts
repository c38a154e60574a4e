import { closeSync, openSync, readSync } from 'node:fs';

/** LMDB's magic number, and its offset in the first page of a file (mdb.c, `MDB_MAGIC`). */
const magicAt = 24;
const magic = 0xbeefc0de;
export const headerBytes = magicAt + 4;

/** Whether a file begins as LMDB writes it on a machine like this one. LMDB itself checks less. */
export function isIndex(header: Buffer): boolean {
  if (header.length < headerBytes) return false;
  return new Uint32Array(Uint8Array.from(header.subarray(magicAt, headerBytes)).buffer)[0] === magic;
}

/** The first bytes of a file; undefined: the file does not exist. */
export function readHeaderOf(path: string): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(headerBytes);
    return bytes.subarray(0, readSync(file, bytes, 0, headerBytes, 0));
  } finally {
    closeSync(file);
  }
}
