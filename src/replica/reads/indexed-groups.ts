import type { EventQuery } from '../../store/event-query';
import type { CallContext } from '../../store/event-store';
import type { ReplicaFiles } from '../index/replica-files';
import { fetchRecords } from '../segments/fetch-records';
import { byPosition, isInRange, type ChunkGroups } from './groups';
import { QueryWalk } from './query-walk';
import type { PositionRange } from './unfiltered-run';
import { yieldThread } from './yield-thread';

/** Which part of the log, and how many bytes of it at a time. */
interface IndexedRange extends PositionRange {
  readonly direction: 'forward' | 'backward';
  readonly chunkBytes: () => number;
}

/** The groups within a range that may match a query, all of whose items have tags. */
export async function* indexedGroups(
  files: ReplicaFiles,
  query: EventQuery,
  range: IndexedRange,
  call: CallContext,
): AsyncGenerator<ChunkGroups, void> {
  const { after, upTo } = range;
  const reverse = range.direction === 'backward';
  const walk = new QueryWalk(files.index.tags, query, reverse ? upTo : after + 1n, reverse);
  const end = reverse ? after + 1n : upTo;
  for (;;) {
    const { postings, completeTo = end } = walk.next(range.chunkBytes());
    const isLast = reverse ? completeTo <= end : completeTo >= end;
    const wanted = postings.filter(({ position }) => position > after && position <= upTo);
    const records = await fetchRecords(files, reverse ? wanted.toReversed() : wanted);
    call.signal.throwIfAborted();
    const groups = byPosition(records).filter((group) => isInRange(group, range));
    if (reverse) groups.reverse();
    yield { groups, completeTo: isLast ? end : completeTo };
    if (isLast) return;
    await yieldThread(call);
  }
}
