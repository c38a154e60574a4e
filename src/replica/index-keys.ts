import { DamagedReplicaError } from './damage';
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
const checksumBytes = 4;
const valueBytes = placeBytes + 4 + 2 * 8 + checksumBytes;
const markBytes = placeBytes + 8 + checksumBytes;

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

/** Throws DamagedReplicaError. */
export function toPlace(value: Buffer): Place {
  if (value.length !== placeBytes) throw new DamagedReplicaError('an entry of the index has another length');
  return readPlace(value, 0);
}

/** The value of a mark under its key. */
export function markValue(key: Buffer, { place, newestNanos }: Mark): Buffer {
  const value = Buffer.allocUnsafe(markBytes);
  writePlace(value, 0, place);
  value.writeBigInt64BE(newestNanos, placeBytes);
  return sealed(key, value);
}

/** Throws DamagedReplicaError. */
export function toMark(key: Buffer, value: Buffer): Mark {
  check(key, value, markBytes);
  return {
    position: key.readBigUInt64BE(0),
    place: readPlace(value, 0),
    newestNanos: value.readBigInt64BE(placeBytes),
  };
}

/** The value of an entry under its key. */
export function toValue(key: Buffer, { place, count, position, timeNanos }: IndexEntry): Buffer {
  const value = Buffer.allocUnsafe(valueBytes);
  writePlace(value, 0, place);
  value.writeUInt32BE(count, placeBytes);
  value.writeBigUInt64BE(position, placeBytes + 4);
  value.writeBigInt64BE(timeNanos, placeBytes + 12);
  return sealed(key, value);
}

/** Throws DamagedReplicaError. */
export function toEntry(key: Buffer, value: Buffer): IndexEntry {
  check(key, value, valueBytes);
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

/** LMDB does not check what it has, and no version or place shall come from a flipped bit. */
function sealed(key: Buffer, value: Buffer): Buffer {
  value.writeInt32BE(checksumOf(key, value), value.length - checksumBytes);
  return value;
}

function check(key: Buffer, value: Buffer, bytes: number): void {
  if (value.length !== bytes || value.readInt32BE(bytes - checksumBytes) !== checksumOf(key, value))
    throw new DamagedReplicaError('an entry of the index does not have its checksum');
}

/** FNV-1a: another byte makes another one. For so few bytes it takes a third of the time of the native CRC. */
function checksumOf(key: Buffer, value: Buffer): number {
  const end = value.length - checksumBytes;
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193);
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ (value[i] as number), 0x01000193);
  return hash | 0;
}
