import type { CallContext } from '../store/event-store';
import { uuidV7TimeMs } from '../store/ids';
import type { CommitId } from '../store/values';
import type { StoredCommit } from './commit-assembler';
import { commitKey } from './index-record';
import { findPositions, type KeyIndex } from './key-index';
import { commitAt } from './read-by-correlation';

/**
 * Whether the server may have forgotten a commit id by now. One that says when it was made, a UUID v7, is safe for half
 * the time that the server remembers it, so that the clock of its maker may be wrong by the other half.
 */
export function mayBeForgotten(commitId: CommitId, rememberedMs: number): boolean {
  const madeMs = uuidV7TimeMs(commitId);
  return madeMs === undefined || Math.abs(Date.now() - madeMs) > rememberedMs / 2;
}

/** The commit with an id, by the index; the first one, if it belongs to a step. */
export async function commitById(
  index: KeyIndex,
  commitId: CommitId,
  call: CallContext,
): Promise<StoredCommit | undefined> {
  const { positions } = await findPositions(index, commitKey(commitId), call);
  for (const position of positions) {
    const commit = await commitAt(index, position, call);
    if (commit?.commitId !== commitId) continue;
    await index.durability.through(commit.position);
    return commit;
  }
  return undefined;
}
