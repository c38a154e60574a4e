import type * as proto from '../../generated/sluice/v1/consumer_group_service';
import { toProtoQuery } from './event-query';
import { toUint32, toUint64, type WholeNumber } from './numbers';
import type { EventFilter } from './read-all';
import { fromDuration, toCommitTime, toDuration, toTimestamp, type Time } from './time';

/** What a group selects, and how it treats what fails. Left out: the default. */
export interface GroupSettings extends Omit<EventFilter, 'permittedOnly'> {
  /** The number of lanes, 1 to 256; fixed once the group exists. No more members than this have work at a time. Default: 32. */
  readonly lanes?: number | undefined;
  /** After this number of failed attempts an event is parked; 0: never. Default: 10. */
  readonly attemptsMax?: number | undefined;
  /** How long the first retry waits, at least 10; each further one waits twice as long. Default: 1,000. */
  readonly backoffMinMs?: number | undefined;
  /** The longest wait before a retry, at most 3,600,000. Default: 60,000. */
  readonly backoffMaxMs?: number | undefined;
  /** How long a handler may take until the delivery counts as failed, 1,000 to 3,600,000. Default: 30,000. */
  readonly ackTimeoutMs?: number | undefined;
  /** How long a member may keep what it has of a lane that another one is to get, 100 to 300,000. Default: 5,000. */
  readonly handoverTimeoutMs?: number | undefined;
  /** The largest number of parked events, 1 to 100,000; above it, an event is retried instead. Default: 1,000. */
  readonly parkedMax?: number | undefined;
  /** True: while an event of a stream is parked, what follows on that stream is parked too. Default: false. */
  readonly parkFollowing?: boolean | undefined;
  /** True: what cannot be read as a commit is skipped. Otherwise it ends `consume`. Default: false. */
  readonly skipUnreadable?: boolean | undefined;
}

type Settings = Omit<GroupSettings, 'query'>;

/** Settings as they are stored: all of them, except a query that was left out. */
export type StoredGroupSettings = {
  readonly [Key in keyof Settings]-?: Exclude<Settings[Key], undefined>;
} & Pick<GroupSettings, 'query'>;

/**
 * Where a group begins: at the first commit of the store, after the last one that it has now, after the commit at a position, or at
 * the first commit of a time or later.
 */
export type GroupStart = 'beginning' | 'end' | { readonly after: WholeNumber } | { readonly fromTime: Time };

/** A group as it is stored. */
export interface Group {
  readonly name: string;
  readonly settings: StoredGroupSettings;
  /** It delivers what comes after this position. */
  readonly start: bigint;
  /** Changes with every update and reset. */
  readonly revision: bigint;
  readonly createTime: Date;
}

/** A lane: the streams with the same hash, which one member has at a time. */
export interface GroupLane {
  readonly number: number;
  /** The member that has it; empty: no member. */
  readonly member: string;
  /** Everything up to this position is settled. */
  readonly floor: bigint;
  /** Everything up to this position is settled, delivered, or waits for its stream. */
  readonly cursor: bigint;
  /** The positions of the store after the floor: the lane has at most this number of unsettled commits. */
  readonly lag: bigint;
  /** When its oldest unsettled event was committed; undefined: every event up to the cursor is settled. */
  readonly oldestTime: Date | undefined;
  /** The number of streams with an event that has failed or is not settled. */
  readonly streamsWaiting: number;
}

export interface GroupMember {
  readonly id: string;
  readonly lanes: readonly number[];
  readonly maxInFlight: number;
  /** Where its gateway listens, as that gateway says. */
  readonly gateway: string;
}

/** A group and how far it is, at most some seconds ago. */
export interface GroupState {
  readonly group: Group;
  readonly lanes: readonly GroupLane[];
  readonly members: readonly GroupMember[];
  readonly parkedCount: number;
  /** The end of the store. */
  readonly head: bigint;
  /** The largest `lag` of its lanes. */
  readonly lag: bigint;
  /** The earliest `oldestTime` of its lanes. */
  readonly oldestTime: Date | undefined;
}

/** Throws TypeError and RangeError. */
export function toProtoSettings(settings: GroupSettings): proto.GroupSettings {
  const { attemptsMax, backoffMinMs, backoffMaxMs, ackTimeoutMs, handoverTimeoutMs } = settings;
  const duration = (ms: number | undefined, name: string): proto.GroupSettings['ackTimeout'] =>
    ms === undefined ? undefined : toDuration(ms, name);
  return {
    patterns: [...(settings.patterns ?? [])],
    eventTypes: [...(settings.eventTypes ?? [])],
    eventTypePrefixes: [...(settings.eventTypePrefixes ?? [])],
    lanes: toUint32(settings.lanes ?? 0, 'lanes'),
    attemptsMax: attemptsMax === undefined ? undefined : toUint32(attemptsMax, 'attemptsMax'),
    backoffMin: duration(backoffMinMs, 'backoffMinMs'),
    backoffMax: duration(backoffMaxMs, 'backoffMaxMs'),
    ackTimeout: duration(ackTimeoutMs, 'ackTimeoutMs'),
    handoverTimeout: duration(handoverTimeoutMs, 'handoverTimeoutMs'),
    parkedMax: toUint32(settings.parkedMax ?? 0, 'parkedMax'),
    parkFollowing: settings.parkFollowing ?? false,
    skipUnreadable: settings.skipUnreadable ?? false,
    query: settings.query && toProtoQuery(settings.query),
  };
}

export function toStoredSettings(settings: proto.GroupSettings): StoredGroupSettings {
  const { patterns, eventTypes, eventTypePrefixes, lanes, parkedMax, parkFollowing, skipUnreadable, query } =
    settings;
  return {
    patterns,
    eventTypes,
    eventTypePrefixes,
    lanes,
    attemptsMax: settings.attemptsMax ?? 0,
    backoffMinMs: fromDuration(settings.backoffMin),
    backoffMaxMs: fromDuration(settings.backoffMax),
    ackTimeoutMs: fromDuration(settings.ackTimeout),
    handoverTimeoutMs: fromDuration(settings.handoverTimeout),
    parkedMax,
    parkFollowing,
    skipUnreadable,
    ...(query !== undefined && { query }),
  };
}

/** Throws TypeError and RangeError. */
export function toProtoStart(start: GroupStart, name: string): proto.GroupStart {
  if (start === 'beginning') return { place: { $case: 'beginning', value: true } };
  if (start === 'end') return { place: { $case: 'end', value: true } };
  if ('after' in start) return { place: { $case: 'afterPosition', value: toUint64(start.after, name) } };
  const time = toTimestamp(start.fromTime, name);
  return { place: time && { $case: 'fromTime', value: time } };
}

export function toGroup(group: proto.Group | undefined): Group {
  const { name, settings, startPosition, revision, createTime } = group ?? noGroup;
  return {
    name,
    settings: toStoredSettings(settings ?? noSettings),
    start: startPosition,
    revision,
    createTime: toCommitTime(createTime ?? epoch).commitTime,
  };
}

export function toGroupState(state: proto.GetGroupResponse): GroupState {
  const lanes = state.lanes.map(toLane);
  const times = lanes.flatMap(({ oldestTime }) => (oldestTime === undefined ? [] : [oldestTime.getTime()]));
  return {
    group: toGroup(state.group),
    lanes,
    members: state.members,
    parkedCount: state.parkedCount,
    head: state.headPosition,
    lag: lanes.reduce((most, { lag }) => (lag > most ? lag : most), 0n),
    oldestTime: times.length === 0 ? undefined : new Date(Math.min(...times)),
  };
}

function toLane({ number, member, floorPosition, cursorPosition, ...lane }: proto.Lane): GroupLane {
  const { lag, oldestTime, streamsWaiting } = lane;
  return {
    number,
    member,
    floor: floorPosition,
    cursor: cursorPosition,
    lag,
    oldestTime: oldestTime && toCommitTime(oldestTime).commitTime,
    streamsWaiting,
  };
}

/** Never used: every gateway sends what these stand for. */
const epoch = { seconds: 0n, nanos: 0 };
const noSettings = toProtoSettings({});
const noGroup: proto.Group = {
  name: '',
  settings: undefined,
  startPosition: 0n,
  revision: 0n,
  createTime: undefined,
};
