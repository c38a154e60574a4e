import type { CallContext } from '../../store/event-store';
import type { LogView, ViewedCommit, ViewedHead } from '../../store/log';
import type { StreamName } from '../../store/values';
import { apiGet } from '../nats/api';
import { checkRecord } from './commit-assembler';
import { readPart } from './commit-codec';
import { logInfo } from './log-info';
import { subjectOf, within, type StoreContext } from './store-context';

/** What appends need beside the log: a view of it. */
export interface ViewedStore extends StoreContext {
  readonly view: LogView;
}

/** The head of a stream as the leader of the log knows it now. */
export interface CurrentHead extends ViewedHead {
  /** Whether the view has come so far: what it does not have is not stored. */
  readonly isViewed: boolean;
  /** The newest commit, where it was asked of the leader and is in one message; its events are as they are stored. */
  readonly newest?: ViewedCommit | undefined;
}

/**
 * From the view, once it has come to the end of the log; while it is being filled, from the leader. Throws
 * UnreadableCommitError.
 */
export async function currentHead(
  store: ViewedStore,
  stream: StreamName,
  call: CallContext,
): Promise<CurrentHead> {
  const { view } = store;
  if (!view.isReady) return headOfLeader(store, stream, call);
  await view.catchUp(call);
  const { version, sequence, position, timeNanos } = await view.head(stream);
  return { version, sequence, position, timeNanos, isViewed: true };
}

async function headOfLeader(store: ViewedStore, stream: StreamName, call: CallContext): Promise<CurrentHead> {
  const { pool, log, limits, health, durability } = store;
  const lookup = { last_by_subj: subjectOf(store, stream) };
  const message = await apiGet(pool.append(), log, lookup, within(call, limits.requestTimeoutMs));
  if (message === undefined) {
    if (!health.isCurrent) await logInfo(store, call);
    const doubt = health.errorOfEmptyStream(stream);
    if (doubt !== undefined) throw doubt;
    return { version: 0n, sequence: 0n, position: 0n, timeNanos: 0n, isViewed: false };
  }
  const part = readPart(stream, message);
  checkRecord(part);
  await durability.whenDurable(part.position, call.deadlineMs);
  const { lastVersion, sequence, position, timeNanos, firstVersion, commitId, inTransaction } = part;
  const head = { version: lastVersion, sequence, position, timeNanos, isViewed: false };
  if (part.parts > 1) return head;
  const newest = { ...head, stream, firstVersion, lastVersion, commitId, inTransaction, events: part.body };
  return { ...head, newest };
}
