import { DamagedReplicaError } from '../segments/damage';
import { placeBytes, readPlace, writePlace, type Place } from '../segments/location';
import { writeUint64BE } from '../segments/uint64';

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
export const entryBytes = placeBytes + 4 + 2 * 8 + checksumBytes;
export const markBytes = placeBytes + 8 + checksumBytes;
/** A kind, a hash, a sequence. */
export const hashKeyBytes = 1 + 8 + 8;
export const numberBytes = 8;

/** A zero byte, which no name has, so that names keep their order; a version; a sequence. */
export const keySuffixBytes = 1 + 8 + 8;

export function streamKey(stream: string, version: bigint, sequence: bigint): Buffer {
  const key = Buffer.allocUnsafe(stream.length + keySuffixBytes);
  writeStreamKey(key, 0, stream, version, sequence);
  return key;
}

export function writeStreamKey(
  target: Buffer,
  at: number,
  stream: string,
  version: bigint,
  sequence: bigint,
): void {
  const end = at + target.write(stream, at, 'latin1');
  target[end] = 0;
  writeUint64BE(target, end + 1, version);
  writeUint64BE(target, end + 9, sequence);
}

export function hashKey(kind: KeyKind, hash: bigint, sequence: bigint): Buffer {
  const key = Buffer.allocUnsafe(hashKeyBytes);
  writeHashKey(key, 0, kind, hash, sequence);
  return key;
}

export function writeHashKey(
  target: Buffer,
  at: number,
  kind: KeyKind,
  hash: bigint,
  sequence: bigint,
): void {
  target[at] = kindByte[kind];
  writeUint64BE(target, at + 1, hash);
  writeUint64BE(target, at + 9, sequence);
}

export function numberKey(value: bigint): Buffer {
  const key = Buffer.allocUnsafe(numberBytes);
  writeUint64BE(key, 0, value);
  return key;
}

/** Throws DamagedReplicaError. */
export function toPlace(value: Buffer): Place {
  if (value.length !== placeBytes) throw new DamagedReplicaError('an entry of the index has another length');
  return readPlace(value, 0);
}

/** Writes the value of a mark behind its key, which begins at `keyAt`. */
export function writeMark(
  target: Buffer,
  keyAt: number,
  valueAt: number,
  { place, newestNanos }: Mark,
): void {
  writePlace(target, valueAt, place);
  // Its 64 bits are the same with a sign.
  writeUint64BE(target, valueAt + placeBytes, newestNanos);
  seal(target, keyAt, valueAt + markBytes);
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

/** Writes the value of an entry behind its key, which begins at `keyAt`. */
export function writeEntry(
  target: Buffer,
  keyAt: number,
  valueAt: number,
  { place, count, position, timeNanos }: IndexEntry,
): void {
  writePlace(target, valueAt, place);
  target.writeUInt32BE(count, valueAt + placeBytes);
  writeUint64BE(target, valueAt + placeBytes + 4, position);
  writeUint64BE(target, valueAt + placeBytes + 12, timeNanos);
  seal(target, keyAt, valueAt + entryBytes);
}

/** Throws DamagedReplicaError. */
export function toEntry(key: Buffer, value: Buffer): IndexEntry {
  check(key, value, entryBytes);
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
function seal(target: Buffer, keyAt: number, end: number): void {
  const at = end - checksumBytes;
  target.writeInt32BE(checksumOf(target, keyAt, at, emptyChecksum), at);
}

function check(key: Buffer, value: Buffer, bytes: number): void {
  const at = bytes - checksumBytes;
  if (value.length !== bytes || value.readInt32BE(at) !== checksumOfBoth(key, value, at))
    throw new DamagedReplicaError('an entry of the index does not have its checksum');
}

function checksumOfBoth(key: Buffer, value: Buffer, valueEnd: number): number {
  return checksumOf(value, 0, valueEnd, checksumOf(key, 0, key.length, emptyChecksum));
}

const emptyChecksum = 0x811c9dc5 | 0;

/** FNV-1a: another byte makes another one. For so few bytes it takes a third of the time of the native CRC. */
function checksumOf(bytes: Buffer, start: number, end: number, before: number): number {
  let hash = before;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash;
}
