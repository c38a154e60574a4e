import { position, unixNanos, version } from '../store/values';
import type { ConsumerGroups, ParkedEvent, ParkedSelection } from '../store/consumer-groups';
import type { CallContext, EventRun, EventStore } from '../store/event-store';
import { isStoreError } from '../store/errors';
import { patternMatcher } from '../store/patterns';
import { StateChangedError, type StateRecord } from '../store/state-store';
import type { GroupsContext } from './context';
import { readExisting } from './group-admin';
import { replayKey } from './parked-index';
import { decodeParked, encodeParked, parkedPrefix, type StoredParked } from './parked-record';
import { encodeRecord, UnreadableRecordError } from './record-fields';
import { readEvent } from './store-reads';

type ParkedCalls = Pick<ConsumerGroups, 'listParked' | 'replayParked' | 'dropParked'>;

/** A parked event, and its record. */
interface Found {
  readonly record: StateRecord;
  readonly parked: StoredParked;
  /** Whether the group selects its stream: otherwise its callers may not be permitted to read it. */
  readonly isSelected: boolean;
}

const pageEvents = 64;
const attemptsMax = 10;

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
  const all = await find(context, query, call);
  const found = all.filter(({ isSelected }) => isSelected).slice(0, query.maxCount);
  for (let from = 0; from < found.length; from += pageEvents) {
    const page = found.slice(from, from + pageEvents);
    yield await Promise.all(page.map((one) => toParkedEvent(context.store, one, query.withEvents, call)));
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

/** The parked events that were asked for, in the order of their positions. */
async function find(
  context: GroupsContext,
  { group, stream, version: wanted }: ParkedSelection,
  call: CallContext,
): Promise<Found[]> {
  const { id, group: stored } = await readExisting(context, group, call);
  const isStream = patternMatcher(stored.settings.filter.patterns);
  const records = await context.state.list(parkedPrefix(group), call);
  const found = records.flatMap((record) => {
    const parked = decoded(context, record);
    const isAsked =
      parked?.group === id &&
      (stream === undefined || parked.stream === stream) &&
      (wanted === undefined || BigInt(parked.version) === wanted);
    return isAsked ? [{ record, parked, isSelected: isStream(parked.stream) }] : [];
  });
  return found.sort(({ parked: a }, { parked: b }) => a.position - b.position || a.version - b.version);
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

/** Changes the records of parked events, and counts those for which `act` returns true; what others change at the same time is left to them. Then the owners of lanes learn of it. */
async function forEach(
  context: GroupsContext,
  selection: ParkedSelection,
  call: CallContext,
  act: (found: Found) => Promise<boolean>,
): Promise<number> {
  const found = await find(context, selection, call);
  let count = 0;
  for (const one of found) {
    try {
      if (await act(one)) count++;
    } catch (error) {
      if (!(error instanceof StateChangedError)) throw error;
    }
  }
  if (count > 0) await announce(context, selection, call);
  return count;
}

async function announce(
  { state }: GroupsContext,
  { group }: ParkedSelection,
  call: CallContext,
): Promise<void> {
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
