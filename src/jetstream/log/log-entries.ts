import { UnreadableCommitError } from '../../store/errors';
import type { LogCommit, LogControl, LogEntry, UnreadableEntry } from '../../store/log';
import {
  parseStreamName,
  beginning,
  noVersion,
  position,
  sequenceAfter,
  type Sequence,
  type Version,
} from '../../store/values';
import { CommitAssembler, type StoredCommit } from './commit-assembler';
import { isInternal, outsideStore, readPart, type StoredPart } from './commit-codec';
import { isControlMessage, readControl } from './control-codec';
import type { StoredMessage } from '../nats/message';
import { nameOf, type LogAccess } from './log-access';

/** Makes entries from the messages of a log, given in its order. */
export interface Entries {
  add(message: StoredMessage): void;
  /** The same for the stub of a message that was removed. */
  addStub(stub: StoredMessage): void;
  /** The sequence that no message has been given for, nor any later one. */
  readonly next: Sequence;
  /** The next message has this sequence: those before it that have not come are lost. */
  skipTo(sequence: Sequence): void;
  /** The same, but those before it were removed on purpose. */
  passTo(sequence: Sequence): void;
  /** The groups that were completed since the last call. `upTo`: no entry up to here is missing; 0: nothing is new. */
  take(): { readonly groups: readonly (readonly LogEntry[])[]; readonly upTo: Sequence };
}

/**
 * Joins messages to commits, and commits to transactions. If a part of a transaction cannot be read, its other commits become
 * entries of their own, marked as torn.
 */
export function createEntries(log: Pick<LogAccess, 'prefix' | 'limits'>, after: Sequence): Entries {
  return new Assembly(log, after);
}

class Assembly implements Entries {
  private assembler: CommitAssembler;
  private done: (readonly LogEntry[])[] = [];
  private upTo: Sequence = beginning;
  /** The commits of a transaction that is not complete. */
  private held: LogCommit[] = [];
  /** The sequence of the last message that could not be read. */
  private broken: Sequence = beginning;
  next: Sequence;

  constructor(
    private readonly log: Pick<LogAccess, 'prefix' | 'limits'>,
    after: Sequence,
  ) {
    this.next = sequenceAfter(after, 1n);
    this.assembler = this.newAssembler();
  }

  add(message: StoredMessage): void {
    this.addMessage(message, false);
  }

  addStub(stub: StoredMessage): void {
    this.addMessage(stub, true);
  }

  private addMessage(message: StoredMessage, isStub: boolean): void {
    const { sequence, timeNanos } = message;
    this.skipTo(sequence);
    this.next = sequenceAfter(sequence, 1n);
    const name = nameOf(this.log, message.subject);
    if (parseStreamName(name) === undefined) {
      if (!isInternal(name))
        this.put(outsideStore(name, sequence), { kind: 'foreign', timeNanos, claimedVersion: noVersion });
    } else this.addToStream(name, message, isStub);
    this.advance(sequence);
  }

  skipTo(sequence: Sequence): void {
    const { next } = this;
    if (next >= sequence) return;
    this.next = sequence;
    const last = sequenceAfter(sequence, -1n);
    const reason = 'it is gone';
    this.tear(last);
    this.done.push([
      {
        kind: 'lost',
        stream: '',
        firstPosition: position(next),
        position: position(last),
        timeNanos: 0n,
        reason,
      },
    ]);
    this.advance(last);
  }

  passTo(sequence: Sequence): void {
    if (this.next >= sequence) return;
    this.next = sequence;
    const last = sequenceAfter(sequence, -1n);
    this.assembler.forgetPending();
    if (this.held.length > 0) this.tear(last);
    this.advance(last);
  }

  take(): { readonly groups: readonly (readonly LogEntry[])[]; readonly upTo: Sequence } {
    const { done: groups, upTo } = this;
    this.done = [];
    this.upTo = beginning;
    return { groups, upTo };
  }

  private advance(sequence: Sequence): void {
    if (this.held.length === 0 && this.assembler.pendingFrom === undefined) this.upTo = sequence;
  }

  private addToStream(name: string, message: StoredMessage, isStub: boolean): void {
    const { sequence, timeNanos } = message;
    for (let isAdded = false; !isAdded;) {
      let claimedVersion: Version = noVersion;
      try {
        if (isControlMessage(message)) this.addControl(readControl(name, message));
        else {
          const part = readPart(name, message);
          claimedVersion = part.lastVersion;
          this.addPart(isStub ? { ...part, isErased: true } : part, sequence);
        }
        isAdded = true;
      } catch (error) {
        if (!(error instanceof UnreadableCommitError)) throw error;
        // The fault may be in an earlier message: then this one gets another try.
        isAdded = error.position >= sequence;
        this.tear(error.position);
        this.put(error, {
          kind: 'unreadable',
          timeNanos,
          claimedVersion: isAdded ? claimedVersion : noVersion,
        });
      }
    }
  }

  /** Throws UnreadableCommitError if what is before the control is not complete. */
  private addControl(control: LogControl): void {
    this.assembler.throwIfIncomplete();
    this.done.push([control]);
  }

  private addPart(part: StoredPart, sequence: Sequence): void {
    const commit = this.assembler.add(part);
    if (commit === undefined) return;
    const isTorn = commit.from <= this.broken;
    const entry = toEntry(commit, isTorn);
    if (isTorn) {
      this.done.push([entry]);
      return;
    }
    this.held.push(entry);
    if (part.position > sequence) return;
    this.done.push(this.held);
    this.held = [];
  }

  private put(
    { stream, position, reason }: UnreadableCommitError,
    about: Pick<UnreadableEntry, 'kind' | 'timeNanos' | 'claimedVersion'>,
  ): void {
    this.done.push([{ ...about, stream, position, reason }]);
  }

  /** Tears the transaction that is not complete: at this sequence there is something that does not belong to it. */
  private tear(sequence: Sequence): void {
    this.assembler = this.newAssembler();
    this.broken = sequence;
    for (const entry of this.held)
      if (entry.sequence !== sequence) this.done.push([{ ...entry, isTorn: true }]);
    this.held = [];
  }

  private newAssembler(): CommitAssembler {
    return new CommitAssembler(2 * this.log.limits.appendBytesMax);
  }
}

export function toEntry(commit: StoredCommit, isTorn: boolean): LogCommit {
  const { stream, firstVersion, lastVersion, sequence, position, timeNanos, commitId, record } = commit;
  const { inTransaction, isErased } = commit;
  return {
    stream,
    firstVersion,
    lastVersion,
    sequence,
    position,
    timeNanos,
    commitId,
    inTransaction,
    isTorn,
    ...(isErased ? { isErased } : {}),
    record,
  };
}
