import { UnreadableCommitError } from '../store/errors';
import { position } from '../store/values';
import { CommitAssembler, type StoredCommit } from './commit-assembler';
import { outsideStore } from './commit-codec';
import type { LogSource } from './log-source';
import type { StoredMessage } from './message';
import type { StoreContext } from './store-context';

/** What lies up to `after` is not asked for, whatever is wrong with it. */
export interface ReaderOptions {
  readonly after: bigint;
  /** What cannot be read is passed over; otherwise it is an error. */
  readonly skips: boolean;
  /** Whether what is not part of the store is told as well. */
  readonly tellsOutside: boolean;
}

/**
 * Puts the messages of the log together to commits, in order, from one sequence on. A step of which something cannot be
 * read is left out as a whole. Where the log has lost messages, that is noticed as well.
 */
export class CommitReader {
  private unreadable: UnreadableCommitError[] = [];
  private assembler: CommitAssembler;
  /** The last message that could not be read. */
  private broken = 0n;

  constructor(
    private readonly context: StoreContext,
    private readonly source: LogSource,
    /** The sequence that comes next. */
    private next: bigint,
    private readonly options: ReaderOptions,
  ) {
    this.assembler = this.newAssembler();
  }

  /** Where the commit begins whose end has not come, if there is one. */
  get pendingFrom(): bigint | undefined {
    return this.assembler.pendingFrom;
  }

  /** What was passed over, up to a position, since this was last asked. */
  passedOver(through: bigint): UnreadableCommitError[] {
    const told = this.unreadable.filter(({ position: at }) => at <= through);
    this.unreadable = this.unreadable.filter(({ position: at }) => at > through);
    return told;
  }

  /** Adds the commit that a message completes. Throws UnreadableCommitError. */
  add(message: StoredMessage, commits: StoredCommit[]): void {
    this.passTo(message.sequence, commits);
    this.next = message.sequence + 1n;
    if (!this.source.wants(message)) return;
    for (let isTaken = false; !isTaken;) {
      try {
        this.take(message, commits);
        return;
      } catch (error) {
        if (!(error instanceof UnreadableCommitError)) throw error;
        this.giveUp(error, commits);
        // It may be one before this message that is at fault.
        isTaken = error.position >= message.sequence;
      }
    }
  }

  /** What comes next has this sequence: is anything lost before it? Throws UnreadableCommitError. */
  passTo(sequence: bigint, commits: StoredCommit[]): void {
    const { next } = this;
    this.next = sequence;
    if (!this.source.isGapless || next >= sequence) return;
    const [first, last] = [next.toString(), (sequence - 1n).toString()];
    const message = `the log has lost its messages from position ${first} to ${last}`;
    this.giveUp(new UnreadableCommitError('', position(sequence - 1n), 'it is gone', message), commits);
  }

  private take(message: StoredMessage, commits: StoredCommit[]): void {
    const part = this.source.toPart(message);
    if (part === undefined) {
      const { after, tellsOutside } = this.options;
      const outside = outsideStore(this.source.nameOf(message), message.sequence);
      this.context.health.noteUnreadable(outside);
      if (tellsOutside && message.sequence > after) this.unreadable.push(outside);
      return;
    }
    const commit = this.assembler.add(part);
    if (commit !== undefined && commit.from > this.broken) commits.push(commit);
  }

  private giveUp(error: UnreadableCommitError, commits: StoredCommit[]): void {
    this.assembler = this.newAssembler();
    this.broken = error.position;
    this.context.health.noteUnreadable(error);
    while ((commits.at(-1)?.position ?? 0n) >= error.position) commits.pop();
    if (error.position <= this.options.after) return;
    if (!this.options.skips) throw error;
    this.unreadable.push(error);
  }

  private newAssembler(): CommitAssembler {
    return new CommitAssembler(2 * this.context.limits.appendBytesMax);
  }
}
