import { createHash } from 'node:crypto';
import type { GroupName } from '../store/consumer-groups';
import { parseStreamName, type StreamName } from '../store/values';
import { decodeRecord, encodeRecord, UnreadableRecordError } from './record-fields';

/** A parked event as its record has it. */
export interface StoredParked {
  /** `StoredGroup.id`. */
  readonly group: string;
  readonly stream: StreamName;
  readonly version: number;
  readonly position: number;
  readonly eventId: string;
  readonly type: string;
  readonly reason: string;
  readonly attempts: number;
  readonly isFollowing: boolean;
  readonly isReplaying: boolean;
}

/** Which event was parked. */
type ParkedPlace = Pick<StoredParked, 'stream' | 'version' | 'position'>;

/** The position comes first: by it the keys alone give the order of a list. */
export function parkedKey(group: GroupName, { stream, version, position }: ParkedPlace): string {
  return `parked.${group}.${position.toString()}.${digestOf(stream)}.${version.toString()}`;
}

/** The keys of a group, of one stream of it, or of one event. */
export function parkedPattern(group: GroupName, stream?: StreamName, version?: bigint): string {
  if (stream === undefined) return `parked.${group}.>`;
  return `parked.${group}.*.${digestOf(stream)}.${version === undefined ? '*' : version.toString()}`;
}

/** The keys in the order of positions, and of versions at one position. */
export function inOrder(keys: readonly string[]): string[] {
  const places = keys.map((key) => {
    const [, , position, , version] = key.split('.');
    return { key, position: Number(position), version: Number(version) };
  });
  places.sort((a, b) => a.position - b.position || a.version - b.version);
  return places.map(({ key }) => key);
}

/** The name of a stream can be as long as a subject may be. */
function digestOf(stream: StreamName): string {
  return createHash('sha256').update(stream).digest('hex').slice(0, 32);
}

export function encodeParked(parked: StoredParked): Uint8Array {
  return encodeRecord(parked);
}

/** Throws UnreadableRecordError. */
export function decodeParked(value: Uint8Array): StoredParked {
  return decodeRecord(value, (fields) => {
    const stream = parseStreamName(fields.text('stream'));
    if (stream === undefined) throw new UnreadableRecordError('it has no valid stream');
    return {
      group: fields.text('group'),
      stream,
      version: fields.count('version'),
      position: fields.count('position'),
      eventId: fields.text('eventId'),
      type: fields.text('type'),
      reason: fields.text('reason'),
      attempts: fields.count('attempts'),
      isFollowing: fields.flag('isFollowing'),
      isReplaying: fields.flag('isReplaying'),
    };
  });
}

/** The first bytes of a reason that are kept: a whole number of characters. */
export function keptReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= reasonBytesMax) return reason;
  let end = reasonBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString();
}

const reasonBytesMax = 1_000;
