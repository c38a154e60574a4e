import { randomUUID } from 'node:crypto';
import { GroupError } from '../store/group-errors';
import { StateChangedError, type StateRecord } from '../store/state-store';
import { ownCall, type GroupsContext } from './context';
import { Lane } from './lane';
import type { LaneBounds, Mark } from './lane-progress';
import { LaneOwner, type LanePlace } from './lane-owner';
import { decodeLane, encodeLaneWithin, laneKey, type StoredLane } from './lane-record';
import { UnreadableRecordError } from './record-fields';
import { checkLane } from './store-reads';
import type { Position } from '../store/values';

/** Which lane to take, for whom. */
export interface LaneTake extends LanePlace {
  /** The record as it was seen. */
  readonly record: StateRecord | undefined;
  readonly bounds: LaneBounds;
  /** The end of the store. */
  readonly end: Position;
}

const takeTimeoutMs = 10_000;

/**
 * Takes a lane that nobody has; undefined: its record has changed meanwhile. Throws GroupError if the lane does not fit the store
 * or its record cannot be read, and StoreError.
 */
export async function takeLane(context: GroupsContext, take: LaneTake): Promise<LaneOwner | undefined> {
  const { stored, member, number, record, end } = take;
  const before = withTried(laneOf(take), end);
  await checkLane(context.store, before, end, ownCall(takeTimeoutMs));
  const lease = randomUUID();
  const value = encodeLaneWithin({ ...before, member: member.member, lease }, context.state.valueBytesMax);
  const key = laneKey(stored.group.name, number);
  try {
    const revision = await context.state.put(key, value, record?.revision ?? 0n, ownCall(takeTimeoutMs));
    return ownerOf(context, take, before, { lease, revision, mark: before.mark });
  } catch (error) {
    if (error instanceof StateChangedError) return undefined;
    throw error;
  }
}

/** If it was not given back, more may have been delivered than its record has. */
function withTried(lane: StoredLane, end: Position): StoredLane {
  return lane.lease === '' ? lane : { ...lane, triedTo: Number(end) };
}

function ownerOf(
  context: GroupsContext,
  { stored, member, number, bounds }: LaneTake,
  before: StoredLane,
  record: { readonly lease: string; readonly revision: bigint; readonly mark: Mark | undefined },
): LaneOwner {
  const lane = new Lane(before, bounds, performance.now());
  return new LaneOwner(context, { stored, member, number }, lane, record);
}

/** The lane as its record has it; a lane without one, or of before a reset, begins with the group. Throws GroupError. */
function laneOf({ stored, record, number }: LaneTake): StoredLane {
  const { id, generation, group } = stored;
  const found = record === undefined ? undefined : readLane(record, number);
  if (found !== undefined && found.group === id && found.generation === generation) return found;
  const start = Number(group.start);
  return {
    group: id,
    generation,
    member: '',
    lease: '',
    cursor: start,
    floor: start,
    holes: [],
    triedTo: 0,
    mark: undefined,
    oldestTime: undefined,
    streamsWaiting: 0,
  };
}

function readLane({ value }: StateRecord, number: number): StoredLane {
  try {
    return decodeLane(value);
  } catch (error) {
    if (error instanceof UnreadableRecordError)
      throw new GroupError(
        'GROUP_STATE_UNREADABLE',
        `the record of lane ${number.toString()} cannot be read: ${error.message}; ResetGroup makes a new one`,
      );
    throw error;
  }
}
