import { randomUUID } from 'node:crypto';
import { readFile, readlink, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** A folder that is this process' alone until it is released. */
export interface FolderLock {
  /** Whether it still is: another gateway may have taken it over while this process was frozen. */
  held(): Promise<boolean>;
  release(): Promise<void>;
}

/** Another gateway that runs uses the folder. */
export class FolderInUseError extends Error {}

/** A folder, and what it is called in messages. */
export interface LockedFolder {
  readonly path: string;
  readonly kind: 'data folder' | 'folder of the replica';
}

interface Owner {
  readonly pid: number;
  /** Where the pid means something, see `pidPlace`. */
  readonly place: string;
  readonly token: string;
}

const lockName = 'sluice.lock';
/** The owner touches the lock this often: across containers a pid says nothing. */
const beatMs = 1_000;
const silentMs = 5_000;
const attemptsMax = 5;

/**
 * Locks a folder with a file in it. The lock of a process that died is taken over: at once if its pid tells, else when
 * nobody touches the file for some seconds. `onLost` is called at most once. Throws FolderInUseError.
 */
export async function lockFolder(folder: LockedFolder, log: Logger, onLost: () => void): Promise<FolderLock> {
  const path = join(folder.path, lockName);
  const owner: Owner = { pid: process.pid, place: await pidPlace(), token: randomUUID() };
  const mine = JSON.stringify(owner);
  await acquire(folder, path, owner, mine, log);

  const held = async (): Promise<boolean> => {
    try {
      return (await readFile(path, 'utf8')) === mine;
    } catch (error) {
      // Only a file that is surely gone is a lost lock; too many open files, for instance, is none.
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

async function acquire(
  folder: LockedFolder,
  path: string,
  owner: Owner,
  mine: string,
  log: Logger,
): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (await create(path, mine)) return;
    const found = await readFile(path, 'utf8').catch(() => undefined);
    if (found === undefined) continue;
    if (await isAlive(path, found, owner, log)) break;
    // Whoever else found the same dead lock must not take ours away: they look once more, as we do here.
    if ((await readFile(path, 'utf8').catch(() => undefined)) !== found) continue;
    log.warn(
      { folder: folder.path },
      `the gateway that used the ${folder.kind} did not stop cleanly; taking over`,
    );
    const next = `${path}.${owner.token}`;
    await writeFile(next, mine, { mode: 0o600 });
    await rename(next, path);
    await sleep(beatMs / 4);
    if ((await readFile(path, 'utf8').catch(() => undefined)) === mine) return;
  }
  throw new FolderInUseError(
    `the ${folder.kind} ${folder.path} is in use by another gateway: stop that one, or give this one a folder of its own`,
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

/** Whether the owner of a lock runs. */
async function isAlive(path: string, content: string, us: Owner, log: Logger): Promise<boolean> {
  const { pid, place } = parseOwner(content);
  if (place === us.place && pid !== undefined && !processExists(pid)) return false;
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
    // Half-written: only the watch can tell.
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

/** The boot and the pid namespace on Linux, since containers count pids of their own; elsewhere the host. */
async function pidPlace(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
