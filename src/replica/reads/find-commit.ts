import type { CallContext } from '../../store/event-store';
import type { CommitQuery, FoundCommit } from '../../store/found-commit';
import { patternMatcher } from '../../store/patterns';
import { noVersion, unixNanos, type StreamName } from '../../store/values';
import { commitsById } from './commits-by-id';
import type { ReadableReplica } from './readable-replica';

/**
 * The commit with an id, as far as it is on visible streams; undefined: it is not found, or was removed from the log. Throws
 * UnreadableCommitError, also if it may be among lost messages.
 */
export async function findCommit(
  replica: ReadableReplica,
  { commitId, visible }: CommitQuery,
  call: CallContext,
): Promise<FoundCommit | undefined> {
  await replica.catchUp('leader', call);
  const { files, faults } = replica;
  const commits = await commitsById(files, commitId, []);
  if (commits.length === 0 && faults.isIncomplete) throw faults.incompleteError();
  const isVisible = patternMatcher(visible ?? ['>']);
  const found = commits.filter(({ stream, isRemoved }) => isRemoved !== true && isVisible(stream));
  const [first] = found;
  if (first === undefined) return undefined;
  return {
    position: first.position,
    commitTime: unixNanos(first.timeNanos),
    streams: found.map(({ stream, lastVersion, firstVersion, control }) => ({
      stream: stream as StreamName,
      version: lastVersion,
      firstVersion: control === undefined ? firstVersion : noVersion,
    })),
  };
}
