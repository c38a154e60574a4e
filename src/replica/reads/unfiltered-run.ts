import type { UnreadableCommitError } from '../../store/errors';
import type { EventRun } from '../../store/event-store';
import { headerAt } from '../segments/record';
import { RecordIterator } from '../segments/record-iterator';
import { RunBuilder, RunCopier, type RunOfRecords } from '../segments/run-builder';
import type { Hiding } from './hiding';
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
  const wanted = {
    // Numbers, as in RecordIterator.
    first: Number(after) + 1,
    last: Number(upTo),
    matches: streams === 'all' ? undefined : filter.matches,
    hiding: filter.hiding,
  };
  let isHiding = false;
  for (;;) {
    const next = addCommits(records, run, wanted);
    if (next === 'judge') {
      if (addShown(records, run, filter.hiding)) continue;
      isHiding = true;
    } else if (next === 'other') {
      const filtered = filterRecord(bytes, headerAt(bytes, records.start), filter);
      if (typeof filtered === 'string') continue;
      return { run: run.finish(), error: filtered, isHiding, isPastEnd: false };
    } else return { run: run.finish(), error: undefined, isHiding, isPastEnd: next === 'pastEnd' };
  }
}

/** Commits, by numbers as in RecordIterator. */
interface WantedCommits {
  readonly first: number;
  readonly last: number;
  /** undefined: all streams. */
  readonly matches: ReadFilter['matches'] | undefined;
  readonly hiding: Hiding | undefined;
}

/**
 * Adds the next commits, up to one of which events may be hidden, another record, the first record after the range, or the end. All
 * that is read passes here. What is rare is elsewhere, since a compiler puts only so much of what a function calls into it.
 */
function addCommits(
  records: RecordIterator,
  run: RunOfRecords,
  { first, last, matches, hiding }: WantedCommits,
): 'judge' | 'other' | 'pastEnd' | 'end' {
  while (records.next()) {
    const { position } = records;
    if (position < first) continue;
    if (position > last) return 'pastEnd';
    if (!records.isCommit) return 'other';
    if (records.isTorn || (matches !== undefined && !matches(records.name))) continue;
    if (hiding !== undefined && hiding.mayHide(records)) return 'judge';
    run.add(records);
  }
  return 'end';
}

/** Adds the events of the current record that are not hidden. Returns whether these are all of them. */
function addShown(records: RecordIterator, run: RunOfRecords, hiding: Hiding | undefined): boolean {
  const hidden = hiding === undefined ? 0 : hiding.countHidden(records);
  if (hidden === 0) run.add(records);
  else if (hidden < records.count) run.addWithoutFirst(records, hidden);
  return hidden === 0;
}
