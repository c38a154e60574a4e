import { randomUUID } from 'node:crypto';
import { readFile, readlink, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** The exclusive use of a folder by this process, until it is released. */
export interface FolderLock {
  /** False when another gateway has taken the folder over, while this process was frozen for instance. */
  held(): Promise<boolean>;
  release(): Promise<void>;
}

/** A running gateway uses the folder. */
export class FolderInUseError extends Error {}

/** A folder and its name in messages. */
export interface LockedFolder {
  readonly path: string;
  readonly kind: 'data folder' | 'folder of the replica';
}

interface Owner {
  readonly pid: number;
  /** Where the pid is valid, see `pidScope`. */
  readonly scope: string;
  readonly token: string;
}

const lockName = 'sluice.lock';
/** How often the owner touches the lock: in another container its pid says nothing. */
const beatMs = 1_000;
const silentMs = 5_000;
const attemptsMax = 5;

/**
 * Locks a folder with a file in it. The lock of a dead process is taken over: at once if its pid shows that it is dead, else
 * after some seconds in which the file is not touched. `onLost` is called at most once. Throws FolderInUseError.
 */
export async function lockFolder(folder: LockedFolder, log: Logger, onLost: () => void): Promise<FolderLock> {
  const path = join(folder.path, lockName);
  const owner: Owner = { pid: process.pid, scope: await pidScope(), token: randomUUID() };
  const mine = JSON.stringify(owner);
  await acquire(folder, owner, log);

  const held = async (): Promise<boolean> => {
    try {
      return (await readFile(path, 'utf8')) === mine;
    } catch (error) {
      // Only a missing file is a lost lock. Other errors are not: too many open files, for instance.
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  };
  const beat = async (): Promise<void> => {
    if (await held()) {
      const now = new Date();
      await utimes(path, now, now).catch(() => undefined);
    } else if (!released) {
      clearInterval(timer);
      onLost();
    }
  };
  let released = false;
  const timer = setInterval(() => void beat(), beatMs).unref();
  return {
    held,
    async release() {
      clearInterval(timer);
      released = true;
      if (await held()) await rm(path, { force: true });
    },
  };
}

async function acquire(folder: LockedFolder, owner: Owner, log: Logger): Promise<void> {
  const path = join(folder.path, lockName);
  const mine = JSON.stringify(owner);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (await create(path, mine)) return;
    const found = await readFile(path, 'utf8').catch(() => undefined);
    if (found === undefined) continue;
    if (await isAlive(path, found, owner, log)) break;
    // Another process may have found the same dead lock. The second check keeps one from taking the lock of the other.
    if ((await readFile(path, 'utf8').catch(() => undefined)) !== found) continue;
    log.warn(
      { folder: folder.path },
      `the gateway that used the ${folder.kind} did not stop cleanly; taking the folder over`,
    );
    const next = `${path}.${owner.token}`;
    await writeFile(next, mine, { mode: 0o600 });
    await rename(next, path);
    await sleep(beatMs / 4);
    if ((await readFile(path, 'utf8').catch(() => undefined)) === mine) return;
  }
  throw new FolderInUseError(
    `the ${folder.kind} ${folder.path} is in use by another gateway: stop that gateway, or give this one another folder`,
  );
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether the owner of a lock still runs. */
async function isAlive(path: string, content: string, self: Owner, log: Logger): Promise<boolean> {
  const { pid, scope } = parseOwner(content);
  if (scope === self.scope && pid !== undefined && !processExists(pid)) return false;
  log.info({ lock: path }, `the folder is locked; watching for up to ${silentMs.toString()} ms`);
  const before = await touchedMs(path);
  for (let waitedMs = 0; waitedMs < silentMs; waitedMs += beatMs / 4) {
    await sleep(beatMs / 4);
    const now = await touchedMs(path);
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

function parseOwner(content: string): Partial<Owner> {
  try {
    return JSON.parse(content) as Partial<Owner>;
  } catch {
    // Half-written: only the touches of the file can tell.
    return {};
  }
}

async function touchedMs(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** On Linux the boot and the pid namespace, since each container has its own pids; elsewhere the host. */
async function pidScope(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
