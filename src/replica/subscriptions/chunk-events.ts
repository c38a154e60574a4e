import { UnreadableCommitError } from '../../store/errors';
import type { EventRun, SubscribeQuery, SubscriptionUpdate } from '../../store/event-store';
import { groupsOf, positionOf, runsOfGroup, timeOf } from '../reads/groups';
import { wantsAll } from '../reads/read-all';
import { filterRecord, type RecordFilter } from '../reads/record-filter';
import type { Chunk } from '../reads/scan';
import { isWithinTimes, select } from '../reads/select';
import { withoutFirst } from '../reads/skip-events';
import { unfilteredRun } from '../reads/unfiltered-run';
import type { StoredRecord } from '../segments/record';
import type { SubscriptionProgress } from './subscription-progress';
import type { Start } from './subscription-start';

/** What a chunk of the log has for a subscription. */
export interface ChunkEvents {
  readonly runs: readonly EventRun[];
  /** The unreadable messages that were skipped. */
  readonly unreadable: readonly UnreadableCommitError[];
  /** Why the record after the events cannot be read. */
  readonly error: UnreadableCommitError | undefined;
}

/** The events of a chunk that a subscription wants. */
export function chunkEvents(
  chunk: Chunk,
  { filter }: SubscribeQuery,
  start: Omit<Start, 'head'>,
  recordFilter: RecordFilter,
): ChunkEvents {
  const { after, fromVersion, fromTime, within } = start;
  const isWithin = within !== undefined && after < within.position;
  if (wantsAll(filter) && fromTime === undefined && !recordFilter.skipsUnreadable && !isWithin) {
    const { run, error } = unfilteredRun(chunk, { after, upTo: chunk.last }, recordFilter);
    return { runs: run === undefined ? [] : [run], unreadable: [], error };
  }
  const runs: EventRun[] = [];
  const unreadable: UnreadableCommitError[] = [];
  for (const group of groupsOf(chunk)) {
    if (positionOf(group) <= after) continue;
    const found = runsOfGroup(group, recordFilter, { ...filter, fromVersion });
    if (!(found instanceof UnreadableCommitError)) {
      if (isWithinTimes({ fromTime, toTime: undefined }, timeOf(group)))
        runs.push(...restOf(found, positionOf(group), start));
    } else if (recordFilter.skipsUnreadable) unreadable.push(found);
    else return { runs, unreadable, error: found };
  }
  return { runs, unreadable, error: undefined };
}

/** Reports the events of records of one stream. Throws UnreadableCommitError. */
export function* reportRecords(
  records: readonly StoredRecord[],
  { filter, skipUnreadable: skipsUnreadable }: SubscribeQuery,
  start: Start,
  progress: SubscriptionProgress,
): Generator<SubscriptionUpdate, void> {
  const { fromVersion, fromTime } = start;
  const runs: EventRun[] = [];
  const unreadable: UnreadableCommitError[] = [];
  for (const { bytes, header } of records) {
    const filtered = filterRecord(bytes, header, {
      matches: () => true,
      skipsUnreadable,
      isIncomplete: false,
    });
    if (filtered instanceof UnreadableCommitError && !skipsUnreadable) {
      yield* progress.found(runs, unreadable);
      throw filtered.withHint();
    }
    progress.advanceTo(header.position);
    if (filtered instanceof UnreadableCommitError) unreadable.push(filtered);
    else if (filtered === 'include' && isWithinTimes({ fromTime, toTime: undefined }, header.timeNanos)) {
      const run = select({ bytes, header }, { ...filter, fromVersion });
      if (run !== undefined) runs.push(...restOf([run], header.position, start));
    }
  }
  yield* progress.found(runs, unreadable);
}

/** The rest of a commit if the subscription begins within it. */
function restOf(
  runs: readonly EventRun[],
  position: bigint,
  { within }: Pick<Start, 'within'>,
): readonly EventRun[] {
  return within?.position === position ? withoutFirst(runs, within.count) : runs;
}
