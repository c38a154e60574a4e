import { OutcomeUnknownError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { CommitId, StreamName } from '../store/values';
import type { StoredCommit } from './commit-assembler';
import { commitKey } from './index-record';
import { findPositions, type KeyIndex } from './key-index';
import { commitAt } from './read-by-correlation';

/** Looks for the commit with an id, by the index, and knows how far it has looked. */
export class IdSearch {
  private through: bigint | undefined;
  private begun: Promise<StoredCommit | undefined> | undefined;
  private doubts = 0;

  constructor(
    private readonly index: KeyIndex,
    private readonly commitId: CommitId,
    private readonly call: CallContext,
  ) {}

  /** Begins to look, for the next `find`. */
  begin(): void {
    this.begun = this.look();
    this.begun.catch(() => undefined); // `find` has the error
  }

  get hasBegun(): boolean {
    return this.begun !== undefined;
  }

  /** The first commit, if it belongs to a step. */
  find(): Promise<StoredCommit | undefined> {
    const found = this.begun ?? this.look();
    this.begun = undefined;
    return found;
  }

  private async look(): Promise<StoredCommit | undefined> {
    const { index, commitId, call } = this;
    const { doubts } = index.health;
    const { positions, through } = await findPositions(index, commitKey(commitId), call);
    for (const position of positions) {
      const commit = await commitAt(index, position, call);
      if (commit?.commitId !== commitId) continue;
      await index.durability.through(commit.position, call.deadlineMs)?.catch((cause: unknown) => {
        throw new OutcomeUnknownError(commit.stream as StreamName, commitId, { cause });
      });
      return commit;
    }
    this.through = through;
    this.doubts = doubts;
    return undefined;
  }

  /** Looks again if it has looked before, and a stream that the commit goes to has gone on since. */
  findSince(head: bigint): Promise<StoredCommit | undefined> {
    const isSame = this.doubts === this.index.health.doubts;
    const isKnown = this.through === undefined || (isSame && head <= this.through);
    return isKnown ? Promise.resolve(undefined) : this.find();
  }
}
