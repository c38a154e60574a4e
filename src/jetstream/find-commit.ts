import type { CallContext } from '../store/event-store';
import type { CommitId, StreamName, UnixNanos } from '../store/values';
import type { StoredCommit } from './commit-assembler';
import type { StoredPart } from './commit-codec';
import { lastPart } from './head';
import { locate, skipVersionsMax } from './locate';
import { commitsBackward, commitsForward } from './scan';
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

/**
 * The last commit of a stream that was taken in at a time or before it; undefined if there was none. By position: the clock of
 * the log may go back.
 */
export async function commitAsOf(
  context: StoreContext,
  stream: StreamName,
  asOf: UnixNanos,
  call: CallContext,
): Promise<StoredCommit | undefined> {
  const head = await lastPart(context, stream, 'leader', call);
  if (head === undefined) return undefined;
  for await (const commits of commitsBackward(context, stream, head, call)) {
    const found = commits.find(({ timeNanos }) => timeNanos <= asOf);
    if (found !== undefined) return found;
  }
  return undefined;
}
