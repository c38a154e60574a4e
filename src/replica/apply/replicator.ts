import { setTimeout as sleep } from 'node:timers/promises';
import { NotPermittedError, StoreUnavailableError } from '../../store/errors';
import { lostConnection, type LogCursor, type LogEnd, type LogSink } from '../../store/log';
import type { FillingProgress } from '../../store/store-info';
import { createStreamVersions } from '../index/stream-versions';
import { isDamagedReplica } from '../segments/damage';
import { Applier } from './applier';
import { writeCleanShutdownMark } from './clean-shutdown';
import { createCommitWaiters, type CommitWaiters } from './commit-waiters';
import { Continuity, type Snapshot } from './continuity';
import { Filling, logFilling } from './filling';
import { knownOf, type OpenReplica, type ReplicaKeeper } from './keeper';
import { LogComparer } from './log-comparer';
import { noteFaults } from './note-faults';
import { openFiles, removeFiles, type ReplicaOptions, type WrittenFiles } from './open-files';
import { startProgressTicker } from './progress-ticker';
import { Readiness } from './readiness';
import { createRecentFailure, type RecentFailure } from './recent-failure';

/** The open files of a replica, and what writes to them. */
export interface Opened extends OpenReplica {
  readonly files: WrittenFiles;
  readonly applier: Applier;
}

const retryMs = 250;
/** Longer, since NATS logs each refusal. */
const retryRefusedMs = 5_000;

/** Opens a replica, follows the log, and rebuilds the replica whenever it does not match the log. */
export class Replicator implements ReplicaKeeper {
  readonly waiters: CommitWaiters = createCommitWaiters(() => {
    this.fetchNow();
  });
  readonly comparer: LogComparer;
  readonly continuity: Continuity;
  /** The end of the log when it was last requested. */
  end = 0n;
  readonly readiness = new Readiness();
  private readonly failure = createRecentFailure();
  private readonly ticker = startProgressTicker(this.waiters);
  private readonly stop = new AbortController();
  private readonly running: Promise<void>;
  private current: Opened | undefined;
  private mustRebuild = false;
  /** Why the gateway may not follow the log. */
  private refusal: NotPermittedError | undefined;
  private readonly filling = new Filling(() => ({
    applied: this.current?.applier.applied ?? 0n,
    end: this.end,
  }));
  private readonly fillingLog: Disposable;
  private following: AbortController | undefined;
  /** Of the log that is followed. */
  private fetchNow: () => void = () => undefined;
  private downSinceMs: number | undefined;

  constructor(private readonly options: ReplicaOptions) {
    this.comparer = new LogComparer(options.log);
    this.continuity = new Continuity(options.log);
    // The replica must be compared again before it receives more.
    options.log.onDoubt(() => this.following?.abort());
    this.fillingLog = logFilling(options.logger, () => this.progress);
    this.running = this.run();
  }

  /** undefined: the replica is not open yet, or is being rebuilt. */
  get opened(): Opened | undefined {
    return this.mustRebuild ? undefined : this.current;
  }

  /** Whether the gateway has no permission to follow the log. */
  get isRefused(): boolean {
    return this.refusal !== undefined;
  }

  /** Why new commits do not arrive. */
  get followFailure(): Pick<RecentFailure, 'current' | 'recent'> {
    return this.failure;
  }

  /** Resolves when the replica is filled, after a time, when the signal aborts, or when it cannot be filled. */
  whenFilled(ms: number, signal: AbortSignal): Promise<void> {
    return this.refusal === undefined ? this.readiness.wait(ms, signal) : Promise.resolve();
  }

  /** undefined: the replica is filled, or is not open yet. */
  get progress(): FillingProgress | undefined {
    return this.readiness.isFilled || this.current === undefined ? undefined : this.filling.progress;
  }

  /** The error for a request that cannot wait until the replica is filled. */
  fillingError(): Error {
    if (this.refusal !== undefined) return this.refusal;
    const { current: reason } = this.failure;
    if (this.current === undefined && reason !== '')
      return new StoreUnavailableError(`the gateway cannot create its replica of the log: ${reason}`);
    return this.filling.error();
  }

  /** The log was replaced, or has gone back to an earlier state. */
  onOtherLog(mismatch: string): void {
    this.continuity.reset();
    this.rebuild(new Error(mismatch));
  }

  /** Removes the files and creates new ones. */
  rebuild(cause: unknown): void {
    if (this.opened === undefined) return;
    this.options.logger.error({ err: cause }, 'the replica does not match the log; rebuilding it');
    this.mustRebuild = true;
    this.readiness.set(false);
    this.waiters.failAll(new StoreUnavailableError('the replica is being rebuilt', { cause }));
    this.current?.applier.stop();
    this.following?.abort();
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.current?.applier.stop();
    this.ticker.close();
    this.fillingLog[Symbol.dispose]();
    await this.running;
    this.waiters.failAll(new StoreUnavailableError('the gateway is stopping'));
    await this.closeFiles();
    this.options.readers?.close();
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      let cause: unknown;
      await this.followOnce().catch((error: unknown) => {
        cause = error;
        this.onFailure(error);
      });
      this.failWaitersIfDown(cause);
      const pauseMs = this.refusal === undefined ? retryMs : retryRefusedMs;
      const isAtOnce = this.mustRebuild && cause === undefined;
      await sleep(isAtOnce ? 0 : pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private onFailure(error: unknown): void {
    if (this.stop.signal.aborted) return;
    this.options.logger.debug({ err: error }, 'the log cannot be followed');
    this.failure.record(error instanceof Error ? error.message : String(error));
    if (!(error instanceof NotPermittedError)) return;
    this.refusal = error;
    this.readiness.releaseAll();
  }

  private failWaitersIfDown(cause: unknown): void {
    const { logger, limits } = this.options;
    this.downSinceMs ??= performance.now();
    const isDown = performance.now() - this.downSinceMs > limits.readProgressTimeoutMs;
    if (!isDown || this.stop.signal.aborted) return;
    const message = 'no new commits arrive from the log';
    this.waiters.failAll(new StoreUnavailableError(message, { cause }));
    this.options.readers?.down(message);
    logger.warn({ err: cause }, message);
    this.downSinceMs = undefined;
  }

  /** Compares the replica with the log, and follows the log until that ends. */
  private async followOnce(): Promise<void> {
    const { log, logger } = this.options;
    const before = this.continuity.snapshot();
    const end = await log.end({ signal: this.stop.signal, deadlineMs: Infinity });
    const opened = await this.openAndCompare(end, before);
    // If the log changed meanwhile, compare again: what was acknowledged since may be after this end.
    if (opened === undefined || !this.continuity.isUnchangedSince(before)) return;
    this.continuity.confirm(before);
    const { applier } = opened;
    this.end = end.sequence;
    this.filling.start();
    this.following = new AbortController();
    const signal = AbortSignal.any([this.stop.signal, this.following.signal]);
    const reason = await log
      .follow(cursorOf(applier), this.sinkOf(applier, end, signal), signal)
      .catch((error: unknown) => {
        if (!signal.aborted) throw error;
        return 'aborted';
      });
    if (signal.aborted) return;
    logger.warn({ reason }, 'the log stopped delivering; following it again');
    if (reason !== lostConnection) this.failure.record(reason);
  }

  private sinkOf(applier: Applier, { sequence }: LogEnd, signal: AbortSignal): LogSink {
    return {
      receive: async (groups, upTo) => {
        noteFaults(this.options.log.faults, groups);
        await applier.receive(groups, upTo, signal);
        // Only once it is received: a waiter would skip it otherwise.
        if (applier.received >= upTo) this.ticker.advanceTo(upTo);
      },
      onStarted: (fetchNow) => {
        this.fetchNow = fetchNow;
        this.refusal = undefined;
        if (!this.readiness.isFilled) void this.setFilledAt(sequence, applier, signal);
      },
      onProgress: () => {
        this.downSinceMs = undefined;
        if (this.current?.applier.isFailing !== true) this.failure.clear();
      },
      isAwaited: () =>
        !this.waiters.isEmpty || applier.wasAwaited || this.options.readers?.areAwaiting === true,
    };
  }

  private async setFilledAt(sequence: bigint, applier: Applier, signal: AbortSignal): Promise<void> {
    while (applier.applied < sequence && !signal.aborted) {
      // It rejects while batches cannot be written.
      const isApplied = applier.waitUntilApplied(sequence, signal)?.then(() => true);
      if ((await isApplied?.catch(() => false)) === false)
        await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
    if (this.opened?.applier !== applier || signal.aborted) return;
    this.readiness.set(true);
    this.options.logger.info({ applied: applier.applied.toString() }, 'the replica of the log is filled');
  }

  /** Opens the replica, or compares the open one with the log. undefined: they do not match, and a rebuild has begun. */
  private async openAndCompare(end: LogEnd, { acknowledged }: Snapshot): Promise<Opened | undefined> {
    const call = { signal: this.stop.signal, deadlineMs: Infinity };
    const { opened } = this;
    const expected = { known: opened && knownOf(opened), acknowledged };
    const { mismatch, isCertain } = await this.comparer.compare(end, expected, call);
    if (mismatch !== undefined) {
      if (!isCertain) throw new StoreUnavailableError(`${mismatch}; trying again`);
      this.onOtherLog(mismatch);
      return undefined;
    }
    if (opened !== undefined && this.opened === opened) return opened;
    await this.removeIfRebuilding();
    this.current = await this.open(end);
    return this.current;
  }

  private async removeIfRebuilding(): Promise<void> {
    if (!this.mustRebuild) return;
    await this.closeFiles();
    await removeFiles(this.options.folder);
    this.mustRebuild = false;
  }

  private async open(end: LogEnd): Promise<Opened> {
    const { options, comparer, waiters } = this;
    const call = { signal: this.stop.signal, deadlineMs: Infinity };
    const { files: opened, state } = await openFiles(options, { end, comparer }, call);
    const files = { ...opened, versions: createStreamVersions(opened.index) };
    const applier = new Applier({
      ...files,
      state,
      waiters,
      logger: options.logger,
      onWriteFailure: (cause) => {
        this.onWriteFailure(cause);
      },
      onAwaited: () => {
        this.fetchNow();
      },
      onAdvanced: options.readers && (() => options.readers?.advanced()),
    });
    return { files, applier, identity: end.identity };
  }

  private onWriteFailure(cause: unknown): void {
    if (isDamagedReplica(cause)) this.rebuild(cause);
    else if (cause !== undefined)
      this.failure.record(`the replica of the log cannot be written: ${(cause as Error).message}`);
    this.readiness.setWritable(cause === undefined);
  }

  private async closeFiles(): Promise<void> {
    const { current, options } = this;
    this.current = undefined;
    if (current === undefined) return;
    const { applier, files } = current;
    await options.readers?.closing();
    const isComplete = await applier.close();
    await files.segments.close();
    await files.index.close();
    if (!isComplete || this.mustRebuild) return;
    await files.segments.sync();
    await files.index.sync();
    await writeCleanShutdownMark(options.folder);
  }
}

/** Where an open replica goes on to follow its log. */
function cursorOf({ received, last }: Applier): LogCursor {
  return { sequence: received, last };
}
