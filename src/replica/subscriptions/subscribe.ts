import type { EventQuery } from '../../store/event-query';
import type { CallContext, EventFilter, SubscribeQuery, SubscriptionUpdate } from '../../store/event-store';
import { isName, streamMatcher } from '../../store/patterns';
import { Cancellation, type Interest } from '../apply/commit-waiters';
import { hidingAt, type Hiding } from '../reads/hiding';
import { indexedGroups } from '../reads/indexed-groups';
import { isIndexed } from '../reads/query-walk';
import type { ReadFilter } from '../reads/record-filter';
import { cursorAfter, readChunk } from '../reads/scan';
import { streamPages } from '../reads/stream-pages';
import type { SegmentCursor } from '../segments/segment-view';
import type { CatchUpShare } from './catch-up-budget';
import { reportChunk, reportGroups, reportRecords } from './report-events';
import type { FollowedReplica } from './followed-replica';
import { WithHeartbeats } from './heartbeats';
import { SubscriptionProgress } from './subscription-progress';
import { findStart, type Start } from './subscription-start';

/**
 * Follows the store: the commits that the replica has, and then each new one. Ends when `stop` aborts. Thousands of subscriptions
 * wait at a time, so each has few objects.
 */
export function subscribe(
  replica: FollowedReplica,
  query: SubscribeQuery,
  call: CallContext,
  stop: AbortSignal,
): AsyncIterable<SubscriptionUpdate> {
  const cancellation = new Cancellation();
  const all = updates(replica, query, call, { stop, cancellation });
  const { heartbeatMs } = query;
  if (heartbeatMs === undefined) return all;
  return new WithHeartbeats(all, heartbeatMs, () => replica.received, cancellation.cancel);
}

/** A subscription in progress. */
interface Subscription {
  readonly replica: FollowedReplica;
  readonly files: FollowedReplica['files'];
  readonly query: SubscribeQuery;
  readonly start: Start;
  readonly interest: Interest;
  readonly progress: SubscriptionProgress;
  readonly share: CatchUpShare;
  readonly cancellation: Cancellation;
  /** By performance.now(). */
  readonly beganMs: number;
  /** Where the next chunk begins, unless the subscription has waited since the last one. */
  cursor: SegmentCursor | undefined;
}

/** One generator, without functions around its waits: each would take memory for every subscription that waits. */
async function* updates(
  replica: FollowedReplica,
  query: SubscribeQuery,
  call: CallContext,
  { stop, cancellation }: { readonly stop: AbortSignal; readonly cancellation: Cancellation },
): AsyncGenerator<SubscriptionUpdate, void> {
  const signals = [call.signal, stop];
  cancelAtAbort(signals, cancellation);
  const share = replica.catchUpBudget.join();
  let progress: SubscriptionProgress | undefined;
  try {
    const subscription = await begin(replica, query, call, { share, cancellation });
    const { files, start, interest } = subscription;
    progress = subscription.progress;
    replica.subscriptions.add(progress);
    yield { kind: 'checkpoint', storeId: replica.storeId, position: progress.position };
    while (!isCancelled(cancellation)) {
      // After a rebuild the positions so far may belong to other commits.
      replica.throwIfReplaced(files);
      if (progress.at < replica.received) {
        const inMemory = files.segments.cursorInMemory(progress.at);
        if (progress.isLive && inMemory === undefined) {
          progress.isLive = false;
          yield progress.say('fellBehind');
        }
        if (inMemory === undefined && replica.applied > progress.at && canUseIndex(replica, interest))
          yield* storedUpdates(subscription, interest.stream);
        else if (inMemory === undefined && replica.applied > progress.at && isIndexed(query.filter.query))
          yield* queriedUpdates(subscription, query.filter.query, call);
        else yield* await chunkUpdates(subscription, inMemory);
      } else if (!progress.isLive && progress.at >= start.head) {
        progress.isLive = true;
        yield progress.say('caughtUp');
      } else {
        subscription.cursor = undefined;
        const upTo = await replica.waiters.wait(interest, cancellation);
        if (upTo !== undefined) progress.advanceTo(upTo);
        yield* progress.found();
      }
    }
    call.signal.throwIfAborted();
  } catch (error) {
    throw replica.toStoreError(error);
  } finally {
    share.leave();
    if (progress !== undefined) replica.subscriptions.delete(progress);
    for (const signal of signals) signal.removeEventListener('abort', cancellation.cancel);
  }
}

function cancelAtAbort(signals: readonly AbortSignal[], cancellation: Cancellation): void {
  for (const signal of signals) {
    signal.addEventListener('abort', cancellation.cancel);
    if (signal.aborted) cancellation.cancel();
  }
}

/** A function, since the compiler believes that a property which is false stays false. */
function isCancelled(cancellation: Cancellation): boolean {
  return cancellation.isCancelled;
}

async function begin(
  replica: FollowedReplica,
  query: SubscribeQuery,
  call: CallContext,
  parts: Pick<Subscription, 'share' | 'cancellation'>,
): Promise<Subscription> {
  const start = await findStart(replica, query, call);
  const beganMs = performance.now();
  return {
    ...parts,
    replica,
    files: replica.files,
    query,
    start,
    interest: interestOf(query.filter),
    progress: new SubscriptionProgress(start),
    beganMs,
    cursor: undefined,
  };
}

/** Whether a subscription is to one stream of which nothing is lost: then its commits are read by the index. */
function canUseIndex(
  { faults }: FollowedReplica,
  interest: Interest,
): interest is Interest & { readonly stream: string } {
  return interest.stream !== undefined && !faults.isIncomplete;
}

/** Reads what the index has of one stream, without the commits of others. */
async function* storedUpdates(
  subscription: Subscription,
  stream: string,
): AsyncGenerator<SubscriptionUpdate, void> {
  const { replica, files, progress, share, cancellation } = subscription;
  const upTo = replica.applied;
  for await (const records of streamPages(files, stream, progress.at, () => share.chunkBytes(true))) {
    if (cancellation.isCancelled) return;
    replica.throwIfReplaced(files);
    yield* reportRecords(records, subscription, hidingNow(subscription));
  }
  progress.advanceTo(upTo);
  yield* progress.found();
}

/** Reads what the index has of a query, without the commits that do not match. */
async function* queriedUpdates(
  subscription: Subscription,
  query: EventQuery,
  call: CallContext,
): AsyncGenerator<SubscriptionUpdate, void> {
  const { replica, files, progress, share, cancellation } = subscription;
  const range = { after: progress.at, upTo: replica.applied, direction: 'forward' } as const;
  const chunkBytes = (): number => share.chunkBytes(true);
  for await (const found of indexedGroups(files, query, { ...range, chunkBytes }, call)) {
    if (cancellation.isCancelled) return;
    replica.throwIfReplaced(files);
    yield* reportGroups(found, subscription, filterOf(subscription));
  }
}

/** Reads the next chunk, from memory or from the disk. */
async function chunkUpdates(
  subscription: Subscription,
  inMemory: SegmentCursor | undefined,
): Promise<Iterable<SubscriptionUpdate>> {
  const { replica, files, progress, share } = subscription;
  const cursor = inMemory ?? subscription.cursor ?? cursorAfter(files, progress.at);
  const chunk = await readChunk(files, cursor, share.chunkBytes(inMemory === undefined));
  replica.throwIfReplaced(files);
  if (chunk === undefined) {
    // What was received since has no record: messages that only check a version.
    progress.at = replica.received;
    return progress.found();
  }
  subscription.cursor = chunk.next;
  return reportChunk(chunk, subscription, filterOf(subscription));
}

function filterOf(subscription: Subscription): ReadFilter {
  const { replica, query, interest } = subscription;
  return {
    matches: interest.matches,
    skipsUnreadable: query.skipUnreadable,
    isIncomplete: replica.faults.isIncomplete,
    hiding: hidingNow(subscription),
  };
}

/** What is hidden from the next chunk. What a subscriber that is not behind gets is new: no retention hides it. */
function hidingNow({ replica, files, progress, beganMs }: Subscription): Hiding | undefined {
  return progress.isLive ? hidingAt(files, undefined) : replica.hiding.judgedAfter(beganMs, files);
}

function interestOf(filter: EventFilter): Interest {
  const [only, ...others] = filter.patterns;
  const isOne = only !== undefined && others.length === 0 && isName(only) && filter.visible === undefined;
  const stream = isOne ? only : undefined;
  return { stream, matches: stream === undefined ? streamMatcher(filter) : (name) => name === stream };
}
