import { UnreadableCommitError } from '../../store/errors';
import type { EventRun, SubscribeQuery, SubscriptionUpdate } from '../../store/event-store';
import { groupsOf, positionOf, runsOfGroup, timeOf, type ChunkGroups } from '../reads/groups';
import { selectShown, type Hiding } from '../reads/hiding';
import { wantsAll } from '../reads/read-all';
import { filterRecord, type ReadFilter } from '../reads/record-filter';
import type { Chunk } from '../reads/scan';
import { hasAllEvents, isWithinTimes } from '../reads/select';
import { withoutFirst } from '../reads/skip-events';
import { unfilteredRun } from '../reads/unfiltered-run';
import type { StoredRecord } from '../segments/record';
import type { SubscriptionProgress } from './subscription-progress';
import type { Start } from './subscription-start';

/** What a subscription wants, from where, and how far it is. */
interface Following {
  readonly query: SubscribeQuery;
  readonly start: Start;
  readonly progress: SubscriptionProgress;
}

/** Reports the events of a chunk. Throws UnreadableCommitError. */
export function* reportChunk(
  chunk: Chunk,
  following: Following,
  filter: ReadFilter,
): Generator<SubscriptionUpdate, void> {
  const { query, start, progress } = following;
  const { at: after } = progress;
  const isWithin = start.within !== undefined && after < start.within.position;
  const streams = wantsAll(query.filter) ? 'all' : 'matching';
  const isFromStart = start.fromTime === undefined && start.fromVersion === 1n && !isWithin;
  const isWhole = hasAllEvents(query.filter) && isFromStart;
  if (!isWhole || filter.skipsUnreadable) {
    yield* reportGroups({ groups: groupsOf(chunk), completeTo: chunk.last }, following, filter);
    return;
  }
  const { run, error } = unfilteredRun(chunk, { after, upTo: chunk.last }, filter, streams);
  // What follows an unreadable message has not been read.
  progress.advanceTo(error === undefined ? chunk.last : error.position - 1n);
  yield* progress.found(run === undefined ? [] : [run]);
  if (error !== undefined) throw error.withHint();
}

/** Reports the events of groups. Throws UnreadableCommitError. */
export function* reportGroups(
  { groups, completeTo }: ChunkGroups,
  { query, start, progress }: Following,
  filter: ReadFilter,
): Generator<SubscriptionUpdate, void> {
  const { at: after } = progress;
  const { fromVersion, fromTime } = start;
  const found = new Found(progress);
  for (const group of groups) {
    const position = positionOf(group);
    if (position <= after) continue;
    const runs = runsOfGroup(group, filter, { ...query.filter, fromVersion });
    if (!(runs instanceof UnreadableCommitError)) {
      const isWanted = isWithinTimes({ fromTime, toTime: undefined }, timeOf(group));
      const wanted = isWanted ? restOf(runs, position, start) : [];
      if (found.isBefore(wanted)) yield* found.all();
      found.events(wanted, position);
    } else if (filter.skipsUnreadable) found.unreadable(runs, position);
    else yield* found.failure(runs);
  }
  progress.advanceTo(completeTo);
  yield* found.all();
}

/** Reports the events of records of one stream. Throws UnreadableCommitError. */
export function* reportRecords(
  records: readonly StoredRecord[],
  { query, start, progress }: Following,
  hiding: Hiding | undefined,
): Generator<SubscriptionUpdate, void> {
  const { filter, skipUnreadable: skipsUnreadable } = query;
  const { fromVersion, fromTime } = start;
  const found = new Found(progress);
  for (const { bytes, header } of records) {
    const { position, timeNanos } = header;
    const filtered = filterRecord(bytes, header, {
      matches: () => true,
      skipsUnreadable,
      isIncomplete: false,
    });
    if (filtered instanceof UnreadableCommitError) {
      if (skipsUnreadable) found.unreadable(filtered, position);
      else yield* found.failure(filtered);
      continue;
    }
    const isWanted = filtered === 'include' && isWithinTimes({ fromTime, toTime: undefined }, timeNanos);
    const run = isWanted ? selectShown({ bytes, header }, { ...filter, fromVersion }, hiding) : undefined;
    const wanted = run === undefined ? [] : restOf([run], position, start);
    if (found.isBefore(wanted)) yield* found.all();
    found.events(wanted, position);
  }
  yield* found.all();
}

/** What was found and is not reported yet: events, and what was skipped after them. */
class Found {
  private runs: EventRun[] = [];
  private skipped: UnreadableCommitError[] = [];

  constructor(private readonly progress: SubscriptionProgress) {}

  /** Whether something was skipped before these events: a subscriber must learn of that first. */
  isBefore(runs: readonly EventRun[]): boolean {
    return runs.length > 0 && this.skipped.length > 0;
  }

  events(runs: readonly EventRun[], position: bigint): void {
    this.runs.push(...runs);
    this.progress.advanceTo(position);
  }

  unreadable(error: UnreadableCommitError, position: bigint): void {
    this.skipped.push(error);
    this.progress.advanceTo(position);
  }

  /** Reports what came before the error, and throws it. */
  *failure(error: UnreadableCommitError): Generator<SubscriptionUpdate, never> {
    // What follows an unreadable message has not been read.
    this.progress.advanceTo(error.position - 1n);
    yield* this.all();
    throw error.withHint();
  }

  *all(): Generator<SubscriptionUpdate, void> {
    const { runs, skipped } = this;
    [this.runs, this.skipped] = [[], []];
    yield* this.progress.found(runs, skipped);
  }
}

/** The rest of a commit if the subscription begins within it. */
function restOf(
  runs: readonly EventRun[],
  position: bigint,
  { within }: Pick<Start, 'within'>,
): readonly EventRun[] {
  return within?.position === position ? withoutFirst(runs, within.count) : runs;
}
