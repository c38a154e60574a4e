import type { GroupName, GroupState, LaneState, MemberState } from '../store/consumer-groups';
import type { CallContext } from '../store/event-store';
import { GroupError } from '../store/group-errors';
import type { StateRecord, StateStore } from '../store/state-store';
import type { GroupsContext } from './context';
import { toPosition, type StoredGroup } from './group-record';
import { decodeLane, laneKey, lanePrefix, type StoredLane } from './lane-record';
import { decodeMember, memberPrefix, type StoredMember } from './member-record';
import { decodeParked, parkedPattern } from './parked-record';
import { UnreadableRecordError } from './record-fields';
import { visitRecords } from './record-pages';
import { storeEnd } from './store-reads';

/** How a group is doing, from its records. Throws GroupError if one of them cannot be read. */
export async function groupState(
  { state, store }: GroupsContext,
  stored: StoredGroup,
  call: CallContext,
): Promise<GroupState> {
  const { group } = stored;
  const [lanes, members, parkedCount, end] = await Promise.all([
    state.list(lanePrefix(group.name), call),
    state.list(memberPrefix(group.name), call),
    parkedCountOf(state, stored, call),
    storeEnd(store, call),
  ]);
  return {
    group,
    ...statesOf(stored, new Map(lanes.map((record) => [record.key, record])), membersOf(group.name, members)),
    parkedCount,
    head: end.position,
  };
}

/** Of a group of that name that was deleted, a record can be left which was stored late. */
async function parkedCountOf(
  state: StateStore,
  { id, group }: StoredGroup,
  call: CallContext,
): Promise<number> {
  const keys = new Set<string>();
  const visit = ({ key, value }: StateRecord): void => {
    if (readable(() => decodeParked(value))?.group === id) keys.add(key);
  };
  await visitRecords(state, parkedPattern(group.name), visit, call);
  return keys.size;
}

type Members = ReadonlyMap<string, StoredMember>;

export function membersOf(group: GroupName, records: readonly StateRecord[]): Members {
  const prefix = memberPrefix(group);
  return new Map(
    records.flatMap(({ key, value }) => {
      const member = readable(() => decodeMember(value));
      return member === undefined ? [] : [[key.slice(prefix.length), member] as const];
    }),
  );
}

/** The states of all lanes and members. Throws GroupError. */
export function statesOf(
  stored: StoredGroup,
  lanes: ReadonlyMap<string, StateRecord>,
  members: Members,
): Pick<GroupState, 'lanes' | 'members'> {
  const states = Array.from({ length: stored.group.settings.lanes }, (_, number) =>
    laneState(stored, number, lanes.get(laneKey(stored.group.name, number)), members),
  );
  const memberStates = [...members].map(([id, { inFlightMax, gateway }]): MemberState => ({
    id: id as GroupName,
    lanes: states.flatMap(({ number, member }) => (member === id ? [number] : [])),
    inFlightMax,
    gateway,
  }));
  return { lanes: states, members: memberStates };
}

function laneState(
  { id, generation, group }: StoredGroup,
  number: number,
  record: StateRecord | undefined,
  members: Members,
): LaneState {
  const lane = record === undefined ? undefined : decodedLane(record, number);
  if (lane?.group !== id || lane.generation !== generation)
    return {
      number,
      member: '',
      floor: group.start,
      cursor: group.start,
      oldestTime: undefined,
      streamsWaiting: 0,
    };
  const member = members.get(lane.member);
  const isIdle = member?.generation === generation && member.idle.includes(number);
  const settledTo = isIdle ? member.position : 0;
  return {
    number,
    member: member === undefined ? '' : lane.member,
    floor: toPosition(Math.max(lane.floor, settledTo)),
    cursor: toPosition(Math.max(lane.cursor, settledTo)),
    oldestTime: lane.oldestTime,
    streamsWaiting: lane.streamsWaiting,
  };
}

function decodedLane({ value }: StateRecord, number: number): StoredLane {
  const lane = readable(() => decodeLane(value));
  if (lane !== undefined) return lane;
  throw new GroupError(
    'GROUP_STATE_UNREADABLE',
    `the record of lane ${number.toString()} cannot be read; ResetGroup makes a new one`,
  );
}

/** What a decoder returns; undefined: the record cannot be read. */
function readable<Value>(decode: () => Value): Value | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof UnreadableRecordError) return undefined;
    throw error;
  }
}
