import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BackupError } from './backup-error';
import { backupFiles, manifestName, manifestText, type Manifest } from './manifest';

/** The folder of a new backup. Until `complete` it has no manifest, and is no backup. */
export interface BackupFolder {
  readonly path: string;
  complete(manifest: Manifest): Promise<void>;
  /** Removes what was written. */
  clear(): Promise<void>;
  /** Removes what was written, and the folder if it was created. */
  discard(): Promise<void>;
}

/** Creates the folder, or takes an empty one. Throws BackupError. */
export async function newBackupFolder(path: string): Promise<BackupFolder> {
  const created = await create(path);
  const next = join(path, `${manifestName}.tmp`);
  const clear = async (): Promise<void> => {
    for (const name of [...Object.values(backupFiles), `${manifestName}.tmp`])
      await rm(join(path, name), { force: true }).catch(() => undefined);
  };
  return {
    path,
    async complete(manifest) {
      const file = await open(next, 'wx', 0o600);
      try {
        await file.writeFile(manifestText(manifest));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, join(path, manifestName));
      await syncFolder(path);
    },
    clear,
    async discard() {
      await clear();
      if (created) await rmdir(path).catch(() => undefined);
    },
  };
}

/** Returns whether the folder was created. */
async function create(path: string): Promise<boolean> {
  const found = await readdir(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new BackupError(`the folder ${path} cannot be used: ${(error as Error).message}`);
  });
  if (found === undefined) {
    await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw new BackupError(`the folder ${path} cannot be created: ${(error as Error).message}`);
    });
    return true;
  }
  if (found.includes(manifestName)) throw new BackupError(`${path} already has a backup: name a new folder`);
  if (found.includes(backupFiles.log))
    throw new BackupError(`${path} has an incomplete backup: remove it, or name a new folder`);
  // The root folder of a file system has one of its own.
  if (found.some((name) => name !== 'lost+found'))
    throw new BackupError(`${path} is not empty: name a new folder`);
  return false;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
