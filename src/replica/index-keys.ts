import { placeBytes, readPlace, writePlace, type Place } from './place';

/** An entry of a stream: where its record lies, and what can be told without it. */
export interface IndexEntry {
  readonly place: Place;
  /** Of its last event; of damage, the version of the stream before it. */
  readonly version: bigint;
  /** Of its last message. */
  readonly sequence: bigint;
  readonly position: bigint;
  readonly timeNanos: bigint;
  /** Events; 0: it is damage. */
  readonly count: number;
}

/** A place where a group of records begins, every 64 KiB or so. */
export interface Mark {
  /** Of the first record. */
  readonly position: bigint;
  readonly place: Place;
  /** No record before it has a later time. */
  readonly newestNanos: bigint;
}

/** `damage`: all that is no commit, under the hash 0. */
export type KeyKind = 'correlation' | 'commit' | 'damage';

const kindByte = { correlation: 1, commit: 2, damage: 3 } as const;
const valueBytes = placeBytes + 4 + 2 * 8;

/** A zero byte, which no name has, so that names keep their order; a version; a sequence. */
export const keySuffixBytes = 1 + 8 + 8;

export function streamKey(stream: string, version: bigint, sequence: bigint): Buffer {
  const key = Buffer.allocUnsafe(stream.length + keySuffixBytes);
  key.write(stream, 'latin1');
  key[stream.length] = 0;
  key.writeBigUInt64BE(version, stream.length + 1);
  key.writeBigUInt64BE(sequence, stream.length + 9);
  return key;
}

export function hashKey(kind: KeyKind, hash: bigint, sequence: bigint): Buffer {
  const key = Buffer.allocUnsafe(17);
  key[0] = kindByte[kind];
  key.writeBigUInt64BE(hash, 1);
  key.writeBigUInt64BE(sequence, 9);
  return key;
}

export function numberKey(value: bigint): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeBigUInt64BE(value);
  return key;
}

export function placeValue(place: Place): Buffer {
  const value = Buffer.allocUnsafe(placeBytes);
  writePlace(value, 0, place);
  return value;
}

export function markValue({ place, newestNanos }: Mark): Buffer {
  const value = Buffer.allocUnsafe(placeBytes + 8);
  writePlace(value, 0, place);
  value.writeBigInt64BE(newestNanos, placeBytes);
  return value;
}

export function toMark(key: Buffer, value: Buffer): Mark {
  return {
    position: key.readBigUInt64BE(0),
    place: readPlace(value, 0),
    newestNanos: value.readBigInt64BE(placeBytes),
  };
}

export function toValue({ place, count, position, timeNanos }: IndexEntry): Buffer {
  const value = Buffer.allocUnsafe(valueBytes);
  writePlace(value, 0, place);
  value.writeUInt32BE(count, placeBytes);
  value.writeBigUInt64BE(position, placeBytes + 4);
  value.writeBigInt64BE(timeNanos, placeBytes + 12);
  return value;
}

export function toEntry(key: Buffer, value: Buffer): IndexEntry {
  const suffix = key.length - keySuffixBytes + 1;
  return {
    place: readPlace(value, 0),
    version: key.readBigUInt64BE(suffix),
    sequence: key.readBigUInt64BE(suffix + 8),
    count: value.readUInt32BE(placeBytes),
    position: value.readBigUInt64BE(placeBytes + 4),
    timeNanos: value.readBigInt64BE(placeBytes + 12),
  };
}
