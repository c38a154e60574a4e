import { InvalidRequestError } from '../../store/errors';
import type { CallContext, CommitOffset, SubscribeQuery } from '../../store/event-store';
import { checkStoreId } from '../../store/store-id';
import { version, type UnixNanos } from '../../store/values';
import type { ReadableReplica } from '../reads/readable-replica';
import { lifecycleOf } from '../reads/stream-lifecycle';

/** Where a subscription begins. */
export interface Start {
  /** The subscription gets commits after this position, */
  readonly after: bigint;
  /** events from this version, */
  readonly fromVersion: bigint;
  /** and commits from this time. */
  readonly fromTime: UnixNanos | undefined;
  /** The commit within which the subscription begins. */
  readonly within: CommitOffset | undefined;
  /** The end of the log when the call began. */
  readonly head: bigint;
}

/** Throws InvalidRequestError if the start must exist and does not, and StoreMismatchError. */
export async function findStart(
  replica: ReadableReplica,
  query: SubscribeQuery,
  call: CallContext,
): Promise<Start> {
  const { start, startMustExist } = query;
  const head = await replica.catchUp('leader', call);
  checkStoreId(query.storeId, replica.storeId);
  const { index } = replica.files;
  const found: Start = { after: head, head, fromVersion: 1n, fromTime: undefined, within: undefined };
  switch (start.kind) {
    case 'now':
      return found;
    case 'position':
      if (startMustExist) checkExists('after_position', start.after, head);
      return { ...found, ...positionStart(replica, query, start), fromTime: start.fromTime };
    case 'version': {
      const last = index.head(start.stream)?.version ?? version(0n);
      if (startMustExist) checkExists('after_version', start.after, last);
      const fromVersion = start.after + 1n;
      // What is hidden before it need not be read.
      const shown = lifecycleOf(index, start.stream, last)?.firstVersion ?? 1n;
      const first = shown > fromVersion ? shown : fromVersion;
      for (const { position } of index.forward(start.stream, first))
        return { ...found, after: position - 1n, fromVersion };
      return { ...found, fromVersion };
    }
  }
}

type PositionStart = Extract<SubscribeQuery['start'], { readonly kind: 'position' }>;

function positionStart(
  replica: ReadableReplica,
  query: SubscribeQuery,
  start: PositionStart,
): Pick<Start, 'after' | 'within'> {
  const { after: position, afterCount: count } = start;
  if (count === undefined || position === 0n)
    return { after: afterBoth(replica, query, start), within: undefined };
  return { after: position - 1n, within: { position, count } };
}

/** The last position before the first commit that is both after a position and not earlier than a time. */
function afterBoth(
  { files, faults }: ReadableReplica,
  { skipUnreadable }: SubscribeQuery,
  { after, fromTime }: { readonly after: bigint; readonly fromTime: UnixNanos | undefined },
): bigint {
  // Damage is reported whatever its time.
  if (fromTime === undefined || skipUnreadable || faults.isIncomplete) return after;
  const earlier = (files.index.markBeforeTime(fromTime)?.position ?? 1n) - 1n;
  return earlier > after ? earlier : after;
}

function checkExists(field: string, after: bigint, end: bigint): void {
  if (after <= end) return;
  const description = `is ${after.toString()}, after the end, which is ${end.toString()}`;
  throw new InvalidRequestError([{ field, description }]);
}
