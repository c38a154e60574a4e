import type { UnreadableCommitError } from '../store/errors';
import type { StoredCommit } from './commit-assembler';

/** A commit of the newest part of the log, or a message that is none. */
export interface TailEntry {
  /** The name of its stream; of a foreign message whatever stands there. */
  readonly stream: string;
  readonly position: bigint;
  readonly content: StoredCommit | UnreadableCommitError;
  /** Its subject is not the name of a stream: it is not part of the store. */
  readonly isOutside: boolean;
  readonly bytes: number;
}

/** The newest part of the log, bounded in bytes and commits. */
export class TailRing {
  private entries: TailEntry[] = [];
  /** Entries before this one have been dropped. */
  private first = 0;
  private bytes = 0;

  /** Nothing of (`after`, `last`] is missing. */
  constructor(
    private readonly bounds: { readonly tailBytesMax: number; readonly tailCommitsMax: number },
    public after: bigint,
    public last: bigint,
  ) {}

  push(entry: TailEntry): void {
    this.entries.push(entry);
    this.bytes += entry.bytes;
    this.last = entry.position;
    const { tailBytesMax, tailCommitsMax } = this.bounds;
    while (this.bytes > tailBytesMax || this.entries.length - this.first > tailCommitsMax) {
      const dropped = this.entries[this.first++] as TailEntry;
      this.bytes -= dropped.bytes;
      this.after = dropped.position;
    }
    if (this.first > this.entries.length / 2) {
      this.entries = this.entries.slice(this.first);
      this.first = 0;
    }
  }

  /** The entries beyond a position that is not before `after`, in order. */
  *beyond(position: bigint): Generator<TailEntry, void> {
    let low = this.first;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.entries[middle] as TailEntry).position <= position) low = middle + 1;
      else high = middle;
    }
    for (; low < this.entries.length; low++) yield this.entries[low] as TailEntry;
  }
}
