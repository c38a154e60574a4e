import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { BackupError } from './backup-error';
import type { Manifest } from './manifest';

export type FileFacts = Manifest['files'][number];

/** A new file of a backup, of which the checksum is computed while it is written. */
export interface HashedFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Syncs and closes it. */
  finish(): Promise<FileFacts>;
  /** Closes it without a result. */
  close(): Promise<void>;
}

/** Creates a file that only this user can read. Throws if it exists. */
export async function createHashedFile(folder: string, name: string): Promise<HashedFile> {
  const handle = await open(join(folder, name), 'wx', 0o600);
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async write(chunk) {
      hash.update(chunk);
      bytes += chunk.length;
      await handle.writeFile(chunk);
    },
    async finish() {
      await handle.sync();
      await handle.close();
      return { name, bytes, sha256: hash.digest('hex') };
    },
    close: () => handle.close(),
  };
}

/** The bytes of a file of a backup. Ends with a BackupError if it does not have its length and checksum. */
export async function* readHashedFile(
  folder: string,
  { name, bytes, sha256 }: FileFacts,
  chunkBytes: number,
): AsyncGenerator<Uint8Array, void> {
  const path = join(folder, name);
  const hash = createHash('sha256');
  let found = 0;
  const input = createReadStream(path, { highWaterMark: chunkBytes });
  for await (const chunk of input as AsyncIterable<Buffer>) {
    hash.update(chunk);
    found += chunk.length;
    yield chunk;
  }
  if (found !== bytes) {
    const lengths = `it has ${found.toString()} bytes instead of ${bytes.toString()}`;
    throw new BackupError(`the backup is damaged: ${path}: ${lengths}`);
  }
  if (hash.digest('hex') !== sha256)
    throw new BackupError(`the backup is damaged: ${path} does not have its checksum`);
}
