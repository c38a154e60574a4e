import { setTimeout as sleep } from 'node:timers/promises';
import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { LogFaults } from '../store/log';
import type { FillingProgress, ReplicaFindings } from '../store/store-info';
import { position } from '../store/values';
import { createCatchUps, type CatchUps } from './subscriptions/catch-up-budget';
import { isDamagedReplica } from './segments/damage';
import { folderBytes } from './folder-bytes';
import { Keeper, knownOf, type Opened } from './apply/replicator';
import type { ReplicaOptions } from './apply/open-files';
import type { ReplicaFiles } from './index/replica-files';
import type { FollowedReplica } from './subscriptions/followed-replica';
import type { Waiters } from './apply/waiters';

/** So long a read waits for a replica that is nearly filled, rather than to be refused. */
const filledWaitMs = 2_000;
/** Pause before the log is asked again that said what cannot be. */
const doubtPauseMs = 50;

/** This gateway's copy of the log, for those who read. */
export class Replica implements FollowedReplica {
  readonly limits: Limits;
  readonly faults: LogFaults;
  readonly catchUps: CatchUps;
  private readonly keeper: Keeper;

  private constructor(private readonly options: ReplicaOptions) {
    this.limits = options.limits;
    this.faults = options.log.faults;
    this.catchUps = createCatchUps(options.limits);
    this.keeper = new Keeper(options);
  }

  /** Opens the replica in a folder and begins to follow the log; comes back when it is filled, or after a moment. */
  static async open(options: ReplicaOptions, waitMs: number): Promise<Replica> {
    const replica = new Replica(options);
    await replica.keeper.whenFilled(waitMs, new AbortController().signal);
    return replica;
  }

  get files(): ReplicaFiles {
    return this.current.files;
  }

  get waiters(): Waiters {
    return this.keeper.waiters;
  }

  /** All messages up to here can be read in order. */
  get received(): bigint {
    return this.keeper.opened?.applier.received ?? 0n;
  }

  get applied(): bigint {
    return this.keeper.opened?.applier.applied ?? 0n;
  }

  /** Whether a commit may have this id, as far as can be told without the index; false: none does. */
  mayContain(commitId: string): boolean {
    return this.current.applier.ids.mayHave(commitId);
  }

  get isFilled(): boolean {
    return this.keeper.readiness.isFilled;
  }

  /** Whether it is filled, and goes on. */
  get ready(): boolean {
    const { readiness, isRefused, opened } = this.keeper;
    return readiness.isFilled && !isRefused && opened?.applier.isStuck === false;
  }

  /** Whether the log may not be what it was when it was last compared with the replica. */
  get isDoubted(): boolean {
    return this.keeper.continuity.isDoubted;
  }

  /** Told whether it is filled: now and whenever it changes. */
  onFilled(listener: (isFilled: boolean) => void): void {
    this.keeper.readiness.onChange(listener);
  }

  get fillingSinceMs(): number {
    return this.keeper.readiness.fillingSinceMs;
  }

  /** How far it is; undefined: it is filled, or has not begun. */
  get progress(): FillingProgress | undefined {
    return this.keeper.progress;
  }

  /** For those who cannot wait until it is filled. */
  fillingError(): Error {
    return this.keeper.filling();
  }

  /** Something that this gateway stored was acknowledged; later reads see it. */
  onAcknowledged(sequence: bigint): void {
    this.keeper.continuity.acknowledge(sequence);
  }

  /**
   * Waits until all that was acknowledged before can be read; of any replica, until it is filled. Gives the position up to
   * which it goes. Throws ReplicaFillingError and StoreUnavailableError.
   */
  async catchUp(consistency: 'leader' | 'anyReplica', call: CallContext): Promise<bigint> {
    await this.whenFilled(call);
    if (consistency === 'leader') await this.waitUntilApplied(await this.currentEnd(call), call);
    return this.current.applier.applied;
  }

  /** Waits until all messages up to a sequence can be read. */
  async waitUntilApplied(sequence: bigint, call: CallContext): Promise<void> {
    const { applier } = this.current;
    // Whoever need not wait shall not have its signal made, which takes as long as a look-up.
    if (sequence <= applier.applied) return;
    const timeoutMs = Math.min(this.limits.readProgressTimeoutMs, call.deadlineMs - Date.now());
    await applier.through(sequence, call.signal, timeoutMs);
  }

  /** Throws if the files are not those that are in use any more. */
  throwIfReplaced(files: ReplicaFiles): void {
    if (this.keeper.opened?.files !== files) throw this.fillingError();
  }

  /** What an error means that a read of the files met: damaged ones are removed and made again. */
  toStoreError(error: unknown): unknown {
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    const isClosed = code === 'EBADF';
    if (!isDamagedReplica(error) && code !== 'ENOENT' && !isClosed) return error;
    if (!isClosed) this.keeper.rebuild(error);
    return new StoreUnavailableError('the replica of the log is made again', { cause: error });
  }

  async findings(): Promise<ReplicaFindings> {
    const { keeper } = this;
    const bytes = BigInt(await folderBytes(this.options.folder));
    return {
      position: position(this.applied),
      isFilled: keeper.readiness.isFilled,
      troubleNow: keeper.troubles.now,
      troubleLately: keeper.troubles.lately,
      bytes,
    };
  }

  close(): Promise<void> {
    return this.keeper.close();
  }

  /** The end of the log, and never less than what this gateway has acknowledged. */
  private async currentEnd(call: CallContext): Promise<bigint> {
    const { keeper, isDoubted } = this;
    if (!this.options.log.isSoleWriter || isDoubted) keeper.end = await this.askEnd(call);
    const { acknowledged } = keeper.continuity;
    return keeper.end > acknowledged ? keeper.end : acknowledged;
  }

  private async askEnd(call: CallContext): Promise<bigint> {
    const { continuity, judge } = this.keeper;
    for (;;) {
      const { current } = this;
      const moment = continuity.now();
      const before = { known: knownOf(current), acknowledged: moment.acknowledged };
      const end = await this.options.log.end(call);
      const { reason, isCertain } = continuity.isDoubted
        ? await judge.disagreement(end, before, call)
        : judge.contradiction(end, before);
      const isAsBefore = continuity.isAsAt(moment) && this.keeper.opened === current;
      if (isAsBefore && reason === undefined) {
        continuity.compared(moment);
        return end.sequence;
      }
      if (isAsBefore && reason !== undefined && isCertain) this.keeper.goBack(reason);
      await sleep(doubtPauseMs);
      await this.whenFilled(call);
      if (Date.now() > call.deadlineMs)
        throw new StoreUnavailableError(`${reason ?? 'the log is in doubt'}; asking again`);
    }
  }

  private get current(): Opened {
    const { opened } = this.keeper;
    if (opened === undefined) throw this.fillingError();
    return opened;
  }

  private async whenFilled(call: CallContext): Promise<void> {
    const { keeper } = this;
    if (keeper.isRefused) throw this.fillingError();
    if (keeper.readiness.isFilled) return;
    await keeper.whenFilled(Math.min(filledWaitMs, call.deadlineMs - Date.now()), call.signal);
    call.signal.throwIfAborted();
    if (this.isFilled) return;
    throw this.fillingError();
  }
}
