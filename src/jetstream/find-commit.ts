import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import type { StoredCommit, StoredPart } from './commit-codec';
import { locate, skipVersionsMax } from './locate';
import { commitsForward } from './scan';
import type { StoreContext } from './store-context';

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
