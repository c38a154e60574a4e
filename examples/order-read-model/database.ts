import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Database, SQLite3Error } from 'node-sqlite3-wasm';

const lockWaitMs = 5_000;
const lockPauseMs = 5;
/** The id of a process stays in use while it ends, and until its parent has waited for it. */
const ownerWaitMs = 2_000;

/**
 * Opens a database, works with it, and closes it again. Only one process at a time can open it, but never for longer than a
 * transaction, so other processes get their turn. Throws SQLite3Error.
 */
export function withDatabase<T>(path: string, mustExist: boolean, work: (database: Database) => T): T {
  const database = open(path, mustExist);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** Stores everything that `work` does, or nothing. */
export function transaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function open(path: string, mustExist: boolean): Database {
  const giveUpMs = Date.now() + lockWaitMs;
  for (;;) {
    const database = new Database(path, { fileMustExist: mustExist });
    try {
      // This SQLite does not roll back the journal of a process that was killed. With a write-ahead log, an incomplete
      // transaction is never in the database; without shared memory, that needs the exclusive mode.
      database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL');
      return database;
    } catch (error) {
      database.close();
      const isLocked = error instanceof SQLite3Error && error.message === 'database is locked';
      if (!isLocked || Date.now() > giveUpMs) throw error;
      pause(lockPauseMs);
    }
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/**
 * Makes this process the only writer of a database, until disposal. Throws an Error that names the other writer if there is
 * one.
 */
export function claim(path: string): Disposable {
  const file = `${path}.pid`;
  const owner = pidIn(file);
  const giveUpMs = Date.now() + ownerWaitMs;
  while (owner !== undefined && isRunning(owner)) {
    if (Date.now() > giveUpMs) {
      throw new Error(`process ${owner} writes to ${path}; if that is another program, remove ${file}`);
    }
    pause(lockPauseMs);
  }
  // The lock is a folder; it remains when its process is killed.
  if (owner !== undefined) rmSync(`${path}.lock`, { recursive: true, force: true });
  writeFileSync(file, process.pid.toString());
  return {
    [Symbol.dispose]() {
      rmSync(file, { force: true });
    },
  };
}

function pidIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** In a container, this process may have the id of one that was killed. */
function isRunning(pid: number): boolean {
  if (pid === process.pid || !Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
