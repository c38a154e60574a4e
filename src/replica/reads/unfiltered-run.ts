import type { UnreadableCommitError } from '../../store/errors';
import type { EventRun } from '../../store/event-store';
import { headerAt } from '../segments/record';
import { RecordIterator } from '../segments/record-iterator';
import { RunBuilder, RunCopier } from '../segments/run-builder';
import { filterRecord, type ReadFilter } from './record-filter';
import type { Chunk } from './scan';

/** Positions of the log. */
export interface PositionRange {
  /** Exclusive. */
  readonly after: bigint;
  /** Inclusive. */
  readonly upTo: bigint;
}

export interface UnfilteredRun {
  /** undefined: there are no events. */
  readonly run: EventRun | undefined;
  /** Why the record after the events cannot be read. */
  readonly error: UnreadableCommitError | undefined;
  /** Whether commits of the range are hidden. */
  readonly isHiding: boolean;
  /** Whether the chunk has records after the range. */
  readonly isPastEnd: boolean;
}

/**
 * All events of a chunk in a range that are not hidden, up to the first record that cannot be read: of all streams, or of those that the
 * filter has. The chunk cannot be used afterwards, unless others use it too: of that one, what is needed is copied.
 */
export function unfilteredRun(
  chunk: Chunk,
  { after, upTo }: PositionRange,
  filter: ReadFilter,
  streams: 'all' | 'matching' = 'all',
): UnfilteredRun {
  // To copy all of it at once is faster, but it may have one small commit of these streams.
  const isCopied = chunk.isShared && streams === 'all';
  const bytes = isCopied ? Buffer.from(chunk.bytes) : chunk.bytes;
  const run = chunk.isShared && !isCopied ? new RunCopier(bytes) : new RunBuilder(bytes);
  const records = new RecordIterator(bytes);
  // Numbers, as in RecordIterator.
  const [first, last] = [Number(after) + 1, Number(upTo)];
  let error: UnreadableCommitError | undefined;
  const { hiding } = filter;
  let isHiding = false;
  let isPastEnd = false;
  while (records.next()) {
    if (records.position < first) continue;
    isPastEnd = records.position > last;
    if (isPastEnd) break;
    if (records.isCommit) {
      if (records.isTorn || (streams === 'matching' && !filter.matches(records.name))) continue;
      const hidden = hiding === undefined ? 0 : hiding.countHidden(records);
      if (hidden === 0) run.add(records);
      else {
        isHiding = true;
        if (hidden < records.count) run.addWithoutFirst(records, hidden);
      }
      continue;
    }
    const filtered = filterRecord(bytes, headerAt(bytes, records.start), filter);
    if (filtered === 'skip' || filtered === 'include') continue;
    error = filtered;
    break;
  }
  return { run: run.finish(), error, isHiding, isPastEnd };
}
