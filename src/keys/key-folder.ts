import { randomBytes, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { KeyError } from './key-error';
import { changeAttemptsMax, recordBytesMax } from './key-limits';
import type { KeyStore } from './key-store';
import { createKeyStore, type KeyStoreOptions, type Records, type StoredRecord } from './record-store';

export interface KeyFolderOptions extends KeyStoreOptions {
  /** True: the folder is not created, so that a wrong path is an error. */
  readonly mustExist?: boolean | undefined;
}

/**
 * A key store in a folder, for the processes of one machine; they need no lock. Not on a network file system. Everything in it is readable
 * for its owner only. Fails with KeyError if others may read it, or if it cannot be used.
 *
 * The folder has one folder for each subject, and in it a file for each state of its record, numbered from 1. A file gets its name
 * when it is complete and on disk, by a hard link, which fails if the name exists. The file of a key that is forgotten is overwritten with
 * random bytes and stays, empty, so that its number is never given again.
 */
export async function openKeyFolder(
  path: string,
  { mustExist = false, ...options }: KeyFolderOptions = {},
): Promise<KeyStore> {
  const folder = resolve(path);
  await translated(async () => {
    if (!mustExist && (await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined)
      await syncFolder(dirname(folder));
    const facts = await stat(folder);
    if (!facts.isDirectory()) throw new KeyError('KEY_STORE_UNSAFE', `${folder} is not a folder`);
    checkMode(folder, facts.mode);
  });
  return createKeyStore(new FolderRecords(folder), options);
}

function checkMode(path: string, mode: number): void {
  if ((mode & 0o077) === 0) return;
  throw new KeyError(
    'KEY_STORE_UNSAFE',
    `others may use ${path} (mode ${(mode & 0o777).toString(8)}): make it usable for its owner only (chmod go-rwx)`,
  );
}

const { O_RDONLY, O_RDWR, O_NOFOLLOW } = constants;
const nameForm = /^[0-9a-f]{64}$/;
const revisionForm = /^[1-9][0-9]{0,8}$/;

class FolderRecords implements Records {
  constructor(private readonly folder: string) {}

  read(name: string): Promise<StoredRecord | undefined> {
    return translated(async () => {
      for (let attempt = 0; attempt < changeAttemptsMax; attempt++) {
        const revision = await this.newest(name);
        if (revision === 0) return undefined;
        const bytes = await readRecord(this.pathOf(name, revision));
        // A record is overwritten only after the next one has its name.
        if ((await this.newest(name)) === revision) return { revision: revision.toString(), bytes };
      }
      throw new KeyError('KEY_STORE_UNAVAILABLE', `${join(this.folder, name)} changes all the time`);
    });
  }

  write(name: string, bytes: Uint8Array, after: string | undefined): Promise<boolean> {
    return translated(async () => {
      const folder = join(this.folder, name);
      if (after === undefined) {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await syncFolder(this.folder);
      }
      const next = join(folder, `.${randomUUID()}`);
      try {
        await writeSynced(next, bytes);
        await link(next, this.pathOf(name, Number(after ?? '0') + 1));
      } catch (error) {
        // ENOENT: a process that forgot a key has removed what others had begun.
        if (!['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
        return false;
      } finally {
        await unlink(next).catch(whenMissing(undefined));
      }
      await syncFolder(folder);
      return true;
    });
  }

  erase(name: string, revision: string): Promise<void> {
    return translated(async () => {
      const folder = join(this.folder, name);
      await overwrite(join(folder, revision));
      // Left by processes that were killed; one that is about to give its file a name begins again. Never overwritten: it may have one.
      for (const entry of await readdir(folder))
        if (entry.startsWith('.')) await unlink(join(folder, entry)).catch(whenMissing(undefined));
      await syncFolder(folder);
    });
  }

  names(): Promise<readonly string[]> {
    return translated(async () => (await readdir(this.folder)).filter((name) => nameForm.test(name)));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private pathOf(name: string, revision: number): string {
    return join(this.folder, name, revision.toString());
  }

  /** The highest revision of a record; 0: there is no record. */
  private async newest(name: string): Promise<number> {
    const entries = await readdir(join(this.folder, name)).catch(whenMissing([]));
    return Math.max(0, ...entries.filter((entry) => revisionForm.test(entry)).map(Number));
  }
}

async function readRecord(path: string): Promise<Buffer> {
  const file = await open(path, O_RDONLY | O_NOFOLLOW);
  try {
    const facts = await file.stat();
    checkMode(path, facts.mode);
    if (facts.size > recordBytesMax)
      throw new KeyError('KEY_STORE_DAMAGED', `${path} has ${facts.size} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Replaces the content of a file by random bytes on disk, and then empties it. All its links lose the content. */
async function overwrite(path: string): Promise<void> {
  const file = await open(path, O_RDWR | O_NOFOLLOW);
  try {
    const { size } = await file.stat();
    if (size === 0) return;
    await file.write(randomBytes(size), 0, size, 0);
    await file.sync();
    await file.truncate(0);
    await file.sync();
  } finally {
    await file.close();
  }
}

function whenMissing<Value>(value: Value): (error: unknown) => Value {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return value;
    throw error;
  };
}

/** Makes names that were added to a folder survive a crash. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function translated<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof KeyError || !isSystemError(cause)) throw cause;
    throw new KeyError('KEY_STORE_UNAVAILABLE', `the key store cannot be used: ${cause.message}`, { cause });
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return typeof (error as Partial<NodeJS.ErrnoException> | undefined)?.syscall === 'string';
}
