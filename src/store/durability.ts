import { durationBounds, Histogram } from '../collections/histogram';

/** The syncs since the start. */
export interface SyncCounts {
  /** How long each took. */
  readonly seconds: Histogram;
  /** How many waited for each. */
  readonly batchSizes: Histogram;
}

export function newSyncCounts(): SyncCounts {
  const batchBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
  return { seconds: new Histogram(durationBounds), batchSizes: new Histogram(batchBounds) };
}

/** Says when what is stored survives a loss of power. */
export interface Durability {
  /**
   * The log exists from now on: what was written to it before becomes durable. Called once, before anything else. Throws if its
   * files cannot be opened.
   */
  begin(): void;
  /**
   * Resolves when all commits up to a sequence of the log are as durable as they get; undefined: they are already. Rejects with
   * StoreUnavailableError when the disk fails, and at `giveUpMs` (of `performance.now()`), or after some seconds without one.
   * `isBusy`: other appends are under way, which must not stand still meanwhile.
   */
  whenDurable(sequence: bigint, giveUpMs?: number, isBusy?: boolean): Promise<void> | undefined;
  /** The same for everything that the log has now. */
  whenAllDurable(giveUpMs?: number): Promise<void> | undefined;
  /** The log may have gone back: sequences that were synced may be given again, to other messages. */
  forget(): void;
  /** Resolves when no call waits. */
  idle(): Promise<void>;
  /** Resolves when the disk has failed: nothing becomes durable any more. */
  readonly failed: Promise<void>;
  readonly counts: SyncCounts;
}

/** For a log that only its NATS servers sync. */
export const leftToNats: Durability = {
  begin: () => undefined,
  whenDurable: () => undefined,
  whenAllDurable: () => undefined,
  forget: () => undefined,
  idle: () => Promise.resolve(),
  failed: new Promise(() => undefined),
  counts: newSyncCounts(),
};
