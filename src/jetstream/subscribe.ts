import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidRequestError, StoreUnavailableError, UnreadableCommitError } from '../store/errors';
import type { CallContext, CommitSlice, SubscribeQuery, SubscriptionUpdate } from '../store/event-store';
import { isName, patternMatcher } from '../store/patterns';
import { position, type StreamName, type UnixNanos } from '../store/values';
import { stepsOf, type StoredCommit } from './commit-assembler';
import { toStoreError } from './errors';
import { lastPart, logHead } from './head';
import { locate } from './locate';
import { goneBack } from './newest-commits';
import { logForward } from './scan-log';
import { selectAll } from './select';
import type { StoreContext } from './store-context';
import type { Tail } from './tail';
import type { Interest } from './tail-waiters';
import { withHeartbeats } from './with-heartbeats';

/** What all subscriptions of a gateway share. */
export interface Subscriptions extends StoreContext {
  readonly tail: Tail;
  /** Subscriptions that read from the log at the moment. */
  catchUps: number;
}

/** With the sweeps of the tail it makes at most 5 seconds between two positions. */
const checkpointMs = 2_900;
const checkpointSequences = 500n;
const retryMs = 250;
const fetchBytesMin = 16 << 10;

/** Follows the log: what is in it from there, what is new from the tail. Ends when `stop` is aborted. */
export async function* subscribe(
  shared: Subscriptions,
  query: SubscribeQuery,
  call: CallContext,
  stop: AbortSignal,
): AsyncGenerator<SubscriptionUpdate, void> {
  const { tail } = shared;
  const release = await tail.follow(call);
  // Of its own, since every wait listens to it: listeners of a signal that thousands share are slow to remove.
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
  };
  for (const signal of [call.signal, stop]) {
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  }
  try {
    const all = updates(shared, query, call, ending.signal);
    yield* query.heartbeatMs === undefined
      ? all
      : withHeartbeats(all, query.heartbeatMs, () => tail.head, end);
    call.signal.throwIfAborted();
  } finally {
    for (const signal of [call.signal, stop]) signal.removeEventListener('abort', end);
    release();
  }
}

async function* updates(
  shared: Subscriptions,
  query: SubscribeQuery,
  call: CallContext,
  ending: AbortSignal,
): AsyncGenerator<SubscriptionUpdate, void> {
  const { tail, limits } = shared;
  const { timesGoneBack } = tail;
  const start = await findStart(shared, query, call);
  const progress = createProgress(start.after);
  const interest = interestOf(query.filter.patterns);
  const wanted = (commits: readonly StoredCommit[]): CommitSlice[] => wantedOf(commits, query, start);
  let live = false;
  yield progress.say('checkpoint');
  while (!ending.aborted) {
    if (timesGoneBack !== tail.timesGoneBack) throw goneBack();
    if (!tail.covers(progress.at)) {
      if (live) yield progress.say('fellBehind');
      live = false;
      yield* catchUp(shared, { query, progress, wanted }, call, ending);
      continue;
    }
    const how = { bytesMax: limits.subscriptionBytesMax, skips: query.skipUnreadable };
    const { commits, covered, unreadable, error } = tail.take(progress.at, interest, how);
    progress.at = covered;
    yield* progress.tell(wanted(commits), unreadable);
    if (error !== undefined) throw error.withWayOn();
    if (progress.at < tail.head) continue;
    if (!live && progress.at >= start.head) {
      live = true;
      yield progress.say('caughtUp');
      continue;
    }
    // Until it is live, it must notice that the tail has come to where the log ended at the start.
    const reached = await tail.next(live ? interest : anything, ending);
    if (reached !== undefined && reached > progress.at) progress.at = reached;
  }
}

/** How far a subscription has come, and what its subscriber knows of it. */
interface Progress {
  at: bigint;
  say(kind: 'checkpoint' | 'caughtUp' | 'fellBehind'): SubscriptionUpdate;
  /** What was found up to here, if there is anything to say. */
  tell(
    commits: readonly CommitSlice[],
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
    *tell(commits, unreadable) {
      const isDue =
        progress.at > told &&
        (progress.at - told >= checkpointSequences || Date.now() - toldAtMs >= checkpointMs);
      if (commits.length > 0) yield tell({ kind: 'events' as const, commits });
      if (unreadable.length > 0) yield tell({ kind: 'checkpoint' as const, unreadable });
      else if (commits.length === 0 && isDue) yield tell({ kind: 'checkpoint' as const });
    },
  };
  return progress;
}

/** Reads from the log what the tail has no more. NATS may be away for a while. */
async function* catchUp(
  shared: Subscriptions,
  {
    query,
    progress,
    wanted,
  }: {
    readonly query: SubscribeQuery;
    readonly progress: Progress;
    readonly wanted: (commits: readonly StoredCommit[]) => CommitSlice[];
  },
  call: CallContext,
  ending: AbortSignal,
): AsyncGenerator<SubscriptionUpdate, void> {
  const { tail, limits } = shared;
  const { catchUpBytesMax, fetchBytesMax, readProgressTimeoutMs } = limits;
  const { timesGoneBack } = tail;
  // Each has a page in use and two on their way.
  const fetchBytes = (): number =>
    Math.max(fetchBytesMin, Math.min(fetchBytesMax / 2, Math.floor(catchUpBytesMax / (3 * shared.catchUps))));
  const isEnding = (): boolean => ending.aborted;
  let progressMs = Date.now();
  shared.catchUps++;
  try {
    while (!isEnding() && !tail.covers(progress.at)) {
      const { filter, skipUnreadable: skips } = query;
      const range = { patterns: filter.patterns, after: progress.at, through: tail.head, skips };
      try {
        for await (const { commits, covered, unreadable } of logForward(shared, range, call, fetchBytes)) {
          progress.at = covered;
          yield* progress.tell(wanted(commits), unreadable);
          if (isEnding() || timesGoneBack !== tail.timesGoneBack) return;
          progressMs = Date.now();
        }
      } catch (error) {
        if (error instanceof UnreadableCommitError) throw error.withWayOn();
        const isAway = toStoreError(error) instanceof StoreUnavailableError;
        if (!isAway || Date.now() - progressMs > readProgressTimeoutMs) throw error;
        await sleep(retryMs);
      }
    }
  } finally {
    shared.catchUps--;
  }
}

const anything: Interest = { stream: undefined, matches: () => true };

function interestOf(patterns: readonly string[]): Interest {
  const [only, ...others] = patterns;
  const stream = only !== undefined && others.length === 0 && isName(only) ? only : undefined;
  return { stream, matches: patternMatcher(patterns) };
}

/** Where a subscription begins. */
interface Start {
  /** Nothing before or at this sequence is asked for. */
  readonly after: bigint;
  /** The end of the log at the time of the call. */
  readonly head: bigint;
  readonly fromVersion: bigint;
  readonly fromTime: UnixNanos | undefined;
}

function wantedOf(
  commits: readonly StoredCommit[],
  { filter }: SubscribeQuery,
  { fromVersion, fromTime }: Start,
): CommitSlice[] {
  const { eventTypes, eventTypePrefixes } = filter;
  const inTime =
    fromTime === undefined
      ? commits
      : [...stepsOf(commits)].filter((step) => (step.at(-1)?.timeNanos ?? 0n) >= fromTime).flat();
  return selectAll(inTime, {
    fromVersion,
    toVersion: undefined,
    eventTypes,
    eventTypePrefixes,
    reverse: false,
    countMax: undefined,
  });
}

/** Throws InvalidRequestError if the start must exist and does not. */
async function findStart(context: StoreContext, query: SubscribeQuery, call: CallContext): Promise<Start> {
  const { start, startMustExist } = query;
  const head = await logHead(context, call);
  await context.durability.through(head.sequence);
  const found: Start = { after: head.sequence, head: head.sequence, fromVersion: 1n, fromTime: undefined };
  switch (start.kind) {
    case 'now':
      return found;
    case 'position':
      if (startMustExist) checkExists('after_position', start.after, head.sequence);
      return { ...found, after: start.after, fromTime: start.fromTime };
    case 'version': {
      const { after, version } = await findVersion(context, start.stream, start.after, head.sequence, call);
      if (startMustExist) checkExists('after_version', start.after, version);
      return { ...found, after, fromVersion: start.after + 1n };
    }
  }
}

function checkExists(field: string, after: bigint, end: bigint): void {
  if (after <= end) return;
  const description = `is ${after.toString()}, beyond the end, which is ${end.toString()}`;
  throw new InvalidRequestError([{ field, description }]);
}

/** A sequence from which on the versions beyond one are met, and the version of the stream. */
async function findVersion(
  context: StoreContext,
  stream: StreamName,
  version: bigint,
  head: bigint,
  call: CallContext,
): Promise<{ after: bigint; version: bigint }> {
  const last = await lastPart(context, stream, 'leader', call);
  if (last === undefined) return { after: head, version: 0n };
  if (version >= last.lastVersion) return { after: last.position, version: last.lastVersion };
  const from = version === 0n ? 1n : await locate(context, stream, version + 1n, last, call);
  return { after: from - 1n, version: last.lastVersion };
}
