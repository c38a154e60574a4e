import { eventId, eventSpans } from '../protobuf/commit-record';
import { PlacedEvents } from '../protobuf/placed-events';
import { UnreadableCommitError } from '../store/errors';
import type { CallContext, EventRun, EventStore, Page, ReadStreamQuery } from '../store/event-store';
import { GroupError } from '../store/group-errors';
import { patternMatcher } from '../store/patterns';
import type { GroupSettings, GroupStart } from '../store/consumer-groups';
import { beginning, position, version, type Position, type StreamName } from '../store/values';
import type { LaneProgress, Mark } from './lane-progress';
import { bytesOf, eventMatcher, unitsOf, type Missing, type Unit } from './unit';

const readAllOf = (patterns: readonly string[]) =>
  ({
    filter: { patterns, eventTypes: new Set<string>(), eventTypePrefixes: [] },
    direction: 'forward',
    afterPosition: undefined,
    afterCount: undefined,
    toPosition: beginning,
    maxCount: undefined,
    fromTime: undefined,
    toTime: undefined,
    skipUnreadable: true,
    storeId: '',
  }) as const;

/** The end of the store, as its leader knows it, and its id. */
export async function storeEnd(
  store: EventStore,
  call: CallContext,
): Promise<{ readonly position: Position; readonly storeId: string }> {
  const { position: end, storeId, pages } = await store.readAll(readAllOf([]), call);
  for await (const page of pages) if (page.end !== undefined) break;
  return { position: end, storeId };
}

/** The position after which a group begins. Throws GroupError. */
export async function resolveStart(
  store: EventStore,
  start: GroupStart,
  call: CallContext,
): Promise<Position> {
  const { position: end } = await storeEnd(store, call);
  switch (start.kind) {
    case 'beginning':
      return beginning;
    case 'end':
      return end;
    case 'position':
      if (start.after <= end) return start.after;
      throw new GroupError(
        'POSITION_BEYOND_END',
        `position ${start.after.toString()} is after the end of the store, which is ${end.toString()}`,
      );
    case 'time': {
      const query = { ...readAllOf(['>']), fromTime: start.from, maxCount: 1n };
      const { position: readTo, pages } = await store.readAll(query, call);
      for await (const { runs } of pages)
        if (runs[0] !== undefined) return position(firstPosition(runs[0]) - 1n);
      return readTo;
    }
  }
}

function firstPosition({ events }: EventRun): bigint {
  const placed = new PlacedEvents(events);
  return placed.next() ? BigInt(placed.position) : 1n;
}

/** Throws GroupError if a lane has settled what the store has not got. */
export async function checkLane(
  store: EventStore,
  { cursor, mark }: LaneProgress & { readonly mark: Mark | undefined },
  end: Position,
  call: CallContext,
): Promise<void> {
  const isThere = BigInt(cursor) <= end && (mark === undefined || (await hasMark(store, mark, call)));
  if (isThere) return;
  throw new GroupError(
    'GROUP_AHEAD_OF_STORE',
    `the group has settled position ${(mark?.position ?? cursor).toString()}, which is not what the store has there; ` +
      'was an older backup restored? ResetGroup says where to go on',
  );
}

async function hasMark(store: EventStore, mark: Mark, call: CallContext): Promise<boolean> {
  try {
    const run = await readEvent(store, mark.stream, mark.version, call);
    // What is hidden cannot be compared.
    if (run === 'hidden') return true;
    const [span] = run === undefined ? [] : eventSpans(run.events);
    if (run === undefined || span === undefined) return false;
    return eventId(run.events, span) === mark.event && Number(run.position) === mark.position;
  } catch (error) {
    // Messages are gone, or are not commits: that is not for this check.
    if (error instanceof UnreadableCommitError) return true;
    throw error;
  }
}

/** One event; `hidden`: a control of its stream hides it; undefined: there is no such event. Throws StoreError. */
export async function readEvent(
  store: EventStore,
  stream: StreamName,
  number: number,
  call: CallContext,
): Promise<EventRun | 'hidden' | undefined> {
  const query = { ...streamQuery(stream, number), toVersion: version(BigInt(number)) };
  const { head, pages } = await store.readStream(query, call);
  for await (const { runs } of pages) if (runs[0] !== undefined) return runs[0];
  return head.lifecycle !== undefined && Number(head.version) >= number ? 'hidden' : undefined;
}

function streamQuery(stream: StreamName, fromVersion: number): ReadStreamQuery {
  return {
    stream,
    direction: 'forward',
    fromVersion: version(BigInt(fromVersion)),
    toVersion: version(0n),
    maxCount: undefined,
    fromTime: undefined,
    toTime: undefined,
    eventTypes: new Set(),
    consistency: 'leader',
  };
}

export interface FoundUnits {
  readonly units: readonly Unit[];
  /** Whether they are all up to `Missing.upTo`. */
  readonly isComplete: boolean;
}

/** What one read of a stream keeps in memory, in bytes. */
const readBytesMax = 64 << 10;

/** The first units of a stream from a version on: some, or all; none if the group does not select the stream. Throws StoreError. */
export async function readUnits(
  source: UnitSource,
  missing: Missing,
  call: CallContext,
): Promise<FoundUnits> {
  const { store, settings } = source;
  // Its filter may have changed since the stream was held up.
  if (!patternMatcher(settings.filter.patterns)(missing.stream)) return { units: [], isComplete: true };
  try {
    const read = await store.readStream(streamQuery(missing.stream, missing.version), call);
    return await collect(read.pages, source, missing);
  } catch (error) {
    if (!settings.skipUnreadable || !(error instanceof UnreadableCommitError)) throw error;
    // A read of a stream fails at what is not a commit; one of the whole store can skip it.
    const afterPosition = position(BigInt(Math.max(0, missing.position - 1)));
    const toPosition = position(BigInt(missing.upTo));
    const read = await store.readAll({ ...readAllOf([missing.stream]), afterPosition, toPosition }, call);
    return collect(read.pages, source, missing);
  }
}

async function collect(
  pages: AsyncIterable<Page> | Iterable<Page>,
  { settings, unitBytesMax: bytesMax }: UnitSource,
  { version: fromVersion, upTo }: Missing,
): Promise<FoundUnits> {
  const isWanted = eventMatcher(settings.filter);
  const selection = { isWanted, fromVersion, bytesMax };
  const units: Unit[] = [];
  let bytes = 0;
  for await (const { runs } of pages)
    for (const unit of runs.flatMap(({ events }) => unitsOf(events, selection))) {
      if (unit.position > upTo) return { units, isComplete: true };
      if (bytes >= readBytesMax) return { units, isComplete: false };
      units.push(unit);
      bytes += bytesOf(unit);
    }
  return { units, isComplete: true };
}

/** Where the units of a group come from. */
export interface UnitSource {
  readonly store: EventStore;
  readonly settings: GroupSettings;
  readonly unitBytesMax: number;
}
