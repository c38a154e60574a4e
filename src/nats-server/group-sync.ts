import { closeSync, existsSync, fdatasync, fdatasyncSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import type { Durability } from '../store/durability';
import { StoreUnavailableError } from '../store/errors';
import { embeddedPaths } from './embedded-config';

/** Shorter than a hand-over to another thread takes, or nearly so: then a single append need not wait for that. */
const blockingMsMax = 1;
/**
 * How long one waits who has not said how long: for a disk that does not answer, or for files that cannot be opened, for
 * instance since the process has no descriptors left.
 */
const patienceMs = 10_000;
/** How often those are looked for who wait no longer. */
const lookMs = 50;
const openPauseMinMs = 10;
const openPauseMaxMs = 500;

interface Waiter {
  readonly sequence: bigint;
  readonly giveUpMs: number;
  readonly isBusy: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A file cannot be opened, so nothing was tried to sync it: that may be so for the moment only. */
class OpenFailure extends Error {}

export interface SyncOptions {
  /** Of the embedded nats-server. */
  readonly dataDir: string;
  /** The JetStream stream that is the log. */
  readonly stream: string;
  readonly log: Logger;
}

/**
 * Syncs the files of a log that a nats-server on this machine writes before it acknowledges. All callers that wait share the
 * next sync, where the server itself would sync for each message.
 */
export function syncInGroups(options: SyncOptions): Durability {
  return new GroupSync(options);
}

class GroupSync implements Durability {
  private synced = 0n;
  /** How often that was forgotten. */
  private timesForgotten = 0;
  private waiting: Waiter[] = [];
  /** Those whose sync is under way, */
  private group: Waiter[] = [];
  /** and up to where it goes. */
  private syncing = 0n;
  private running: Promise<void> | undefined;
  private failure: StoreUnavailableError | undefined;

  readonly failed: Promise<void>;
  private onFailure = (): void => undefined;
  private readonly log: Logger;
  private blocks: Blocks = { sync: () => Promise.reject(new Error('the log is synced before it exists')) };

  constructor(private readonly options: SyncOptions) {
    this.log = options.log;
    this.failed = new Promise((resolve) => (this.onFailure = resolve));
  }

  begin(): void {
    this.blocks = openBlocks(this.options);
  }

  whenDurable(sequence: bigint, giveUpMs?: number, isBusy = false): Promise<void> | undefined {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return sequence <= this.synced ? undefined : this.wait(sequence, giveUpMs, isBusy);
  }

  whenAllDurable(giveUpMs?: number): Promise<void> {
    return this.failure === undefined ? this.wait(0n, giveUpMs) : Promise.reject(this.failure);
  }

  forget(): void {
    this.synced = 0n;
    this.syncing = 0n;
    this.timesForgotten++;
  }

  async idle(): Promise<void> {
    while (this.group.length + this.waiting.length > 0) await sleep(lookMs);
  }

  private wait(sequence: bigint, giveUpMs = Date.now() + patienceMs, isBusy = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const isSyncing = sequence > 0n && sequence <= this.syncing;
      (isSyncing ? this.group : this.waiting).push({ sequence, giveUpMs, isBusy, resolve, reject });
      this.running ??= this.run();
    });
  }

  private async run(): Promise<void> {
    // A sync may take for ever.
    const looking = setInterval(() => {
      this.giveUp('the log is not synced to disk in time');
    }, lookMs);
    let pauseMs = 0;
    // Answers that came together are taken together.
    await promisify(setImmediate)();
    while (this.waiting.length > 0) {
      this.group = this.waiting;
      this.waiting = [];
      const isAlone = this.group.length === 1 && this.group[0]?.isBusy === false;
      const through = this.group.reduce((last, { sequence }) => (sequence > last ? sequence : last), 0n);
      const { timesForgotten } = this;
      this.syncing = through;
      try {
        await this.blocks.sync(isAlone).finally(() => (this.syncing = 0n));
        if (pauseMs > 0) this.log.info('the log is synced to disk again');
        pauseMs = 0;
        if (through > this.synced && timesForgotten === this.timesForgotten) this.synced = through;
        for (const { resolve } of this.group) resolve();
        this.group = [];
      } catch (cause) {
        this.waiting = [...this.group, ...this.waiting];
        this.group = [];
        if (cause instanceof OpenFailure) {
          if (pauseMs === 0)
            this.log.error({ err: cause }, 'the log cannot be opened to sync it; trying again');
          this.giveUp(`the files of the log cannot be opened to sync them: ${cause.message}`, cause);
          pauseMs = Math.min(Math.max(2 * pauseMs, openPauseMinMs), openPauseMaxMs);
          await sleep(pauseMs);
        } else this.fail(cause);
      }
    }
    clearInterval(looking);
    this.running = undefined;
  }

  /** Leaves those waiting who may wait longer. */
  private giveUp(message: string, cause?: OpenFailure): void {
    const nowMs = Date.now();
    const mayWait = ({ giveUpMs, reject }: Waiter): boolean => {
      if (giveUpMs > nowMs) return true;
      reject(new StoreUnavailableError(message, { cause }));
      return false;
    };
    this.group = this.group.filter(mayWait);
    this.waiting = this.waiting.filter(mayWait);
  }

  private fail(cause: unknown): void {
    // After a failed sync the system may forget what it could not write: no later one can be believed.
    const failure = new StoreUnavailableError('the disk cannot be written; the gateway ends', {
      cause,
    });
    this.failure = failure;
    this.log.fatal({ err: cause }, 'the log cannot be synced to disk: nothing is answered any more');
    for (const { reject } of this.waiting) reject(failure);
    this.waiting = [];
    this.onFailure();
  }
}

interface Blocks {
  /** Syncs all that has been acknowledged. Throws OpenFailure, and anything else when a sync fails. */
  sync(isOnlyAppend: boolean): Promise<void>;
}

function openBlocks({ dataDir, stream }: SyncOptions): Blocks {
  const folder = join(embeddedPaths(dataDir).streams, stream);
  const messages = join(folder, 'msgs');
  const blockFile = (block: number): string => join(messages, `${block.toString()}.blk`);
  let newest = newestBlock(messages);
  let lastMs = 0;
  syncCreated(dataDir, folder, [newest - 1, newest].filter((number) => number > 0).map(blockFile));
  return {
    /** What has been acknowledged lies in the block that was the newest in the round before, or in later ones. */
    async sync(isOnlyAppend) {
      // Where the log has gone back it has fewer of them, of which the last two may have been written since.
      if (newest > 0 && !existsSync(blockFile(newest))) newest = Math.max(0, newestBlock(messages) - 1);
      const first = newest;
      let last = first;
      while (existsSync(blockFile(last + 1))) last++;
      if (last > first) syncFile(messages);
      const beganMs = performance.now();
      for (let number = Math.max(first, 1); number <= last; number++) {
        const file = openFile(blockFile(number));
        try {
          if (isOnlyAppend && lastMs < blockingMsMax) fdatasyncSync(file);
          else await promisify(fdatasync)(file);
        } finally {
          closeSync(file);
        }
      }
      newest = last;
      lastMs = performance.now() - beganMs;
    },
  };
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new OpenFailure((cause as Error).message, { cause });
  }
}

/** 0 if there is none yet. */
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

/** What was created or written before this gateway began: the folders, the description of the stream, the newest blocks. */
function syncCreated(dataDir: string, stream: string, blocks: readonly string[]): void {
  const described = ['meta.inf', 'meta.sum']
    .map((file) => join(stream, file))
    .filter((file) => existsSync(file));
  for (const file of [...described, ...blocks.filter((path) => existsSync(path))]) syncFile(file);
  for (let path = join(stream, 'msgs'); path.length >= dataDir.length; path = dirname(path)) syncFile(path);
}

/** A file, or a folder with the names in it. */
function syncFile(path: string): void {
  const file = openFile(path);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
