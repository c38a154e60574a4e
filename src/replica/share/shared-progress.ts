import type { LogFaults } from '../../store/log';
import { StoreUnavailableError } from '../../store/errors';
import { sequence, type Sequence } from '../../store/values';
import { AppliedWaiters } from '../apply/applied-waiters';
import type { CommitWaiters } from '../apply/commit-waiters';
import type { ReplicaProgress } from '../apply/keeper';
import type { ReplicaIndex } from '../index/replica-index';
import type { FollowedSegments } from '../segments/followed-segments';
import { isErasureAt } from '../segments/control-body';
import { errorOf, headerAt } from '../segments/record';
import type { RecordIterator } from '../segments/record-iterator';
import type { SharedProgress as Progress } from './messages';

export interface SharedProgressOptions {
  readonly segments: FollowedSegments;
  readonly index: ReplicaIndex;
  readonly faults: LogFaults;
  readonly waiters: CommitWaiters;
  /** Called when a read begins to wait for messages up to a sequence. */
  readonly onAwaited: (sequence: bigint) => void;
}

/** How far the files are that another process writes. */
export class SharedProgress implements ReplicaProgress {
  isFailing = false;
  /** Only the index knows them. */
  readonly ids = { mayContain: () => true };
  private readonly reads = new AppliedWaiters();
  /** The positions of the erasures that are in the files and not applied yet. */
  private erasures: readonly number[] = [];

  constructor(
    private readonly options: SharedProgressOptions,
    private now: Progress,
  ) {}

  get applied(): Sequence {
    return sequence(this.now.applied);
  }

  get received(): Sequence {
    return sequence(this.now.segments.received);
  }

  get eventsReceived(): number {
    return this.now.eventsReceived;
  }

  get last(): Progress['last'] {
    return this.now.last;
  }

  get lost(): Progress['lost'] {
    return this.now.lost;
  }

  waitUntilApplied(upTo: bigint, signal: AbortSignal, timeoutMs?: number): Promise<void> | undefined {
    if (upTo <= this.applied) return undefined;
    if (this.isFailing) return Promise.reject(writeFailure());
    this.options.onAwaited(upTo);
    return this.reads.wait(upTo, signal, timeoutMs);
  }

  /** The files have more. Throws DamagedReplicaError. */
  advanceTo(progress: Progress): void {
    const { segments, index, waiters } = this.options;
    const before = this.now;
    const { received } = before.segments;
    this.now = progress;
    const isComplete = segments.advanceTo(progress.segments, (record) => {
      if (record.isControl && isErasureAt(record.bytes, record.bodyStart))
        this.erasures = [...this.erasures, record.position];
      if (!record.isCommit && !record.isControl) this.noteDamage(record);
      if (waiters.isEmpty) return;
      // Lost messages may belong to any stream.
      if (record.isLost) waiters.wakeAll(received);
      else waiters.wake(record.name, received);
    });
    if (!isComplete) waiters.wakeAll(received);
    if (progress.applied === before.applied) return;
    index.refresh();
    const waiting = this.erasures.filter((erasure) => erasure > progress.applied);
    // The other process has overwritten the records before it says so.
    if (waiting.length < this.erasures.length) segments.forgetCopies();
    this.erasures = waiting;
    this.reads.resolveUpTo(progress.applied);
  }

  /** Whether the process that writes the files cannot. */
  setFailing(isFailing: boolean): void {
    this.isFailing = isFailing;
    if (isFailing) this.reads.rejectAll(writeFailure());
  }

  /** Nothing is read any more. */
  close(): void {
    this.reads.rejectAll(new StoreUnavailableError('the replica of the log is closed'));
  }

  private noteDamage({ bytes, start, isLost }: RecordIterator): void {
    const { faults } = this.options;
    if (!isLost || faults.isIncomplete) faults.noteUnreadable(errorOf(bytes, headerAt(bytes, start)));
  }
}

function writeFailure(): StoreUnavailableError {
  return new StoreUnavailableError('the replica of the log cannot be written');
}
