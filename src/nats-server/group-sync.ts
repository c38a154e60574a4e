import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { newSyncCounts, type Durability } from '../store/durability';
import { StoreUnavailableError } from '../store/errors';
import { openBlockFiles, OpenFailure, type BlockFiles, type LogFiles } from './block-files';

export interface SyncOptions extends LogFiles {
  readonly log: Logger;
}

/**
 * Syncs the files of a log that a nats-server on this machine writes before it acknowledges. All callers that wait share the
 * next sync, where the server itself would sync for each message.
 */
export function syncInGroups(options: SyncOptions): Durability {
  return new GroupSync(options);
}

/**
 * How long a caller without a deadline waits for a disk that does not answer, or for files that cannot be opened, for instance
 * since the process has no descriptors left.
 */
const patienceMs = 10_000;
/** How often waiters are checked for their deadline. */
const checkMs = 50;
const openPauseMinMs = 10;
const openPauseMaxMs = 500;

interface Waiter {
  readonly sequence: bigint;
  readonly giveUpMs: number;
  readonly isBusy: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class GroupSync implements Durability {
  /** Everything up to here is durable. */
  private synced = 0n;
  private timesForgotten = 0;
  private waiting: Waiter[] = [];
  /** The waiters of the sync under way. */
  private group: Waiter[] = [];
  /** The last sequence of the sync under way, 0 if there is no sync. */
  private syncing = 0n;
  private running: Promise<void> | undefined;
  private failure: StoreUnavailableError | undefined;
  private openPauseMs = 0;

  readonly failed: Promise<void>;
  readonly counts = newSyncCounts();
  private onFailure = (): void => undefined;
  private readonly log: Logger;
  private blocks: BlockFiles = {
    sync: () => Promise.reject(new Error('the log is synced before it exists')),
  };

  constructor(private readonly options: SyncOptions) {
    this.log = options.log;
    this.failed = new Promise((resolve) => (this.onFailure = resolve));
  }

  begin(): void {
    this.blocks = openBlockFiles(this.options);
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
    while (this.group.length + this.waiting.length > 0) await sleep(checkMs);
  }

  private wait(sequence: bigint, giveUpMs = performance.now() + patienceMs, isBusy = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const isSyncing = sequence > 0n && sequence <= this.syncing;
      (isSyncing ? this.group : this.waiting).push({ sequence, giveUpMs, isBusy, resolve, reject });
      this.running ??= this.run();
    });
  }

  private async run(): Promise<void> {
    // A sync may never end.
    const checking = setInterval(() => {
      this.giveUp('the log is not synced to disk in time');
    }, checkMs);
    // Commits that are acknowledged in the same turn of the event loop share a sync.
    await promisify(setImmediate)();
    while (this.waiting.length > 0) {
      this.group = this.waiting;
      this.waiting = [];
      try {
        await this.syncGroup();
      } catch (cause) {
        this.waiting = [...this.group, ...this.waiting];
        this.group = [];
        if (cause instanceof OpenFailure) await this.pauseAfter(cause);
        else this.fail(cause);
      }
    }
    clearInterval(checking);
    this.running = undefined;
  }

  private async syncGroup(): Promise<void> {
    const isOnlyAppend = this.group.length === 1 && this.group[0]?.isBusy === false;
    const upTo = this.group.reduce((last, { sequence }) => (sequence > last ? sequence : last), 0n);
    const { timesForgotten } = this;
    this.syncing = upTo;
    const beganMs = performance.now();
    await this.blocks.sync(isOnlyAppend).finally(() => (this.syncing = 0n));
    this.counts.seconds.observe((performance.now() - beganMs) / 1_000);
    this.counts.batchSizes.observe(this.group.length);
    if (this.openPauseMs > 0) this.log.info('the log is synced to disk again');
    this.openPauseMs = 0;
    if (upTo > this.synced && timesForgotten === this.timesForgotten) this.synced = upTo;
    for (const { resolve } of this.group) resolve();
    this.group = [];
  }

  private async pauseAfter(cause: OpenFailure): Promise<void> {
    if (this.openPauseMs === 0) {
      this.log.error({ err: cause }, 'the files of the log cannot be opened to sync them; trying again');
    }
    this.giveUp(`the files of the log cannot be opened to sync them: ${cause.message}`, cause);
    this.openPauseMs = Math.min(Math.max(2 * this.openPauseMs, openPauseMinMs), openPauseMaxMs);
    await sleep(this.openPauseMs);
  }

  /** Rejects the waiters whose deadline has passed. */
  private giveUp(message: string, cause?: OpenFailure): void {
    const nowMs = performance.now();
    const mayWait = ({ giveUpMs, reject }: Waiter): boolean => {
      if (giveUpMs > nowMs) return true;
      reject(new StoreUnavailableError(message, { cause }));
      return false;
    };
    this.group = this.group.filter(mayWait);
    this.waiting = this.waiting.filter(mayWait);
  }

  private fail(cause: unknown): void {
    // After a failed sync the system may drop what it could not write, so the success of a later sync proves nothing.
    const failure = new StoreUnavailableError('the disk cannot be written; the gateway ends', { cause });
    this.failure = failure;
    this.log.fatal({ err: cause }, 'the log cannot be synced to disk: no append is acknowledged any more');
    for (const { reject } of this.waiting) reject(failure);
    this.waiting = [];
    this.onFailure();
  }
}
