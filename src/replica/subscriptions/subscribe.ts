import { UnreadableCommitError } from '../../store/errors';
import type { CallContext, EventRun, SubscribeQuery, SubscriptionUpdate } from '../../store/event-store';
import { isName, patternMatcher } from '../../store/patterns';
import { position } from '../../store/values';
import type { CatchUp } from './catch-up-budget';
import { groupsOf, positionOf, takeGroup, timeOf } from '../reads/groups';
import { WithHeartbeats } from './heartbeats';
import { meet, type Wanted } from '../reads/record-filter';
import { plainRun } from '../reads/unfiltered-run';
import { wantsAll } from '../reads/read-all';
import type { FollowedReplica } from './followed-replica';
import { cursorAfter, readChunk, type Chunk } from '../reads/scan';
import type { Cursor } from '../segments/segments';
import { isWithinTimes, select } from '../reads/select';
import type { StoredRecord } from '../segments/record';
import { streamPages } from '../reads/stream-pages';
import { findStart, type Start } from './subscription-start';
import { Ending, type Interest } from '../apply/waiters';

/** With the sweeps of the replica it makes at most 5 seconds between two positions. */
const checkpointMs = 2_900;
const checkpointSequences = 500n;

/**
 * Follows the store: what is in the replica, and then what comes. Ends when `stop` is aborted. Thousands of these wait at a time,
 * so there are few objects for each.
 */
export function subscribe(
  replica: FollowedReplica,
  query: SubscribeQuery,
  call: CallContext,
  stop: AbortSignal,
): AsyncIterable<SubscriptionUpdate> {
  const ending = new Ending();
  const all = updates(replica, query, call, { stop, ending });
  const { heartbeatMs } = query;
  if (heartbeatMs === undefined) return all;
  return new WithHeartbeats(all, heartbeatMs, () => replica.received, ending.end);
}

async function* updates(
  replica: FollowedReplica,
  query: SubscribeQuery,
  call: CallContext,
  { stop, ending }: { readonly stop: AbortSignal; readonly ending: Ending },
): AsyncGenerator<SubscriptionUpdate, void> {
  for (const signal of [call.signal, stop]) {
    signal.addEventListener('abort', ending.end);
    if (signal.aborted) ending.end();
  }
  const catchUp = replica.catchUps.join();
  try {
    const start = await findStart(replica, query, call);
    const { files } = replica;
    const interest = interestOf(query.filter.patterns);
    const progress = createProgress(start.after);
    const following: Following = {
      replica,
      files,
      query,
      start,
      interest,
      progress,
      catchUp,
      ending,
      cursor: undefined,
    };
    const isOver = (): boolean => ending.isOver;
    let isLive = false;
    yield progress.say('checkpoint');
    while (!isOver()) {
      // Of others in their place, positions that it has passed may be of other commits.
      replica.throwIfReplaced(files);
      if (progress.at < replica.received) {
        const inMemory = files.segments.memoryAfter(progress.at);
        if (isLive && inMemory === undefined) {
          isLive = false;
          yield progress.say('fellBehind');
        }
        if (inMemory === undefined && replica.applied > progress.at && canSkip(replica, interest)) {
          yield* storedOf(following, interest.stream);
        } else yield* await takeChunk(following, inMemory);
      } else if (!isLive && progress.at >= start.head) {
        isLive = true;
        yield progress.say('caughtUp');
      } else {
        following.cursor = undefined;
        const reached = await replica.waiters.wait(interest, ending);
        if (reached !== undefined && reached > progress.at) progress.at = reached;
        yield* progress.tell([], []);
      }
    }
    call.signal.throwIfAborted();
  } catch (error) {
    throw replica.toStoreError(error);
  } finally {
    catchUp.leave();
    for (const signal of [call.signal, stop]) signal.removeEventListener('abort', ending.end);
  }
}

/** A subscription on its way. */
interface Following {
  readonly replica: FollowedReplica;
  readonly files: FollowedReplica['files'];
  readonly query: SubscribeQuery;
  readonly start: Start;
  readonly interest: Interest;
  readonly progress: Progress;
  readonly catchUp: CatchUp;
  readonly ending: Ending;
  /** Where the next chunk begins, while it goes from one to the next. */
  cursor: Cursor | undefined;
}

/** What is stored of one stream. What others have written is not read. */
async function* storedOf(
  { replica, files, query, start, progress, catchUp, ending }: Following,
  stream: string,
): AsyncGenerator<SubscriptionUpdate, void> {
  const through = replica.applied;
  const pages = streamPages(files, stream, progress.at, () => catchUp.chunkBytes(true));
  for await (const records of pages) {
    if (ending.isOver) return;
    replica.throwIfReplaced(files);
    yield* tellRecords(records, query, start, progress);
  }
  if (through > progress.at) progress.at = through;
  yield* progress.tell([], []);
}

/** Reads on, from memory or from the disk, and tells what it finds. */
async function takeChunk(
  following: Following,
  inMemory: Cursor | undefined,
): Promise<Generator<SubscriptionUpdate, void>> {
  const { replica, files, query, start, interest, progress, catchUp } = following;
  const cursor = inMemory ?? following.cursor ?? cursorAfter(files, progress.at);
  const chunk = await readChunk(files, cursor, catchUp.chunkBytes(inMemory === undefined));
  replica.throwIfReplaced(files);
  if (chunk === undefined) {
    // What came since has no record: messages that only check a version.
    progress.at = replica.received;
    return progress.tell([], []);
  }
  following.cursor = chunk.next;
  const wanted = {
    matches: interest.matches,
    skips: query.skipUnreadable,
    isCut: replica.faults.isIncomplete,
  };
  const taken = take(chunk, query, { ...start, after: progress.at }, wanted);
  if (chunk.last > progress.at) progress.at = chunk.last;
  return tellTaken(progress, taken);
}

function* tellTaken(
  progress: Progress,
  { runs, unreadable, error }: Taken,
): Generator<SubscriptionUpdate, void> {
  yield* progress.tell(runs, unreadable);
  if (error !== undefined) throw error.withWayOn();
}

/** How far a subscription has come, and what its subscriber knows of it. */
interface Progress {
  at: bigint;
  say(kind: 'checkpoint' | 'caughtUp' | 'fellBehind'): SubscriptionUpdate;
  /** What was found up to here, if there is anything to say. */
  tell(
    runs: readonly EventRun[],
    unreadable: readonly UnreadableCommitError[],
  ): Generator<SubscriptionUpdate, void>;
}

function createProgress(after: bigint): Progress {
  let told = after;
  let toldAtMs = Date.now();
  const tell = <Update extends object>(
    update: Update,
  ): Update & { position: ReturnType<typeof position> } => {
    told = progress.at;
    toldAtMs = Date.now();
    return { ...update, position: position(progress.at) };
  };
  const progress: Progress = {
    at: after,
    say: (kind) => tell({ kind }),
    *tell(runs, unreadable) {
      const isDue =
        progress.at > told &&
        (progress.at - told >= checkpointSequences || Date.now() - toldAtMs >= checkpointMs);
      if (runs.length > 0) yield tell({ kind: 'events' as const, runs });
      if (unreadable.length > 0) yield tell({ kind: 'checkpoint' as const, unreadable });
      else if (runs.length === 0 && isDue) yield tell({ kind: 'checkpoint' as const });
    },
  };
  return progress;
}

/** Whether a subscription is to one stream, of which nothing is missing. */
function canSkip(
  { faults }: FollowedReplica,
  interest: Interest,
): interest is Interest & { readonly stream: string } {
  return interest.stream !== undefined && !faults.isIncomplete;
}

/** Tells of records of one stream, each of which stands for all of its position. */
function* tellRecords(
  records: readonly StoredRecord[],
  { filter, skipUnreadable: skips }: SubscribeQuery,
  { fromVersion, fromTime }: Start,
  progress: Progress,
): Generator<SubscriptionUpdate, void> {
  const runs: EventRun[] = [];
  const unreadable: UnreadableCommitError[] = [];
  for (const { bytes, header } of records) {
    const met = meet(bytes, header, { matches: () => true, skips, isCut: false });
    if (met instanceof UnreadableCommitError && !skips) {
      yield* progress.tell(runs, unreadable);
      throw met.withWayOn();
    }
    if (header.position > progress.at) progress.at = header.position;
    if (met instanceof UnreadableCommitError) unreadable.push(met);
    else if (met === 'take' && isWithinTimes({ fromTime, toTime: undefined }, header.timeNanos)) {
      const run = select({ bytes, header }, { ...filter, fromVersion });
      if (run !== undefined) runs.push(run);
    }
  }
  yield* progress.tell(runs, unreadable);
}

interface Taken {
  readonly runs: readonly EventRun[];
  /** What was passed over. */
  readonly unreadable: readonly UnreadableCommitError[];
  /** Met after these events. */
  readonly error: UnreadableCommitError | undefined;
}

/** The events of a chunk that are asked for. */
function take(
  chunk: Chunk,
  { filter }: SubscribeQuery,
  { after, fromVersion, fromTime }: Start,
  wanted: Wanted,
): Taken {
  if (wantsAll(filter) && fromTime === undefined && !wanted.skips) {
    const { run, error } = plainRun(chunk, { after, through: maxPosition }, wanted);
    return { runs: run === undefined ? [] : [run], unreadable: [], error };
  }
  const runs: EventRun[] = [];
  const unreadable: UnreadableCommitError[] = [];
  for (const group of groupsOf(chunk)) {
    if (positionOf(group) <= after) continue;
    const taken = takeGroup(group, wanted, { ...filter, fromVersion });
    if (!(taken instanceof UnreadableCommitError)) {
      if (isWithinTimes({ fromTime, toTime: undefined }, timeOf(group))) runs.push(...taken);
    } else if (wanted.skips) unreadable.push(taken);
    else return { runs, unreadable, error: taken };
  }
  return { runs, unreadable, error: undefined };
}

const maxPosition = 2n ** 64n;

function interestOf(patterns: readonly string[]): Interest {
  const [only, ...others] = patterns;
  const stream = only !== undefined && others.length === 0 && isName(only) ? only : undefined;
  return { stream, matches: stream === undefined ? patternMatcher(patterns) : (name) => name === stream };
}
