import { position, unixNanos, version } from '../store/values';
import type { ConsumerGroups, ParkedEvent, ParkedSelection } from '../store/consumer-groups';
import type { CallContext, EventRun, EventStore } from '../store/event-store';
import { isStoreError } from '../store/errors';
import { patternMatcher } from '../store/patterns';
import { StateChangedError, type StateRecord } from '../store/state-store';
import { ownCall, type GroupsContext } from './context';
import { readExisting } from './group-admin';
import { replayKey } from './parked-index';
import { decodeParked, encodeParked, inOrder, parkedPattern, type StoredParked } from './parked-record';
import { encodeRecord, UnreadableRecordError } from './record-fields';
import { recordPages } from './record-pages';
import { readEvent } from './store-reads';

type ParkedCalls = Pick<ConsumerGroups, 'listParked' | 'replayParked' | 'dropParked'>;

/** A parked event, and its record. */
interface Found {
  readonly record: StateRecord;
  readonly parked: StoredParked;
  /** Whether the group selects its stream: otherwise its callers may not be permitted to read it. */
  readonly isSelected: boolean;
}

const attemptsMax = 10;
/** That of the call may be over. */
const announceTimeoutMs = 5_000;

/** See `ConsumerGroups`. */
export function createParkedCalls(context: GroupsContext): ParkedCalls {
  return {
    listParked: (query, call) => listParked(context, query, call),
    replayParked: (selection, call) =>
      forEach(context, selection, call, async ({ record, parked, isSelected }) => {
        if (!isSelected) return false;
        const value = encodeParked({ ...parked, isReplaying: true });
        if (!parked.isReplaying) await context.state.put(record.key, value, record.revision, call);
        return true;
      }),
    dropParked: (selection, call) =>
      forEach(context, selection, call, async ({ record }) => {
        await context.state.remove(record.key, record.revision, call);
        return true;
      }),
  };
}

async function* listParked(
  context: GroupsContext,
  query: Parameters<ParkedCalls['listParked']>[0],
  call: CallContext,
): AsyncGenerator<readonly ParkedEvent[], void> {
  let left = query.maxCount ?? Infinity;
  for await (const page of find(context, query, call)) {
    const found = page.filter(({ isSelected }) => isSelected).slice(0, left);
    left -= found.length;
    yield await Promise.all(found.map((one) => toParkedEvent(context.store, one, query.withEvents, call)));
    if (left === 0) return;
  }
}

async function toParkedEvent(
  store: EventStore,
  { parked, record }: Found,
  withEvent: boolean,
  call: CallContext,
): Promise<ParkedEvent> {
  const { stream, eventId, type, reason, attempts } = parked;
  return {
    stream,
    version: version(BigInt(parked.version)),
    position: position(BigInt(parked.position)),
    eventId,
    type,
    reason,
    attempts,
    parkTime: unixNanos(record.timeNanos),
    following: parked.isFollowing,
    replaying: parked.isReplaying,
    event: withEvent ? await eventOf(store, parked, call) : undefined,
  };
}

/** undefined: it can no longer be read, or is hidden. */
async function eventOf(
  store: EventStore,
  { stream, version: number }: StoredParked,
  call: CallContext,
): Promise<EventRun | undefined> {
  try {
    const event = await readEvent(store, stream, number, call);
    return event === 'hidden' ? undefined : event;
  } catch (error) {
    if (isStoreError(error) && error.code === 'UNREADABLE_COMMIT') return undefined;
    throw error;
  }
}

/** The parked events that were asked for, in the order of their positions, in pages. */
async function* find(
  context: GroupsContext,
  { group, stream, version: wanted }: ParkedSelection,
  call: CallContext,
): AsyncGenerator<readonly Found[], void> {
  const { state } = context;
  const { id, group: stored } = await readExisting(context, group, call);
  const isStream = patternMatcher(stored.settings.filter.patterns);
  const keys = await state.keys(parkedPattern(group, stream, wanted), call);
  for await (const page of recordPages(state, inOrder(keys), call))
    yield page.flatMap((record) => {
      const parked = decoded(context, record);
      return parked?.group === id ? [{ record, parked, isSelected: isStream(parked.stream) }] : [];
    });
}

function decoded({ log }: GroupsContext, { key, value }: StateRecord): StoredParked | undefined {
  try {
    return decodeParked(value);
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error;
    log.warn({ err: error, key }, 'the record of a parked event cannot be read');
    return undefined;
  }
}

/**
 * Changes the records of parked events, and counts those for which `act` returns true; what others change at the same time is left to
 * them. Then the owners of lanes learn of it, also if not all were changed.
 */
async function forEach(
  context: GroupsContext,
  selection: ParkedSelection,
  call: CallContext,
  act: (found: Found) => Promise<boolean>,
): Promise<number> {
  let count = 0;
  const change = async (found: readonly Found[]): Promise<void> => {
    for (const one of found)
      try {
        if (await act(one)) count++;
      } catch (error) {
        if (!(error instanceof StateChangedError)) throw error;
      }
  };
  try {
    for await (const page of find(context, selection, call)) await settleAll(byStream(page).map(change));
  } finally {
    if (count > 0) await announce(context, selection);
  }
  return count;
}

/** An owner of lanes may see some of the changes before others: it must not replay an event before those before it on its stream. */
function byStream(page: readonly Found[]): readonly (readonly Found[])[] {
  const found = new Map<string, Found[]>();
  for (const one of page) {
    const others = found.get(one.parked.stream);
    if (others === undefined) found.set(one.parked.stream, [one]);
    else others.push(one);
  }
  return [...found.values()];
}

/** Waits for all, and throws the first error. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work);
  await Promise.all(work);
}

async function announce({ state }: GroupsContext, { group }: ParkedSelection): Promise<void> {
  const call = ownCall(announceTimeoutMs);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const record = await state.get(replayKey(group), call);
    try {
      await state.put(replayKey(group), encodeRecord({}), record?.revision ?? 0n, call);
      return;
    } catch (error) {
      // Another change is announced, which may not have been before this one.
      if (!(error instanceof StateChangedError)) throw error;
    }
  }
}
