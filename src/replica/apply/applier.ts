import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { StoreUnavailableError } from '../../store/errors';
import { Batch, type Progress } from './write-batch';
import type { StreamVersions } from '../index/stream-versions';
import { NewestIds } from '../index/newest-ids';
import type { ReplicaIndex } from '../index/replica-index';
import { isDamage, type LogEntry } from '../../store/log';
import type { Segments } from '../segments/segments';
import { encodeState, type ReplicaState } from './state';
import type { Waiters } from './waiters';

/** At the end of the log commits wait so long for others, unless a read wants them. */
const lagMs = 20;
/** More of them, or those that nobody waits for, are put into the index in the background. */
const commitsNowMax = 200;
/**
 * While the replica is filled: a batch changes a page of the index for nearly every key, and fewer for each key the larger it is.
 * Larger ones would hold the gateway's thread, and the pages its memory, for long.
 */
const commitsBatchMax = 20_000;
const bytesBatchMax = 8 << 20;
const retryMs = 1_000;
/** So long after a read had to wait, what comes is still taken at once. */
const awaitedMs = 1_000;

interface Reader {
  readonly sequence: bigint;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** More milliseconds than a timer takes. */
const timeoutMsMax = 2 ** 31 - 1;

export interface ApplyOptions {
  readonly segments: Segments;
  readonly index: ReplicaIndex;
  readonly heads: StreamVersions;
  readonly state: ReplicaState;
  /** Those who wait for new commits. */
  readonly waiters: Waiters;
  readonly logger: Logger;
  /** Told why entries cannot be stored, again and again; and undefined once they can. */
  readonly onTrouble: (cause: unknown) => void;
  /** A read waits for what has not come yet. */
  readonly onAwaited: () => void;
}

/** Puts entries of the log into the segments and the index, in batches, and tells who waits for them. */
export class Applier {
  private batch: Batch;
  private readonly progress: Progress;
  private commits = 0;
  private state: ReplicaState;
  private receivedThrough: bigint;
  private lastReceived: ReplicaState['last'];
  private readonly readers = new Set<Reader>();
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  private trouble: StoreUnavailableError | undefined;
  private closed = false;
  private awaitedAtMs = -Infinity;

  constructor(private readonly options: ApplyOptions) {
    this.state = options.state;
    this.receivedThrough = options.state.applied;
    this.lastReceived = options.state.last;
    this.progress = {
      segment: 0,
      offset: -1,
      newestNanos: options.state.newestNanos,
      ids: new NewestIds(options.state.idTimes),
      lost: options.state.lost,
    };
    this.batch = this.newBatch();
  }

  /** All messages up to here are in the index. */
  get applied(): bigint {
    return this.state.applied;
  }

  /** All messages up to here are in the segments. */
  get received(): bigint {
    return this.receivedThrough;
  }

  /** The newest commit that was received. */
  get last(): ReplicaState['last'] {
    return this.lastReceived;
  }

  /** Messages that are gone among what was received. */
  get lost(): ReplicaState['lost'] {
    return this.progress.lost;
  }

  /** The commit ids of the newest commits that were received. */
  get ids(): NewestIds {
    return this.progress.ids;
  }

  /** Whether a read had to wait for what had not come yet, now or a moment ago: others may follow. */
  get wasAwaited(): boolean {
    return performance.now() - this.awaitedAtMs < awaitedMs;
  }

  /** Whether entries cannot be stored. */
  get isStuck(): boolean {
    return this.trouble !== undefined;
  }

  /** Takes entries that cannot be lost any more, as soon as there is room; none after the signal is aborted. */
  async take(groups: readonly (readonly LogEntry[])[], through: bigint, signal: AbortSignal): Promise<void> {
    while (this.isMuch && !this.closed && !signal.aborted) await orAborted(this.flush(), signal);
    if (this.closed || signal.aborted) return;
    const before = this.receivedThrough;
    for (const group of groups) this.batch.add(group);
    this.commits += groups.length;
    this.batch.through = through;
    this.receivedThrough = through;
    this.lastReceived = this.batch.last ?? this.lastReceived;
    this.wake(groups, before);
    this.flushSoon();
  }

  private wake(groups: readonly (readonly LogEntry[])[], before: bigint): void {
    const { waiters } = this.options;
    for (const group of groups) {
      for (const entry of group) {
        // What is gone may have been of any stream.
        if (isDamage(entry) && entry.kind === 'lost') waiters.wakeAll(before);
        else waiters.wake(entry.stream, before);
      }
    }
  }

  /**
   * Resolves when all messages up to a sequence are in the index; undefined: they are. Rejects while they cannot be stored, after a
   * time, and with the reason of the signal.
   */
  through(sequence: bigint, signal: AbortSignal, timeoutMs = timeoutMsMax): Promise<void> | undefined {
    if (sequence <= this.state.applied) return undefined;
    if (this.trouble !== undefined) return Promise.reject(this.trouble);
    if (sequence > this.receivedThrough) this.awaited();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.readers.delete(reader);
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        reader.reject(signal.reason as Error);
      };
      const reader: Reader = {
        sequence,
        resolve() {
          end();
          resolve();
        },
        reject(error) {
          end();
          reject(error);
        },
      };
      const giveUp = (): void => {
        reader.reject(new StoreUnavailableError('the replica of the log has not come so far in time'));
      };
      const timer = setTimeout(giveUp, Math.max(0, Math.min(timeoutMs, timeoutMsMax)));
      this.readers.add(reader);
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
      else this.flushSoon();
    });
  }

  private awaited(): void {
    this.awaitedAtMs = performance.now();
    this.options.onAwaited();
  }

  /** Whoever waits for room, or until what cannot be stored is stored, waits no longer. */
  stop(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** Stores what it has; whether it could. */
  async close(): Promise<boolean> {
    this.stop();
    await this.flushing?.catch(() => undefined);
    // What came in the meantime.
    if (this.trouble === undefined) await this.flush().catch(() => undefined);
    const error = new StoreUnavailableError('the replica of the log is closed');
    for (const reader of [...this.readers]) reader.reject(error);
    return this.trouble === undefined;
  }

  private newBatch(): Batch {
    const { segments, heads } = this.options;
    return new Batch(segments, heads, this.progress);
  }

  /** At once if a read waits for what has come or there is much, else in a while. */
  private flushSoon(): void {
    if (this.receivedThrough <= this.state.applied || this.flushing !== undefined) return;
    if (this.trouble !== undefined || this.closed) return;
    if (this.isMuch || this.isWanted()) {
      void this.flush().catch(() => undefined);
      return;
    }
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush().catch(() => undefined);
    }, lagMs);
  }

  private get isMuch(): boolean {
    return this.commits >= commitsBatchMax || this.batch.bytes >= bytesBatchMax;
  }

  private isWanted(): boolean {
    for (const { sequence } of this.readers) if (sequence <= this.receivedThrough) return true;
    return false;
  }

  private flush(): Promise<void> {
    this.flushing ??= this.store().finally(() => {
      this.flushing = undefined;
      this.flushSoon();
    });
    return this.flushing;
  }

  private async store(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { segments, index } = this.options;
    const { batch, commits } = this;
    const isWanted = this.isWanted();
    if (batch.through <= this.state.applied) return;
    const { identity } = this.state;
    const { newestNanos, ids, lost } = this.progress;
    const idTimes = ids.times;
    const last = batch.last ?? this.state.last;
    const state = { identity, applied: batch.through, last, end: segments.end, newestNanos, idTimes, lost };
    this.batch = this.newBatch();
    this.commits = 0;
    for (;;) {
      try {
        segments.write();
        const additions = { entries: batch.entries, state: encodeState(state) };
        if (isWanted && commits <= commitsNowMax) index.putNow(additions);
        else await index.putSoon(additions);
        break;
      } catch (error) {
        this.onTrouble(error);
        await sleep(retryMs);
        if (this.closed) return;
      }
    }
    this.state = state;
    this.troubleIsOver();
    for (const reader of [...this.readers]) if (reader.sequence <= state.applied) reader.resolve();
  }

  private troubleIsOver(): void {
    if (this.trouble === undefined) return;
    this.trouble = undefined;
    this.options.logger.info('the replica of the log can be written again');
    this.options.onTrouble(undefined);
  }

  private onTrouble(cause: unknown): void {
    if (this.trouble === undefined)
      this.options.logger.error({ err: cause }, 'the replica of the log cannot be written');
    this.trouble = new StoreUnavailableError('the replica of the log cannot be written', { cause });
    for (const reader of [...this.readers]) reader.reject(this.trouble);
    this.options.onTrouble(cause);
  }
}

/** Resolves when a promise is settled, or the signal is aborted. */
function orAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener('abort', end);
      resolve();
    };
    signal.addEventListener('abort', end);
    promise.then(end, end);
  });
}
