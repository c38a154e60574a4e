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
