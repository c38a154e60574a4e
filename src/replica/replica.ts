import { setTimeout as sleep } from 'node:timers/promises';
import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { LogFaults } from '../store/log';
import type { FillingProgress, ReplicaFindings } from '../store/store-info';
import type { ReplicaFacts } from '../store/store-facts';
import { during } from '../store/trace';
import { beginning, position, type Sequence } from '../store/values';
import type { CommitWaiters } from './apply/commit-waiters';
import type { ReplicaOptions } from './apply/open-files';
import { knownOf, type OpenReplica, type ReplicaKeeper } from './apply/keeper';
import { Replicator } from './apply/replicator';
import { folderBytes } from './folder-bytes';
import type { ReplicaFiles } from './index/replica-files';
import { isDamagedReplica } from './segments/damage';
import { createCatchUpBudget, type CatchUpBudget } from './subscriptions/catch-up-budget';
import { SharedKeeper, type SharedReplicaOptions } from './share/shared-keeper';
import type { Publication } from './share/publication';
import { OpenSubscriptions } from './subscriptions/open-subscriptions';
import { SharedHiding } from './subscriptions/shared-hiding';
import type { FollowedReplica } from './subscriptions/followed-replica';

/** How long a read waits for a replica that is nearly filled before it fails. */
const filledWaitMs = 2_000;
/** The pause before another request for the end of a log that seems not to match. */
const doubtPauseMs = 50;
/** How often a process that does not follow the log looks whether the log is in doubt. */
const confirmIntervalMs = 1_000;

/** This gateway's copy of the log, as reads, subscriptions and appends use it. */
export class Replica implements FollowedReplica {
  readonly limits: Limits;
  readonly faults: LogFaults;
  readonly catchUpBudget: CatchUpBudget;
  readonly subscriptions = new OpenSubscriptions();
  readonly hiding = new SharedHiding();

  private confirming: NodeJS.Timeout | undefined;

  private constructor(
    private readonly options: Omit<ReplicaOptions, 'readers'>,
    private readonly keeper: ReplicaKeeper,
  ) {
    this.limits = options.limits;
    this.faults = options.log.faults;
    this.catchUpBudget = createCatchUpBudget(options.limits);
  }

  /**
   * Opens the replica and begins to follow the log, so that `publication` can let other processes read it. Resolves when the
   * replica is filled, at the latest after `waitMs`.
   */
  static async open(options: ReplicaOptions, waitMs: number, publication?: Publication): Promise<Replica> {
    const replicator = new Replicator({ ...options, readers: publication });
    publication?.begin(replicator);
    await replicator.whenFilled(waitMs, new AbortController().signal);
    return new Replica(options, replicator);
  }

  /** Opens a replica that another process keeps equal to the log. Resolves as `open` does. */
  static async openShared(options: SharedReplicaOptions, waitMs: number): Promise<Replica> {
    const keeper = new SharedKeeper(options);
    await keeper.whenFilled(waitMs, new AbortController().signal);
    const replica = new Replica(options, keeper);
    replica.confirming = setInterval(() => {
      if (replica.isDoubted) replica.confirm();
    }, confirmIntervalMs);
    return replica;
  }

  get storeId(): string {
    return this.options.log.storeId;
  }

  get files(): ReplicaFiles {
    return this.current.files;
  }

  get waiters(): CommitWaiters {
    return this.keeper.waiters;
  }

  get received(): Sequence {
    return this.keeper.opened?.applier.received ?? beginning;
  }

  get applied(): Sequence {
    return this.keeper.opened?.applier.applied ?? beginning;
  }

  /** Whether a commit may have this id, as far as is known without the index; false: no commit has it. */
  mayContain(commitId: string): boolean {
    return this.current.applier.ids.mayContain(commitId);
  }

  get isFilled(): boolean {
    return this.keeper.readiness.isFilled;
  }

  /** Whether the replica is filled and follows the log. */
  get isReady(): boolean {
    const { readiness, isRefused, opened } = this.keeper;
    return readiness.isFilled && !isRefused && opened?.applier.isFailing === false;
  }

  /** Whether the log may have changed since the replica was last compared with it. */
  get isDoubted(): boolean {
    return this.keeper.continuity.isDoubted;
  }

  get facts(): ReplicaFacts {
    return {
      received: position(this.received),
      applied: position(this.applied),
      isFilled: this.isFilled,
      rebuilds: this.keeper.readiness.rebuilds,
      subscriptions: () => this.subscriptions.factsAt(this.received),
    };
  }

  /** Calls the listener with whether the replica is filled and writable: now, and each time that changes. */
  onFilled(listener: (isFilled: boolean) => void): void {
    this.keeper.readiness.onChange(listener);
  }

  /** When the replica last began to be filled, in milliseconds since 1970. */
  get fillingSinceMs(): number {
    return this.keeper.readiness.fillingSinceMs;
  }

  /** undefined: the replica is filled, or is not open yet. */
  get progress(): FillingProgress | undefined {
    return this.keeper.progress;
  }

  /** The error for a request that cannot wait until the replica is filled. */
  fillingError(): Error {
    return this.keeper.fillingError();
  }

  /** A commit of this gateway was acknowledged: every later read sees it. */
  onAcknowledged(sequence: bigint): void {
    this.keeper.continuity.acknowledge(sequence);
  }

  catchUp(consistency: 'leader' | 'anyReplica', call: CallContext): Promise<Sequence> {
    const { trace } = call;
    const caughtUp = this.whenCaughtUp(consistency, call);
    return trace === undefined ? caughtUp : during(trace, 'catch up', caughtUp);
  }

  private async whenCaughtUp(consistency: 'leader' | 'anyReplica', call: CallContext): Promise<Sequence> {
    await this.whenFilled(call);
    if (consistency === 'leader') await this.waitUntilApplied(await this.endOfLog(call), call);
    return this.current.applier.applied;
  }

  /** Waits until the index has all messages up to a sequence. Throws StoreUnavailableError. */
  async waitUntilApplied(sequence: bigint, call: CallContext): Promise<void> {
    const { applier } = this.current;
    // Before `call.signal` is read: to create the signal takes as long as a lookup.
    if (sequence <= applier.applied) return;
    const timeoutMs = Math.min(this.limits.readProgressTimeoutMs, call.deadlineMs - performance.now());
    await applier.waitUntilApplied(sequence, call.signal, timeoutMs);
  }

  throwIfReplaced(files: ReplicaFiles): void {
    if (this.keeper.opened?.files !== files) throw this.fillingError();
  }

  toStoreError(error: unknown): unknown {
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    const isClosed = code === 'EBADF';
    if (!isDamagedReplica(error) && code !== 'ENOENT' && !isClosed) return error;
    if (!isClosed) this.keeper.rebuild(error);
    return new StoreUnavailableError('the replica is being rebuilt', { cause: error });
  }

  /** What GetServerInfo reports of the replica. */
  async findings(): Promise<ReplicaFindings> {
    const { keeper } = this;
    const bytes = BigInt(await folderBytes(this.options.folder));
    return {
      position: position(this.applied),
      eventsReceived: keeper.opened?.applier.eventsReceived ?? 0,
      isFilled: keeper.readiness.isFilled,
      troubleNow: keeper.followFailure.current,
      troubleLately: keeper.followFailure.recent,
      bytes,
    };
  }

  close(): Promise<void> {
    clearInterval(this.confirming);
    return this.keeper.close();
  }

  /** Compares with the log. Nobody else does while this process only appends, which takes longer with a log in doubt. */
  private confirm(): void {
    const call = { signal: new AbortController().signal, deadlineMs: performance.now() + confirmIntervalMs };
    this.catchUp('leader', call).catch(() => undefined);
  }

  /** The end of the log, at least the highest sequence that this gateway has acknowledged. */
  private async endOfLog(call: CallContext): Promise<bigint> {
    const { keeper, isDoubted } = this;
    if (!this.options.log.isSoleWriter || isDoubted) keeper.end = await this.requestEnd(call);
    const { acknowledged } = keeper.continuity;
    return keeper.end > acknowledged ? keeper.end : acknowledged;
  }

  /** Requests the end of the log until it matches the replica, which may have to be rebuilt first. */
  private async requestEnd(call: CallContext): Promise<bigint> {
    const { continuity, comparer } = this.keeper;
    for (;;) {
      const { current } = this;
      const before = continuity.snapshot();
      const expected = { known: knownOf(current), acknowledged: before.acknowledged };
      const end = await this.options.log.end(call);
      const { mismatch, isCertain } = continuity.isDoubted
        ? await comparer.compare(end, expected, call)
        : comparer.compareEnd(end, expected);
      const isUnchanged = continuity.isUnchangedSince(before) && this.keeper.opened === current;
      if (isUnchanged && mismatch === undefined) {
        continuity.confirm(before);
        return end.sequence;
      }
      if (isUnchanged && mismatch !== undefined && isCertain) this.keeper.onOtherLog(mismatch);
      await sleep(doubtPauseMs);
      await this.whenFilled(call);
      if (performance.now() > call.deadlineMs)
        throw new StoreUnavailableError(`${mismatch ?? 'the log may have changed'}; trying again`);
    }
  }

  private get current(): OpenReplica {
    const { opened } = this.keeper;
    if (opened === undefined) throw this.fillingError();
    return opened;
  }

  private async whenFilled(call: CallContext): Promise<void> {
    const { keeper } = this;
    if (keeper.isRefused) throw this.fillingError();
    if (keeper.readiness.isFilled) return;
    await keeper.whenFilled(Math.min(filledWaitMs, call.deadlineMs - performance.now()), call.signal);
    call.signal.throwIfAborted();
    if (!this.isFilled) throw this.fillingError();
  }
}
