import type { Position, Sequence } from '../../store/values';
import type { LocatedRecord } from '../segments/location';
import { writeUint64BE } from '../segments/uint64';
import { toLocation } from './index-keys';

/** The place of a record in the order of reads: its position, and its own sequence among the commits of a transaction. */
export interface RecordPlace {
  readonly position: Position;
  readonly sequence: Sequence;
}

/** A tag of a record: the hash of the tag. */
export interface TagKey extends RecordPlace {
  readonly hash: bigint;
}

/** A record that may have a tag. */
export interface Posting extends LocatedRecord, RecordPlace {}

/** Hash, position, and how far the sequence is before the position, in two bytes that sort by sequence: a batch has 1,000 messages. */
export const tagKeyBytes = 8 + 8 + 2;
const placeMax = 0xffff;

export function writeTagKey(target: Buffer, at: number, { hash, position, sequence }: TagKey): void {
  writeUint64BE(target, at, hash);
  writeUint64BE(target, at + 8, position);
  target.writeUInt16BE(placeMax - Number(position - sequence), at + 16);
}

export function tagKey(key: TagKey): Buffer {
  const bytes = Buffer.allocUnsafe(tagKeyBytes);
  writeTagKey(bytes, 0, key);
  return bytes;
}

/** The keys of a tag from a position on, that included, in the direction of a read. */
export function tagRange(
  hash: bigint,
  from: bigint,
  reverse: boolean,
): { readonly start: Buffer; readonly end: Buffer; readonly reverse: boolean } {
  return {
    start: boundary(hash, from, reverse ? placeMax : 0),
    end: reverse ? boundary(hash, 0n, 0) : boundary(hash, 2n ** 64n - 1n, placeMax),
    reverse,
  };
}

function boundary(hash: bigint, position: bigint, place: number): Buffer {
  const bytes = Buffer.allocUnsafe(tagKeyBytes);
  writeUint64BE(bytes, 0, hash);
  writeUint64BE(bytes, 8, position);
  bytes.writeUInt16BE(place, 16);
  return bytes;
}

/** Throws DamagedReplicaError. */
export function toPosting(key: Buffer, value: Buffer): Posting {
  const position = key.readBigUInt64BE(8) as Position;
  const sequence = (position - BigInt(placeMax - key.readUInt16BE(16))) as Sequence;
  return { location: toLocation(value), position, sequence };
}
