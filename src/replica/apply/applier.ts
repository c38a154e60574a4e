import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { StoreUnavailableError } from '../../store/errors';
import type { LogEntry } from '../../store/log';
import type { Sequence } from '../../store/values';
import { CommitIdFilter } from '../index/commit-id-filter';
import type { WrittenSegments } from '../segments/followed-segments';
import type { StreamVersions } from '../index/stream-versions';
import { AppliedWaiters } from './applied-waiters';
import type { CommitWaiters } from './commit-waiters';
import { eraseCommits, isIndexed, partsOf, type Part } from './erase-commits';
import type { ReplicaProgress } from './keeper';
import type { WrittenFiles } from './open-files';
import { settledOrAborted } from './settled-or-aborted';
import { encodeState, type ReplicaState } from './state';
import { wakeWaiters } from './wake-waiters';
import { eventsOf, WriteBatch, type BatchState } from './write-batch';

/** How long a commit waits for others before it is put into the index, unless a read waits for it. */
const lagMs = 20;
/** A batch with more commits, or one for which no read waits, is put into the index in the background. */
const commitsSyncMax = 200;
/**
 * Bounds of a batch while the replica is filled. A batch writes nearly one page of the index for every key, and fewer for each
 * key the larger it is. A larger batch would block the thread of the gateway, and use memory for the pages, for too long.
 */
const commitsBatchMax = 20_000;
const bytesBatchMax = 8 << 20;
const retryMs = 1_000;
/** How long after a read had to wait new entries are still fetched at once. */
const awaitedMs = 1_000;

export interface ApplierOptions extends WrittenFiles {
  readonly versions: StreamVersions;
  readonly state: ReplicaState;
  readonly waiters: CommitWaiters;
  readonly logger: Logger;
  /** Called with the cause each time a batch cannot be written, and with undefined when one is written again. */
  readonly onWriteFailure: (cause: unknown) => void;
  /** Called when a read begins to wait for entries that were not received yet. */
  readonly onAwaited: () => void;
  /** Called when the files have more; undefined: no other process reads them. */
  readonly onAdvanced: (() => void) | undefined;
}

/** Puts the entries of the log into the segments and, in batches, into the index; wakes those that wait for them. */
export class Applier implements ReplicaProgress {
  private batch: WriteBatch;
  private readonly batchState: BatchState;
  private commits = 0;
  eventsReceived = 0;
  private state: ReplicaState;
  private receivedUpTo: Sequence;
  private lastReceived: ReplicaState['last'];
  private readonly reads = new AppliedWaiters();
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  private failure: StoreUnavailableError | undefined;
  private isClosed = false;
  private flushed: WrittenSegments;
  private awaitedAtMs = -Infinity;

  constructor(private readonly options: ApplierOptions) {
    const { state } = options;
    this.state = state;
    this.receivedUpTo = state.applied;
    this.lastReceived = state.last;
    this.batchState = {
      segment: 0,
      offset: -1,
      newestNanos: state.newestNanos,
      ids: new CommitIdFilter(state.idTimes),
      lost: state.lost,
    };
    this.batch = this.newBatch();
    this.flushed = this.segmentsNow();
  }

  /** The index has all messages up to here. */
  get applied(): Sequence {
    return this.state.applied;
  }

  /** The segments have all messages up to here. */
  get received(): Sequence {
    return this.receivedUpTo;
  }

  /** What the files of the segments have, which other processes read. */
  get written(): WrittenSegments {
    return this.flushed;
  }

  /** The newest commit that was received. */
  get last(): ReplicaState['last'] {
    return this.lastReceived;
  }

  /** The lost messages among those that were received. */
  get lost(): ReplicaState['lost'] {
    return this.batchState.lost;
  }

  /** The commit ids that were received. */
  get ids(): CommitIdFilter {
    return this.batchState.ids;
  }

  /** Whether a read had to wait for entries, now or a moment ago: others may follow. */
  get wasAwaited(): boolean {
    return performance.now() - this.awaitedAtMs < awaitedMs;
  }

  /** Whether batches cannot be written. */
  get isFailing(): boolean {
    return this.failure !== undefined;
  }

  /** Receives durable entries as soon as the batch has space, erasures once the batch can have them; none after the signal aborts. */
  async receive(
    groups: readonly (readonly LogEntry[])[],
    upTo: Sequence,
    signal: AbortSignal,
  ): Promise<void> {
    for (const part of partsOf(groups, upTo)) {
      while (this.mustFlushBefore(part) && !this.isClosed && !signal.aborted)
        await settledOrAborted(this.flush(), signal);
      if (this.isClosed || signal.aborted) return;
      this.add(part);
    }
  }

  private add({ groups, upTo }: Part): void {
    const before = this.receivedUpTo;
    for (const group of groups) this.batch.add(group);
    this.commits += groups.length;
    this.eventsReceived += eventsOf(groups);
    this.batch.upTo = this.receivedUpTo = upTo;
    this.lastReceived = this.batch.last ?? this.lastReceived;
    wakeWaiters(this.options.waiters, groups, before);
    if (this.options.onAdvanced !== undefined) this.flushForOthers();
    this.scheduleFlush();
  }

  private flushForOthers(): void {
    try {
      this.flushSegments();
      this.options.onAdvanced?.();
    } catch {
      // The next batch tries again, and reports the failure.
    }
  }

  private flushSegments(): void {
    this.options.segments.flush();
    this.flushed = this.segmentsNow();
  }

  private segmentsNow(): WrittenSegments {
    const { end, first } = this.options.segments;
    return { received: this.receivedUpTo, end, first };
  }

  /**
   * Resolves when the index has all messages up to a sequence; undefined: it has them. Rejects while batches cannot be written,
   * after a time, and when the signal aborts.
   */
  waitUntilApplied(sequence: bigint, signal: AbortSignal, timeoutMs?: number): Promise<void> | undefined {
    if (sequence <= this.state.applied) return undefined;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (sequence > this.receivedUpTo) {
      this.awaitedAtMs = performance.now();
      this.options.onAwaited();
    }
    const waiting = this.reads.wait(sequence, signal, timeoutMs);
    this.scheduleFlush();
    return waiting;
  }

  /** Ends the wait for space in the batch, and retries of a failed write. */
  stop(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  /** Writes the last batch; returns whether that succeeded. */
  async close(): Promise<boolean> {
    this.stop();
    await this.flushing?.catch(() => undefined);
    // The batch that was filled meanwhile.
    if (this.failure === undefined) await this.flush().catch(() => undefined);
    this.reads.rejectAll(new StoreUnavailableError('the replica of the log is closed'));
    return this.failure === undefined;
  }

  private newBatch(): WriteBatch {
    const { segments, versions } = this.options;
    return new WriteBatch(segments, versions, this.batchState);
  }

  /** Flushes at once if a read waits for the batch or the batch is full, otherwise after a moment. */
  private scheduleFlush(): void {
    if (this.receivedUpTo <= this.state.applied || this.flushing !== undefined) return;
    if (this.failure !== undefined || this.isClosed) return;
    if (this.isBatchFull || this.reads.hasUpTo(this.receivedUpTo)) {
      void this.flush().catch(() => undefined);
      return;
    }
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush().catch(() => undefined);
    }, lagMs);
  }

  private mustFlushBefore({ erasure }: Part): boolean {
    if (erasure === undefined || this.receivedUpTo <= this.state.applied) return this.isBatchFull;
    return this.isBatchFull || !isIndexed(this.options.index, erasure);
  }

  private get isBatchFull(): boolean {
    return this.commits >= commitsBatchMax || this.batch.bytes >= bytesBatchMax;
  }

  private flush(): Promise<void> {
    this.flushing ??= this.writeBatch().finally(() => {
      this.flushing = undefined;
      this.scheduleFlush();
    });
    return this.flushing;
  }

  private async writeBatch(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { batch } = this;
    if (batch.upTo <= this.state.applied) return;
    const state = this.stateAfter(batch);
    const isSync = this.reads.hasUpTo(this.receivedUpTo) && this.commits <= commitsSyncMax;
    this.batch = this.newBatch();
    this.commits = 0;
    for (;;) {
      try {
        const writing = this.write(batch, state, isSync);
        if (writing !== undefined) await writing;
        break;
      } catch (error) {
        this.onWriteFailed(error);
        await sleep(retryMs);
        if (this.isClosed) return;
      }
    }
    this.state = state;
    this.onWritten();
    this.options.onAdvanced?.();
    this.reads.resolveUpTo(state.applied);
  }

  /** The state of the replica once a batch is written. */
  private stateAfter(batch: WriteBatch): ReplicaState {
    const { identity } = this.state;
    const { newestNanos, ids, lost } = this.batchState;
    return {
      identity,
      applied: batch.upTo,
      last: batch.last ?? this.state.last,
      end: this.options.segments.end,
      newestNanos,
      idTimes: ids.times,
      lost,
    };
  }

  /** Returns undefined if the batch is written when it returns. */
  private write(batch: WriteBatch, state: ReplicaState, isSync: boolean): Promise<void> | undefined {
    this.flushSegments();
    const { index } = this.options;
    const additions = { entries: batch.entries, state: encodeState(state) };
    if (batch.erasures.length > 0)
      return eraseCommits(this.options, batch.erasures).then(() => index.putInBackground(additions));
    if (!isSync) return index.putInBackground(additions);
    index.putSync(additions);
    return undefined;
  }

  private onWritten(): void {
    if (this.failure === undefined) return;
    this.failure = undefined;
    this.options.logger.info('the replica of the log can be written again');
    this.options.onWriteFailure(undefined);
  }

  private onWriteFailed(cause: unknown): void {
    const message = 'the replica of the log cannot be written';
    if (this.failure === undefined) this.options.logger.error({ err: cause }, message);
    this.failure = new StoreUnavailableError(message, { cause });
    this.reads.rejectAll(this.failure);
    this.options.onWriteFailure(cause);
  }
}
