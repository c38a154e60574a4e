import { open, readFile, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { parseAuthFile } from './auth-file';
import { AuthFileError } from './auth-file-error';
import type { AuthFile } from './schema';

/**
 * Replaces the text of an auth file as a whole, so that a gateway never reads a part of it; its owner and mode stay. One command at a time:
 * another one gets an AuthFileError. So does a file that cannot be used, before the change or after it, which then is not changed.
 */
export async function changeAuthFile(
  path: string,
  change: (text: string, file: AuthFile) => string,
): Promise<void> {
  // A symbolic link stays.
  const target = await realpath(path);
  const next = `${target}.new`;
  const file = await createNext(path, next);
  try {
    const content = await readFile(target);
    const changed = Buffer.from(change(content.toString(), parseAuthFile(content, path)));
    parseAuthFile(changed, path);
    await file.writeFile(changed);
    const { mode, uid, gid } = await stat(target);
    // The gateway may run as another user, who must be able to read it as before.
    await file.chown(uid, gid);
    await file.chmod(mode & 0o777);
    await file.sync();
    await rename(next, target);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Readable for its owner alone until it has the mode of the file. */
async function createNext(path: string, next: string): Promise<FileHandle> {
  try {
    return await open(next, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new AuthFileError(path, [
      `is being changed by another command; if it was interrupted, remove ${next}`,
    ]);
  }
}
