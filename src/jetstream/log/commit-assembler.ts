import { MalformedRecordError, checkedEventCount } from '../../protobuf/commit-record';
import { beginning, type Position, type Sequence, type Version } from '../../store/values';
import { unreadable, type StoredPart } from './commit-codec';

/** A complete commit as it is stored. */
export interface StoredCommit {
  readonly stream: string;
  readonly firstVersion: Version;
  readonly lastVersion: Version;
  /** The sequence of its last message. */
  readonly sequence: Sequence;
  /** Of the transaction, if it belongs to one. */
  readonly position: Position;
  /** The sequence of the first message of the commit, or of the transaction to which it belongs. */
  readonly from: Sequence;
  readonly inTransaction: boolean;
  readonly timeNanos: bigint;
  readonly commitId: string;
  /** The sequence of the last message of the stream's previous commit; 0 if this is the first. */
  readonly previous: Sequence;
  /** Whether the contents of all its messages were removed. */
  readonly isErased: boolean;
  /** CommitRecord bytes. */
  readonly record: Uint8Array;
}

/**
 * Joins parts to commits. It gets messages in order, of one stream or of the whole log, in which the parts of a commit are
 * consecutive.
 */
export class CommitAssembler {
  /** The last commit, if it belongs to a transaction with more commits. */
  private open: StoredCommit | undefined;
  private pending: StoredPart[] = [];
  private pendingBytes = 0;

  /** `commitBytesMax` bounds the parts that wait for the end of their commit. */
  constructor(private readonly commitBytesMax: number) {}

  /** Where the commit begins whose last part is missing; undefined: no part waits. */
  get pendingFrom(): Sequence | undefined {
    return this.pending[0]?.from;
  }

  /** The commit that this part completes, or undefined. Throws UnreadableCommitError. */
  add(part: StoredPart): StoredCommit | undefined {
    const { open } = this;
    if (open !== undefined && part.sequence <= open.position && part.from !== open.from) {
      throw unreadable(open.stream, open.sequence, 'the rest of its transaction is missing');
    }
    checkRecord(part);
    const commit = this.whole(part);
    this.open = commit !== undefined && commit.position > commit.sequence ? commit : undefined;
    return commit;
  }

  /** Something else follows. Throws UnreadableCommitError if the rest of a commit or of a transaction should. */
  throwIfIncomplete(): void {
    const { open } = this;
    const last = this.pending.at(-1);
    if (last !== undefined)
      throw unreadable(last.stream, last.sequence, 'the parts of its commit do not fit together');
    if (open !== undefined)
      throw unreadable(open.stream, open.sequence, 'the rest of its transaction is missing');
  }

  private whole(part: StoredPart): StoredCommit | undefined {
    if (part.parts === 1 && this.pending.length === 0) return toCommit([part], part.body);
    const last = this.pending.at(-1);
    const fits =
      last === undefined
        ? part.part === 1
        : part.part === last.part + 1 &&
          part.parts === last.parts &&
          part.commitId === last.commitId &&
          part.stream === last.stream;
    this.pendingBytes += part.body.length;
    if (!fits || this.pendingBytes > this.commitBytesMax) {
      // If another commit begins here, the fault is in the one before, which has no end.
      const { stream, sequence } = part.part === 1 && last !== undefined ? last : part;
      throw unreadable(stream, sequence, 'the parts of its commit do not fit together');
    }
    this.pending.push(part);
    if (part.part < part.parts) return undefined;
    const commit = toCommit(this.pending, Buffer.concat(this.pending.map(({ body }) => body)));
    this.forgetPending();
    return commit;
  }

  /** The rest of the commit does not come, since all of it was removed. */
  forgetPending(): void {
    this.pending = [];
    this.pendingBytes = 0;
  }
}

function toCommit(parts: readonly StoredPart[], record: Uint8Array): StoredCommit {
  const [first, last] = [parts[0], parts.at(-1)] as [StoredPart, StoredPart];
  return {
    stream: first.stream,
    firstVersion: first.firstVersion,
    lastVersion: last.lastVersion,
    sequence: last.sequence,
    position: last.position,
    from: first.from,
    inTransaction: last.inTransaction,
    timeNanos: last.timeNanos,
    commitId: first.commitId,
    previous: first.previous ?? beginning,
    isErased: parts.every(({ isErased }) => isErased === true),
    record,
  };
}

/**
 * Throws UnreadableCommitError unless the body has the events that the subject and the headers announce: later it is sent to
 * readers undecoded.
 */
export function checkRecord(part: StoredPart): void {
  try {
    const count = checkedEventCount(part.body, part.stream, Number(part.firstVersion));
    if (count === Number(part.lastVersion - part.firstVersion) + 1) return;
    throw unreadable(part.stream, part.sequence, 'it holds another number of events than its headers say');
  } catch (error) {
    if (error instanceof MalformedRecordError) throw unreadable(part.stream, part.sequence, error.message);
    throw error;
  }
}
