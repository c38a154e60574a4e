import { NotPermittedError, StoreUnavailableError } from '../../store/errors';
import type { FillingProgress } from '../../store/store-info';
import { beginning, position } from '../../store/values';
import { createCommitWaiters, type CommitWaiters } from '../apply/commit-waiters';
import { Continuity } from '../apply/continuity';
import { fillingErrorAt } from '../apply/filling';
import type { OpenReplica, ReplicaKeeper } from '../apply/keeper';
import { LogComparer } from '../apply/log-comparer';
import { indexFolder, noteStoredFaults, segmentsFolder, type ReplicaOptions } from '../apply/open-files';
import { startProgressTicker } from '../apply/progress-ticker';
import { Readiness } from '../apply/readiness';
import { ReplicaIndex } from '../index/replica-index';
import { FollowedSegments } from '../segments/followed-segments';
import type { FromReader, ReplicaLink, SharedFiles, SharedStatus, ToReader } from './messages';
import { SharedProgress } from './shared-progress';

/** How to read a replica that another process writes. */
export interface SharedReplicaOptions extends Omit<ReplicaOptions, 'readers'> {
  readonly link: ReplicaLink<FromReader, ToReader>;
}

/** What LMDB says of a file that is not there: the number of ENOENT. */
const missing = 2;
/** How often the end of all subscriptions is noticed. */
const lookMs = 1_000;

const unknownYet: SharedStatus = {
  isFilled: false,
  isWritable: true,
  isFailing: false,
  refusal: undefined,
  troubleNow: '',
  troubleLately: '',
  filling: undefined,
};

interface OpenFiles extends OpenReplica {
  readonly generation: number;
  readonly segments: FollowedSegments;
  readonly applier: SharedProgress;
}

/** Reads a replica that another process keeps equal to the log. */
export class SharedKeeper implements ReplicaKeeper {
  readonly waiters: CommitWaiters = createCommitWaiters(() => {
    this.tellSubscribers(true);
  });
  readonly comparer: LogComparer;
  readonly continuity: Continuity;
  readonly readiness = new Readiness();
  end = 0n;
  private current: OpenFiles | undefined;
  /** Open files of which nothing is read any more. */
  private closing: OpenFiles | undefined;
  private status = unknownYet;
  private resets = 0;
  private hasSubscribers = false;
  private awaitedUpTo = 0n;
  private readonly ticker = startProgressTicker(this.waiters);
  private readonly timer = setInterval(() => {
    if (this.waiters.isEmpty) this.tellSubscribers(false);
  }, lookMs);

  constructor(private readonly options: SharedReplicaOptions) {
    this.comparer = new LogComparer(options.log);
    this.continuity = new Continuity(options.log);
    options.link.onMessage((message) => {
      this.receive(message);
    });
  }

  get opened(): OpenReplica | undefined {
    return this.current;
  }

  get isRefused(): boolean {
    return this.status.refusal !== undefined;
  }

  get followFailure(): ReplicaKeeper['followFailure'] {
    const { troubleNow: current, troubleLately: recent } = this.status;
    return { current, recent };
  }

  get progress(): FillingProgress | undefined {
    return this.readiness.isFilled ? undefined : this.status.filling;
  }

  whenFilled(ms: number, signal: AbortSignal): Promise<void> {
    return this.isRefused ? Promise.resolve() : this.readiness.wait(ms, signal);
  }

  fillingError(): Error {
    const { refusal, troubleNow, filling } = this.status;
    if (refusal !== undefined) return new NotPermittedError(refusal);
    if (this.current === undefined && troubleNow !== '')
      return new StoreUnavailableError(`the gateway cannot create its replica of the log: ${troubleNow}`);
    return fillingErrorAt(filling ?? { applied: position(0n), end: position(this.end), restMs: undefined });
  }

  onOtherLog(mismatch: string): void {
    const { current, comparer } = this;
    if (current === undefined) return;
    const { lostAtRebuild } = comparer;
    this.options.link.send({ kind: 'otherLog', generation: current.generation, mismatch, lostAtRebuild });
  }

  rebuild(cause: unknown): void {
    const { current } = this;
    if (current === undefined) return;
    this.options.logger.error({ err: cause }, 'the replica is damaged');
    const message = cause instanceof Error ? cause.message : String(cause);
    this.options.link.send({ kind: 'damaged', generation: current.generation, message });
    this.fail();
  }

  async close(): Promise<void> {
    this.ticker.close();
    clearInterval(this.timer);
    this.waiters.failAll(new StoreUnavailableError('the gateway is stopping'));
    await this.closeFiles();
  }

  private receive(message: ToReader): void {
    switch (message.kind) {
      case 'files':
        this.openOrRebuild(message.files);
        return;
      case 'advanced':
        this.advanceTo(message.progress);
        return;
      case 'status':
        this.take(message.status);
        return;
      case 'down':
        this.waiters.failAll(new StoreUnavailableError(message.message));
        return;
      case 'closing':
        this.fail();
        void this.closeFiles().then(() => {
          this.options.link.send({ kind: 'closed' });
        });
    }
  }

  /** Throws errors of LMDB and of the file system, except that files are missing. */
  private openOrRebuild(files: SharedFiles): void {
    try {
      this.open(files);
    } catch (error) {
      const { code, message } = error as { readonly code?: unknown; readonly message: string };
      if (code !== missing) throw error;
      // The other process, which has them open, does not notice that somebody has deleted them.
      this.options.link.send({ kind: 'damaged', generation: files.generation, message });
    }
  }

  private open({ generation, identity, resets, lostAtRebuild, progress }: SharedFiles): void {
    const { folder, limits, log } = this.options;
    const index = new ReplicaIndex(indexFolder(folder), { readOnly: true });
    const segments = new FollowedSegments(segmentsFolder(folder), limits, progress.segments);
    const { waiters } = this;
    const onAwaited = (sequence: bigint): void => {
      this.tellAwaited(sequence);
    };
    const applier = new SharedProgress({ segments, index, faults: log.faults, waiters, onAwaited }, progress);
    const files = { segments, index, log };
    if (resets !== this.resets) this.continuity.reset();
    this.resets = resets;
    this.comparer.lostAtRebuild = lostAtRebuild;
    this.awaitedUpTo = beginning;
    this.current = { generation, identity, files, segments, applier };
    this.take(this.status);
  }

  private advanceTo(progress: SharedFiles['progress']): void {
    const { current } = this;
    if (current === undefined) return;
    try {
      current.applier.advanceTo(progress);
      this.ticker.advanceTo(progress.segments.received);
    } catch (error) {
      this.rebuild(error);
    }
  }

  private take(status: SharedStatus): void {
    this.status = status;
    const { current, readiness, options } = this;
    current?.applier.setFailing(status.isFailing);
    if (status.isFilled && !readiness.isFilled && current !== undefined)
      noteStoredFaults(options, current.files).catch((err: unknown) => {
        options.logger.debug({ err }, 'the damage of the log cannot be read from the replica');
      });
    const isFilled = status.isFilled && current !== undefined;
    // Each call counts.
    if (isFilled !== readiness.isFilled) readiness.set(isFilled);
    readiness.setWritable(status.isWritable);
    if (status.refusal !== undefined) readiness.releaseAll();
  }

  /** Nothing is read of these files any more. */
  private fail(): void {
    const error = new StoreUnavailableError('the replica is being rebuilt');
    this.readiness.set(false);
    this.waiters.failAll(error);
    this.current?.applier.close();
    this.closing ??= this.current;
    this.current = undefined;
  }

  private async closeFiles(): Promise<void> {
    const files = this.closing ?? this.current;
    this.current = this.closing = undefined;
    files?.applier.close();
    await files?.segments.close();
    await files?.files.index.close();
  }

  private tellSubscribers(areThere: boolean): void {
    if (this.hasSubscribers === areThere) return;
    this.hasSubscribers = areThere;
    this.options.link.send({ kind: 'subscribers', areThere });
  }

  private tellAwaited(sequence: bigint): void {
    if (sequence <= this.awaitedUpTo) return;
    this.awaitedUpTo = sequence;
    this.options.link.send({ kind: 'awaiting', sequence });
  }
}
