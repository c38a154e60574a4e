import { defaultLimits } from '../limits';
import type { GroupName } from '../store/consumer-groups';
import { parseStreamName, unixNanos, type StreamName, type UnixNanos } from '../store/values';
import type { LaneProgress, Mark } from './lane-progress';
import { decodeRecord, encodeRecord, RecordFields, UnreadableRecordError } from './record-fields';
import type { Hole } from './stream-queue';

/** A lane as its record has it. */
export interface StoredLane extends LaneProgress {
  /** `StoredGroup.id` and `generation` of the group to which it belongs. */
  readonly group: string;
  readonly generation: number;
  /** The member that has it; "": none. */
  readonly member: string;
  /** Made each time that a member gets the lane; "": the lane was given back, and nothing of it is with a member. */
  readonly lease: string;
  /** Something that the lane has settled: whether the store has it tells whether this is the store of before. */
  readonly mark: Mark | undefined;
  /** Everything up to this position is settled. */
  readonly floor: number;
  /** When the oldest event that is not settled was committed. */
  readonly oldestTime: UnixNanos | undefined;
  readonly streamsWaiting: number;
}

export function lanePrefix(group: GroupName): string {
  return `lane.${group}.`;
}

export function laneKey(group: GroupName, lane: number): string {
  return `${lanePrefix(group)}${lane.toString()}`;
}

export function encodeLane(lane: StoredLane): Uint8Array {
  const { oldestTime, holes, ...others } = lane;
  return encodeRecord({
    ...others,
    oldestTime: oldestTime?.toString(),
    holes: holes.map(({ time, ...hole }) => ({ ...hole, time: time?.toString() })),
  });
}

/**
 * The lane in at most `bytesMax`: holes that do not fit are left out with everything that was settled after the first of them, which
 * then comes again once another member has the lane. Only the fields of the lane itself can be more than that.
 */
export function encodeLaneWithin(lane: StoredLane, bytesMax: number): Uint8Array {
  const { cursor, triedTo } = lane;
  let holes = lane.holes.toSorted((a, b) => a.position - b.position);
  let value = encodeLane(lane);
  while (value.length > bytesMax && holes.length > 0) {
    const upTo = Math.min(cursor, (holes[holes.length >> 1] as Hole).position - 1);
    holes = holes.filter(({ position }) => position <= upTo);
    value = encodeLane({ ...lane, holes, cursor: upTo, triedTo: Math.max(triedTo, cursor) });
  }
  return value;
}

/** The number of holes that surely fit into a record of `bytesMax`: at least 1. */
export function holesWithin(bytesMax: number): number {
  return Math.max(1, Math.floor((bytesMax - laneBytesMax) / holeBytesMax));
}

/** What a hole takes at most, and a lane without holes: the longest names and numbers. */
const holeBytesMax = defaultLimits.streamNameBytesMax + 200;
const laneBytesMax = defaultLimits.streamNameBytesMax + 1_000;

/** Throws UnreadableRecordError. */
export function decodeLane(value: Uint8Array): StoredLane {
  return decodeRecord(value, (fields) => ({
    group: fields.text('group'),
    generation: fields.count('generation'),
    member: fields.text('member'),
    lease: fields.text('lease'),
    cursor: fields.count('cursor'),
    triedTo: fields.count('triedTo'),
    floor: fields.count('floor'),
    mark: fields.has('mark') ? decodeMark(fields.object('mark')) : undefined,
    holes: fields.list('holes', decodeHole),
    oldestTime: timeOf(fields, 'oldestTime'),
    streamsWaiting: fields.count('streamsWaiting'),
  }));
}

function decodeMark(fields: RecordFields): Mark {
  return {
    stream: streamOf(fields),
    version: fields.count('version'),
    position: fields.count('position'),
    event: fields.text('event'),
  };
}

function decodeHole(value: unknown): Hole {
  const fields = new RecordFields(value);
  return {
    stream: streamOf(fields),
    version: fields.count('version'),
    position: fields.count('position'),
    attempts: fields.count('attempts'),
    wasTried: fields.flag('wasTried'),
    waitMs: fields.count('waitMs'),
    time: timeOf(fields, 'time'),
  };
}

function streamOf(fields: RecordFields): StreamName {
  const stream = parseStreamName(fields.text('stream'));
  if (stream === undefined) throw new UnreadableRecordError('it has no valid stream');
  return stream;
}

function timeOf(fields: RecordFields, name: string): UnixNanos | undefined {
  return fields.has(name) ? unixNanos(BigInt.asUintN(63, fields.bigint(name))) : undefined;
}
