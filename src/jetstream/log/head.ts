import type { CallContext } from '../../store/event-store';
import type { LogControl, LogView, ViewedCommit, ViewedHead } from '../../store/log';
import { noVersion, beginning, versionAfter, type StreamName } from '../../store/values';
import { apiGet } from '../nats/api';
import { within } from './bounded-call';
import { checkRecord } from './commit-assembler';
import { readPart } from './commit-codec';
import { isControlMessage, readControl } from './control-codec';
import { subjectOf, type LogAccess } from './log-access';
import { logInfo } from './log-info';

/** The head of a stream as the leader of the log knows it now. */
export interface CurrentHead extends ViewedHead {
  /** Whether it is from the view, which then has all commits up to this head. */
  readonly isViewed: boolean;
  /** The newest commit, if it is from the leader and in one message; its events are as they are stored. */
  readonly newest?: ViewedCommit | undefined;
}

/**
 * From the view, once it has caught up with the log; while it is being filled, from the leader. Throws
 * UnreadableCommitError.
 */
export async function currentHead(
  log: LogAccess,
  view: LogView,
  stream: StreamName,
  call: CallContext,
): Promise<CurrentHead> {
  if (!view.isReady) return headOfLeader(log, stream, call);
  await view.catchUp(call);
  const { version, sequence, position, timeNanos, rules } = await view.head(stream);
  return { version, sequence, position, timeNanos, rules, isViewed: true };
}

async function headOfLeader(log: LogAccess, stream: StreamName, call: CallContext): Promise<CurrentHead> {
  const { pool, limits, health } = log;
  const lookup = { last_by_subj: subjectOf(log, stream) };
  const message = await apiGet(pool.append(), log.stream, lookup, within(call, limits.requestTimeoutMs));
  if (message === undefined) {
    if (!health.isCurrent) await logInfo(log, call);
    const error = health.errorOfEmptyStream(stream);
    if (error !== undefined) throw error;
    return {
      version: noVersion,
      sequence: beginning,
      position: beginning,
      timeNanos: 0n,
      isViewed: false,
    };
  }
  if (isControlMessage(message)) return headOfControl(readControl(stream, message));
  const part = readPart(stream, message);
  checkRecord(part);
  const { lastVersion, sequence, position, timeNanos, firstVersion, commitId, inTransaction } = part;
  const head = { version: lastVersion, sequence, position, timeNanos, isViewed: false };
  if (part.parts > 1) return head;
  const newest = { ...head, stream, firstVersion, lastVersion, commitId, inTransaction, events: part.body };
  return { ...head, newest };
}

function headOfControl(found: LogControl): CurrentHead {
  const { version, sequence, position, timeNanos, rules, stream, commitId, control } = found;
  const head = { version, sequence, position, timeNanos, rules, isViewed: false };
  const newest: ViewedCommit = {
    ...head,
    stream,
    commitId,
    control,
    firstVersion: versionAfter(version, 1n),
    lastVersion: version,
    inTransaction: false,
    events: new Uint8Array(0),
  };
  return { ...head, newest };
}
