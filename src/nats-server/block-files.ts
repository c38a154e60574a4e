import { closeSync, existsSync, fdatasync, fdatasyncSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { embeddedPaths } from './embedded-config';

/** The log in the files of the embedded nats-server. */
export interface LogFiles {
  /** Of the embedded nats-server. */
  readonly dataDir: string;
  /** The JetStream stream that is the log. */
  readonly stream: string;
}

/** The files in which nats-server stores the messages of the log: numbered blocks, written one after the other. */
export interface BlockFiles {
  /**
   * Syncs all messages that nats-server has acknowledged. `isOnlyAppend`: nothing else waits, so it may block the thread if the
   * last sync was fast. Throws OpenFailure, and anything else when a sync fails.
   */
  sync(isOnlyAppend: boolean): Promise<void>;
}

/** A file cannot be opened, so no sync was tried. That may pass. */
export class OpenFailure extends Error {}

/** Handing a sync to another thread takes about as long: a single append need not wait for that. */
const blockingMsMax = 1;

/** Opens the files of a log that exists, and syncs what was written before this process began. Throws OpenFailure. */
export function openBlockFiles({ dataDir, stream }: LogFiles): BlockFiles {
  const folder = join(embeddedPaths(dataDir).streams, stream);
  const messages = join(folder, 'msgs');
  const blockFile = (block: number): string => join(messages, `${block.toString()}.blk`);
  let newest = newestBlock(messages);
  let lastMs = 0;
  syncCreated(dataDir, folder, [newest - 1, newest].filter((number) => number > 0).map(blockFile));
  return {
    /** What was acknowledged since the last call is in the block that was the newest one then, or in later ones. */
    async sync(isOnlyAppend) {
      // A log that has gone back has fewer blocks, and the last two may have been written since.
      if (newest > 0 && !existsSync(blockFile(newest))) newest = Math.max(0, newestBlock(messages) - 1);
      const first = newest;
      let last = first;
      while (existsSync(blockFile(last + 1))) last++;
      if (last > first) syncFile(messages);
      const beganMs = performance.now();
      const mayBlock = isOnlyAppend && lastMs < blockingMsMax;
      for (let number = Math.max(first, 1); number <= last; number++) {
        await syncBlock(blockFile(number), mayBlock);
      }
      newest = last;
      lastMs = performance.now() - beganMs;
    },
  };
}

async function syncBlock(path: string, mayBlock: boolean): Promise<void> {
  const file = openFile(path);
  try {
    if (mayBlock) fdatasyncSync(file);
    else await promisify(fdatasync)(file);
  } finally {
    closeSync(file);
  }
}

/** The number of the newest block, 0 if there is no block yet. */
function newestBlock(messages: string): number {
  const numbers = namesIn(messages).map((file) => Number(/^(\d+)\.blk$/.exec(file)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (cause) {
    throw new OpenFailure((cause as Error).message, { cause });
  }
}

/** Syncs what was created or written before this process began: folders, the description of the stream, the newest blocks. */
function syncCreated(dataDir: string, stream: string, blocks: readonly string[]): void {
  const described = ['meta.inf', 'meta.sum']
    .map((file) => join(stream, file))
    .filter((file) => existsSync(file));
  for (const file of [...described, ...blocks.filter((path) => existsSync(path))]) syncFile(file);
  for (let path = join(stream, 'msgs'); path.length >= dataDir.length; path = dirname(path)) syncFile(path);
}

/** Syncs a file, or a folder with the names in it. */
function syncFile(path: string): void {
  const file = openFile(path);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new OpenFailure((cause as Error).message, { cause });
  }
}
