import { UnreadableCommitError } from '../../store/errors';
import type { LogCommit, LogEntry, UnreadableEntry } from '../../store/log';
import { parseStreamName } from '../../store/values';
import { CommitAssembler, type StoredCommit } from './commit-assembler';
import { isCheck, outsideStore, readPart, type StoredPart } from './commit-codec';
import type { StoredMessage } from '../nats/message';
import { nameOf, type LogAccess } from './log-access';

/** Makes entries of the messages of a log, which come in its order. */
export interface Entries {
  add(message: StoredMessage): void;
  /** What comes next has this sequence: what lies before it and has not come is gone. */
  passTo(sequence: bigint): void;
  /** What is whole since it was last asked, and how far that goes; 0: no further than before. */
  take(): { readonly groups: readonly (readonly LogEntry[])[]; readonly through: bigint };
}

/**
 * Puts messages together to commits, and commits to transactions. One of which something cannot be read is not a
 * transaction any more: what is left of it is marked, and each of its commits stands alone.
 */
export function createEntries(log: Pick<LogAccess, 'prefix' | 'limits'>, after: bigint): Entries {
  return new Assembly(log, after);
}

class Assembly implements Entries {
  private assembler: CommitAssembler;
  private done: (readonly LogEntry[])[] = [];
  private through = 0n;
  /** Of a transaction whose end has not come. */
  private held: LogCommit[] = [];
  /** The last message that could not be read. */
  private broken = 0n;
  private next: bigint;

  constructor(
    private readonly log: Pick<LogAccess, 'prefix' | 'limits'>,
    after: bigint,
  ) {
    this.next = after + 1n;
    this.assembler = this.newAssembler();
  }

  add(message: StoredMessage): void {
    const { sequence, timeNanos } = message;
    this.passTo(sequence);
    this.next = sequence + 1n;
    const name = nameOf(this.log, message.subject);
    if (parseStreamName(name) === undefined) {
      if (!isCheck(name))
        this.put(outsideStore(name, sequence), { kind: 'foreign', timeNanos, claimedVersion: 0n });
    } else this.addToStream(name, message);
    this.advance(sequence);
  }

  passTo(sequence: bigint): void {
    const { next } = this;
    if (next >= sequence) return;
    this.next = sequence;
    const reason = 'it is gone';
    this.breakOff(sequence - 1n);
    this.done.push([
      { kind: 'lost', stream: '', firstPosition: next, position: sequence - 1n, timeNanos: 0n, reason },
    ]);
    this.advance(sequence - 1n);
  }

  take(): { readonly groups: readonly (readonly LogEntry[])[]; readonly through: bigint } {
    const { done: groups, through } = this;
    this.done = [];
    this.through = 0n;
    return { groups, through };
  }

  private advance(sequence: bigint): void {
    if (this.held.length === 0 && this.assembler.pendingFrom === undefined) this.through = sequence;
  }

  private addToStream(name: string, message: StoredMessage): void {
    const { sequence, timeNanos } = message;
    for (let isTaken = false; !isTaken;) {
      let claimedVersion = 0n;
      try {
        const part = readPart(name, message);
        claimedVersion = part.lastVersion;
        this.addPart(part, sequence);
        isTaken = true;
      } catch (error) {
        if (!(error instanceof UnreadableCommitError)) throw error;
        // It may be one before this message that is at fault.
        isTaken = error.position >= sequence;
        this.breakOff(error.position);
        this.put(error, { kind: 'unreadable', timeNanos, claimedVersion: isTaken ? claimedVersion : 0n });
      }
    }
  }

  private addPart(part: StoredPart, sequence: bigint): void {
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

  /** Leaves out what there is of a transaction that has something at a sequence that is not a part of it. */
  private breakOff(sequence: bigint): void {
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
  const { inTransaction } = commit;
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
    record,
  };
}
