import { closeSync, existsSync, fdatasync, fdatasyncSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { StoreUnavailableError } from '../store/errors';

/** Tells when what is stored is on disk. */
export interface Durability {
  /**
   * Resolves when all that is stored up to a sequence, which somebody has seen, is as durable as it gets; undefined: it is.
   * Rejects with StoreUnavailableError when the disk fails.
   */
  through(sequence: bigint): Promise<void> | undefined;
  /** Resolves when nobody waits any more. */
  idle(): Promise<void>;
}

/** Where nobody syncs but the NATS servers themselves. */
export const leftToNats: Durability = { through: () => undefined, idle: () => Promise.resolve() };

/** Shorter than a hand-over to another thread takes, or nearly so: then a single append need not wait for that. */
const blockingMsMax = 1;

interface Waiter {
  readonly sequence: bigint;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Syncs the files of a log that a nats-server on this machine writes, which it does before it acknowledges. All who wait
 * share the next sync, where the server itself would sync for each message. `folder` holds the JetStream stream `name`.
 */
export function syncInGroups(folder: string, name: string, log: Logger): Durability {
  const messages = join(folder, name, 'msgs');
  const blockFile = (block: number): string => join(messages, `${block.toString()}.blk`);
  let block = newestBlock(messages);
  let synced = 0n;
  let waiting: Waiter[] = [];
  let running: Promise<void> | undefined;
  let failure: StoreUnavailableError | undefined;
  let lastMs = 0;
  syncCreated(folder, name, [block - 1, block].filter((number) => number > 0).map(blockFile));

  /** What has been acknowledged lies in the block that was the newest in the round before, or in later ones. */
  async function syncBlocks(isAlone: boolean): Promise<void> {
    const first = block;
    while (existsSync(blockFile(block + 1))) block++;
    if (block > first) syncFile(messages);
    const beganMs = performance.now();
    for (let number = Math.max(first, 1); number <= block; number++) {
      const file = openSync(blockFile(number), 'r');
      try {
        if (isAlone && lastMs < blockingMsMax) fdatasyncSync(file);
        else await promisify(fdatasync)(file);
      } finally {
        closeSync(file);
      }
    }
    lastMs = performance.now() - beganMs;
  }

  async function run(): Promise<void> {
    // Answers that came together are taken together.
    await promisify(setImmediate)();
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        await syncBlocks(group.length === 1);
        for (const { sequence, resolve } of group) {
          if (sequence > synced) synced = sequence;
          resolve();
        }
      } catch (cause) {
        // After a failed sync the system may forget what it could not write: no later one can be believed.
        failure ??= new StoreUnavailableError('the disk cannot be written; end the gateway and look at it', {
          cause,
        });
        log.fatal({ err: cause }, 'the log cannot be synced to disk: nothing is answered any more');
        for (const { reject } of [...group, ...waiting]) reject(failure);
        waiting = [];
      }
    }
    running = undefined;
  }

  return {
    through(sequence) {
      if (failure !== undefined) return Promise.reject(failure);
      if (sequence <= synced) return undefined;
      return new Promise((resolve, reject) => {
        waiting.push({ sequence, resolve, reject });
        running ??= run();
      });
    },
    idle: () => running ?? Promise.resolve(),
  };
}

/** 0 if there is none yet. */
function newestBlock(messages: string): number {
  const numbers = readdirSync(messages).map((file) => Number(/^(\d+)\.blk$/.exec(file)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

/** What was created or written before this gateway began: the folders, the description of the stream, the newest blocks. */
function syncCreated(folder: string, name: string, blocks: readonly string[]): void {
  const stream = join(folder, name);
  const described = ['meta.inf', 'meta.sum']
    .map((file) => join(stream, file))
    .filter((file) => existsSync(file));
  for (const file of [...described, ...blocks.filter((path) => existsSync(path))]) syncFile(file);
  // nats-server makes `jetstream/<account>/streams` in its data folder.
  const dataDir = dirname(dirname(dirname(folder)));
  for (let path = join(stream, 'msgs'); path.length >= dataDir.length; path = dirname(path)) syncFile(path);
}

/** A file, or a folder with the names in it. */
function syncFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
