import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotPermittedError, StoreUnavailableError } from '../../store/errors';
import { lostConnection, type LogEnd, type LogSink } from '../../store/log';
import type { FillingProgress } from '../../store/store-info';
import { Applier } from './applier';
import { leaveCleanMark } from './clean-shutdown';
import { Continuity, type Moment } from './continuity';
import { isDamagedReplica } from '../segments/damage';
import { Filling, logFilling } from './filling';
import { createStreamVersions } from '../index/stream-versions';
import { Judge, type Known } from './log-comparer';
import { noteFaults } from './note-faults';
import { openFiles, removeFiles, type ReplicaOptions } from './open-files';
import type { ReplicaFiles } from '../index/replica-files';
import { Readiness } from './readiness';
import { startSweeper } from './progress-ticker';
import { createTrouble, type Trouble } from './recent-failure';
import { createWaiters, type Waiters } from './waiters';

/** What a replica has opened, and where its entries go. */
export interface Opened {
  readonly files: ReplicaFiles;
  readonly applier: Applier;
  readonly identity: string;
}

const retryMs = 250;
/** NATS writes each refusal into its log. */
const retryRefusedMs = 5_000;

/** Makes a replica from the log, and makes it again whenever it does not fit. */
export class Keeper {
  readonly waiters: Waiters = createWaiters(() => {
    this.hurry();
  });
  readonly judge: Judge;
  readonly continuity: Continuity;
  /** The end of the log, as far as it was asked for. */
  end = 0n;
  readonly readiness = new Readiness();
  private readonly trouble = createTrouble();
  private readonly sweeper = startSweeper(this.waiters);
  private readonly stop = new AbortController();
  private readonly running: Promise<void>;
  private openedNow: Opened | undefined;
  private mustRebuild = false;
  /** Why the log cannot be followed at all. */
  private refusal: NotPermittedError | undefined;
  private readonly fillingNow = new Filling(() => ({
    applied: this.openedNow?.applier.applied ?? 0n,
    end: this.end,
  }));
  private readonly fillingLog: Disposable;
  private following: AbortController | undefined;
  /** Somebody waits for what the log has. */
  private hurry: () => void = () => undefined;

  constructor(private readonly options: ReplicaOptions) {
    this.judge = new Judge(options.log);
    this.continuity = new Continuity(options.log);
    // Nothing more is taken from it until it was compared.
    options.log.onDoubt(() => this.following?.abort());
    this.fillingLog = logFilling(options.logger, () => this.progress);
    this.running = this.run();
  }

  /** Another log is there, or what it was earlier. */
  goBack(reason: string): void {
    this.continuity.goBack();
    this.rebuild(new Error(reason));
  }

  get opened(): Opened | undefined {
    return this.mustRebuild ? undefined : this.openedNow;
  }

  /** Whether the log cannot be followed, for want of a permission. */
  get isRefused(): boolean {
    return this.refusal !== undefined;
  }

  /** Why new commits do not come, and did not lately. */
  get troubles(): Pick<Trouble, 'now' | 'lately'> {
    return this.trouble;
  }

  /** Resolves when it is filled, or after a time, or when the signal is aborted, or when it cannot be. */
  whenFilled(ms: number, signal: AbortSignal): Promise<void> {
    return this.refusal === undefined ? this.readiness.wait(ms, signal) : Promise.resolve();
  }

  /** How far it is; undefined: it is filled, or has not begun. */
  get progress(): FillingProgress | undefined {
    return this.readiness.isFilled || this.openedNow === undefined ? undefined : this.fillingNow.progress;
  }

  /** For those who cannot wait until it is filled. */
  filling(): Error {
    if (this.refusal !== undefined) return this.refusal;
    const { now: reason } = this.trouble;
    if (this.openedNow === undefined && reason !== '')
      return new StoreUnavailableError(`the gateway cannot make its replica of the log: ${reason}`);
    return this.fillingNow.error();
  }

  /** Removes the files and makes them again. */
  rebuild(cause: unknown): void {
    if (this.opened === undefined) return;
    this.options.logger.error({ err: cause }, 'the replica of the log does not fit; it is made again');
    this.mustRebuild = true;
    this.readiness.set(false);
    this.waiters.failAll(new StoreUnavailableError('the replica of the log is made again', { cause }));
    this.openedNow?.applier.stop();
    this.following?.abort();
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.openedNow?.applier.stop();
    this.sweeper.close();
    this.fillingLog[Symbol.dispose]();
    await this.running;
    this.waiters.failAll(new StoreUnavailableError('the gateway is stopping'));
    await this.closeFiles();
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    const { logger, limits } = this.options;
    let downSinceMs: number | undefined;
    const onProgress = (): void => {
      downSinceMs = undefined;
      if (this.openedNow?.applier.isStuck !== true) this.trouble.over();
    };
    while (!signal.aborted) {
      let cause: unknown;
      await this.followOnce(onProgress).catch((error: unknown) => {
        cause = error;
        this.onFailure(error);
      });
      downSinceMs ??= Date.now();
      const isDown = Date.now() - downSinceMs > limits.readProgressTimeoutMs;
      if (isDown && !this.stop.signal.aborted) {
        this.waiters.failAll(new StoreUnavailableError('the newest commits cannot be had', { cause }));
        logger.warn({ err: cause }, 'the newest commits cannot be had');
        downSinceMs = undefined;
      }
      const pauseMs = this.refusal === undefined ? retryMs : retryRefusedMs;
      const isAtOnce = this.mustRebuild && cause === undefined;
      await sleep(isAtOnce ? 0 : pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private onFailure(error: unknown): void {
    if (this.stop.signal.aborted) return;
    this.options.logger.debug({ err: error }, 'the log cannot be followed');
    this.trouble.met(error instanceof Error ? error.message : String(error));
    if (!(error instanceof NotPermittedError)) return;
    this.refusal = error;
    this.readiness.letGo();
  }

  private async followOnce(onProgress: () => void): Promise<void> {
    const { log, logger } = this.options;
    const before = this.continuity.now();
    const end = await log.end({ signal: this.stop.signal, deadlineMs: Infinity });
    const opened = await this.openFor(end, before);
    // It must be asked and compared again: what was acknowledged meanwhile may lie after this end.
    if (opened === undefined || !this.continuity.isAsAt(before)) return;
    this.continuity.compared(before);
    const { applier } = opened;
    this.end = end.sequence;
    this.fillingNow.start();
    this.following = new AbortController();
    const signal = AbortSignal.any([this.stop.signal, this.following.signal]);
    const place = { sequence: applier.received, last: applier.last };
    const sink = this.sinkOf(applier, end, { onProgress, signal });
    const reason = await log.follow(place, sink, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return 'aborted';
    });
    if (signal.aborted) return;
    logger.warn({ reason }, 'the log does not come any more; asking again');
    if (reason !== lostConnection) this.trouble.met(reason);
  }

  private sinkOf(
    applier: Applier,
    { sequence }: LogEnd,
    { onProgress, signal }: { readonly onProgress: () => void; readonly signal: AbortSignal },
  ): LogSink {
    return {
      receive: async (groups, upTo) => {
        noteFaults(this.options.log.faults, groups);
        await applier.take(groups, upTo, signal);
        // Not before it is taken, or it would be passed over by who waits for it.
        if (applier.received >= upTo) this.sweeper.reached(upTo);
      },
      onStarted: (hurry) => {
        this.hurry = hurry;
        this.refusal = undefined;
        if (!this.readiness.isFilled) void this.filledAt(sequence, applier, signal);
      },
      onProgress,
      isAwaited: () => !this.waiters.isEmpty || applier.wasAwaited,
    };
  }

  private async filledAt(sequence: bigint, applier: Applier, signal: AbortSignal): Promise<void> {
    while (applier.applied < sequence && !signal.aborted) {
      // It may be that nothing can be written for a while.
      const isThere = applier.through(sequence, signal)?.then(() => true);
      if ((await isThere?.catch(() => false)) === false)
        await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
    if (this.opened?.applier !== applier || signal.aborted) return;
    this.readiness.set(true);
    this.options.logger.info({ applied: applier.applied.toString() }, 'the replica of the log is complete');
  }

  /** Opens the files, or makes new ones if those that are there are not of this log. undefined: the log has gone back. */
  private async openFor(end: LogEnd, { acknowledged }: Moment): Promise<Opened | undefined> {
    const { folder, logger } = this.options;
    const call = { signal: this.stop.signal, deadlineMs: Infinity };
    const { opened } = this;
    const known = opened && knownOf(opened);
    const { reason, isCertain } = await this.judge.disagreement(end, { known, acknowledged }, call);
    if (reason !== undefined) {
      if (!isCertain) throw new StoreUnavailableError(`${reason}; asking again`);
      this.goBack(reason);
      return undefined;
    }
    if (opened !== undefined && this.opened === opened) return opened;
    if (this.mustRebuild) {
      await this.closeFiles();
      await removeFiles(folder);
      this.mustRebuild = false;
    }
    const { files, state } = await openFiles(this.options, this.judge, end, call);
    const heads = createStreamVersions(files.index);
    const onTrouble = (cause: unknown): void => {
      this.onWriting(cause);
    };
    const onAwaited = (): void => {
      this.hurry();
    };
    const applier = new Applier({
      ...files,
      heads,
      state,
      waiters: this.waiters,
      logger,
      onTrouble,
      onAwaited,
    });
    return (this.openedNow = { files, applier, identity: end.identity });
  }

  private onWriting(cause: unknown): void {
    if (isDamagedReplica(cause)) this.rebuild(cause);
    else if (cause !== undefined)
      this.trouble.met(`the replica of the log cannot be written: ${(cause as Error).message}`);
    this.readiness.setWritable(cause === undefined);
  }

  private async closeFiles(): Promise<void> {
    const { openedNow, options } = this;
    this.openedNow = undefined;
    if (openedNow === undefined) return;
    const { applier, files } = openedNow;
    const isWhole = await applier.close();
    await files.segments.close();
    await files.index.close();
    if (!isWhole || this.mustRebuild) return;
    await files.segments.sync();
    await files.index.sync();
    await leaveCleanMark(join(options.folder));
  }
}

/** What is known of the log by what was received of it. */
export function knownOf({ identity, applier: { received: applied, last, lost } }: Opened): Known {
  return { identity, applied, last, lost };
}
