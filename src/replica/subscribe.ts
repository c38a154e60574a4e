import { InvalidRequestError, UnreadableCommitError } from '../store/errors';
import type { CallContext, EventRun, SubscribeQuery, SubscriptionUpdate } from '../store/event-store';
import { isName, patternMatcher } from '../store/patterns';
import { position, type UnixNanos } from '../store/values';
import type { CatchUp } from './catch-ups';
import { groupsOf, positionOf, takeGroup, timeOf } from './groups';
import { withHeartbeats } from './heartbeats';
import { meet, type Wanted } from './meet';
import { plainRun } from './plain-run';
import { wantsAll } from './read-all';
import type { Replica } from './replica';
import { cursorAfter, readChunk, type Chunk } from './scan';
import type { Cursor } from './segments';
import { isWithinTimes, select, type StoredRecord } from './select';
import { streamPages } from './stream-pages';
import type { Interest } from './waiters';

/** With the sweeps of the replica it makes at most 5 seconds between two positions. */
const checkpointMs = 2_900;
const checkpointSequences = 500n;

/** Follows the store: what is in the replica, and then what comes. Ends when `stop` is aborted. */
export async function* subscribe(
  replica: Replica,
  query: SubscribeQuery,
  call: CallContext,
  stop: AbortSignal,
): AsyncGenerator<SubscriptionUpdate, void> {
  // Of its own, since every wait listens to it: listeners of a signal that thousands share are slow to remove.
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
  };
  for (const signal of [call.signal, stop]) {
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  }
  const catchUp = replica.catchUps.join();
  try {
    const all = updates(replica, query, { call, ending: ending.signal, catchUp });
    yield* query.heartbeatMs === undefined
      ? all
      : withHeartbeats(all, query.heartbeatMs, () => replica.received, end);
    call.signal.throwIfAborted();
  } finally {
    catchUp.leave();
    for (const signal of [call.signal, stop]) signal.removeEventListener('abort', end);
  }
}

interface Around {
  readonly call: CallContext;
  readonly ending: AbortSignal;
  readonly catchUp: CatchUp;
}

async function* updates(
  replica: Replica,
  query: SubscribeQuery,
  { call, ending, catchUp }: Around,
): AsyncGenerator<SubscriptionUpdate, void> {
  const start = await findStart(replica, query, call);
  const progress = createProgress(start.after);
  const interest = interestOf(query.filter.patterns);
  const isEnding = (): boolean => ending.aborted;
  let isLive = false;
  let cursor: Cursor | undefined;
  yield progress.say('checkpoint');
  while (!isEnding()) {
    if (progress.at < replica.received) {
      const { files } = replica;
      const inMemory = files.segments.memoryAfter(progress.at);
      if (isLive && inMemory === undefined) {
        isLive = false;
        yield progress.say('fellBehind');
      }
      const through = replica.applied;
      if (inMemory === undefined && through > progress.at && canSkip(replica, interest)) {
        // What others have written is not read.
        const bytes = (): number => catchUp.chunkBytes(true);
        const pages = streamPages(files, interest.stream, progress.at, bytes);
        for await (const records of pages) {
          if (isEnding()) return;
          replica.throwIfReplaced(files);
          yield* tellRecords(records, query, start, progress);
        }
        if (through > progress.at) progress.at = through;
        yield* progress.tell([], []);
        continue;
      }
      cursor = inMemory ?? cursor ?? cursorAfter(files, progress.at);
      const chunk = await readChunk(files, cursor, catchUp.chunkBytes(inMemory === undefined));
      replica.throwIfReplaced(files);
      if (chunk === undefined) {
        // What came since has no record: messages that only check a version.
        progress.at = replica.received;
        yield* progress.tell([], []);
        continue;
      }
      cursor = chunk.next;
      const wanted = { matches: interest.matches, skips: query.skipUnreadable, isCut: replica.faults.isCut };
      const { runs, unreadable, error } = take(chunk, query, { ...start, after: progress.at }, wanted);
      const last = chunk.headers.at(-1)?.position ?? progress.at;
      if (last > progress.at) progress.at = last;
      yield* progress.tell(runs, unreadable);
      if (error !== undefined) throw error.withWayOn();
      continue;
    }
    if (!isLive && progress.at >= start.head) {
      isLive = true;
      yield progress.say('caughtUp');
      continue;
    }
    const reached = await replica.waiters.wait(interest, ending);
    cursor = undefined;
    if (reached !== undefined && reached > progress.at) progress.at = reached;
    yield* progress.tell([], []);
  }
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
  { faults }: Replica,
  interest: Interest,
): interest is Interest & { readonly stream: string } {
  return interest.stream !== undefined && !faults.isCut;
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
  for (const group of groupsOf(chunk.bytes, chunk.headers)) {
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
  return { stream, matches: patternMatcher(patterns) };
}

/** Where a subscription begins. */
interface Start {
  /** Nothing before or at this position is asked for. */
  readonly after: bigint;
  /** The end of the log at the time of the call. */
  readonly head: bigint;
  readonly fromVersion: bigint;
  readonly fromTime: UnixNanos | undefined;
}

/** Throws InvalidRequestError if the start must exist and does not. */
async function findStart(replica: Replica, query: SubscribeQuery, call: CallContext): Promise<Start> {
  const { start, startMustExist } = query;
  const head = await replica.reach('leader', call);
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
  { files, faults }: Replica,
  { skipUnreadable }: SubscribeQuery,
  { after, fromTime }: { readonly after: bigint; readonly fromTime: UnixNanos | undefined },
): bigint {
  // What cannot be read, or is gone, is told whatever the time.
  if (fromTime === undefined || skipUnreadable || faults.isCut) return after;
  const earlier = (files.index.markBeforeTime(fromTime)?.position ?? 1n) - 1n;
  return earlier > after ? earlier : after;
}

function checkExists(field: string, after: bigint, end: bigint): void {
  if (after <= end) return;
  const description = `is ${after.toString()}, beyond the end, which is ${end.toString()}`;
  throw new InvalidRequestError([{ field, description }]);
}
