import { InvalidRequestError } from '../../store/errors';
import type { CallContext, SubscribeQuery } from '../../store/event-store';
import type { UnixNanos } from '../../store/values';
import type { FollowedReplica } from './followed-replica';

/** Where a subscription begins. */
export interface Start {
  /** Nothing before or at this position is asked for. */
  readonly after: bigint;
  /** The end of the log at the time of the call. */
  readonly head: bigint;
  readonly fromVersion: bigint;
  readonly fromTime: UnixNanos | undefined;
}

/** Throws InvalidRequestError if the start must exist and does not. */
export async function findStart(
  replica: FollowedReplica,
  query: SubscribeQuery,
  call: CallContext,
): Promise<Start> {
  const { start, startMustExist } = query;
  const head = await replica.catchUp('leader', call);
  const { index } = replica.files;
  const found: Start = { after: head, head, fromVersion: 1n, fromTime: undefined };
  switch (start.kind) {
    case 'now':
      return found;
    case 'position':
      if (startMustExist) checkExists('after_position', start.after, head);
      return { ...found, after: afterBoth(replica, query, start), fromTime: start.fromTime };
    case 'version': {
      const last = index.head(start.stream)?.version ?? 0n;
      if (startMustExist) checkExists('after_version', start.after, last);
      const fromVersion = start.after + 1n;
      for (const { position: at } of index.forward(start.stream, fromVersion))
        return { ...found, after: at - 1n, fromVersion };
      return { ...found, fromVersion };
    }
  }
}

/** Nothing up to here is beyond a position and as late as a time. */
function afterBoth(
  { files, faults }: FollowedReplica,
  { skipUnreadable }: SubscribeQuery,
  { after, fromTime }: { readonly after: bigint; readonly fromTime: UnixNanos | undefined },
): bigint {
  // What cannot be read, or is gone, is told whatever the time.
  if (fromTime === undefined || skipUnreadable || faults.isIncomplete) return after;
  const earlier = (files.index.markBeforeTime(fromTime)?.position ?? 1n) - 1n;
  return earlier > after ? earlier : after;
}

function checkExists(field: string, after: bigint, end: bigint): void {
  if (after <= end) return;
  const description = `is ${after.toString()}, after the end, which is ${end.toString()}`;
  throw new InvalidRequestError([{ field, description }]);
}
