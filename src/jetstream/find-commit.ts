import type { CallContext } from '../store/event-store';
import type { CommitId, StreamName } from '../store/values';
import type { StoredCommit } from './commit-assembler';
import type { StoredPart } from './commit-codec';
import { locate, skipVersionsMax } from './locate';
import { commitsForward } from './scan';
import type { StoreContext } from './store-context';

/** The commit right after a version of a stream, if it has this id. */
export async function commitAfter(
  context: StoreContext,
  {
    stream,
    base,
    commitId,
  }: { readonly stream: StreamName; readonly base: bigint; readonly commitId: CommitId },
  head: StoredPart,
  call: CallContext,
): Promise<StoredCommit | undefined> {
  if (head.lastVersion <= base) return undefined;
  const commit = await commitWithVersion(context, stream, base + 1n, head, call);
  return commit?.firstVersion === base + 1n && commit.commitId === commitId ? commit : undefined;
}

/** The commit that holds a version, which the head must have reached. */
export async function commitWithVersion(
  context: StoreContext,
  stream: StreamName,
  version: bigint,
  head: StoredPart,
  call: CallContext,
): Promise<StoredCommit | undefined> {
  const from = await locate(context, stream, version, head, call);
  const range = { from, through: head.sequence, messagesMax: Number(skipVersionsMax) + 1 };
  for await (const commits of commitsForward(context, stream, range, call)) {
    const found = commits.find(({ lastVersion }) => lastVersion >= version);
    if (found !== undefined) return found;
  }
  return undefined;
}
