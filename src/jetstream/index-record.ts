import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import type { LogMark } from './log-mark';

/**
 * The index says where commits lie that may hold a key: pairs of a 64-bit hash and a position
 * (proto/sluice/v1/index.proto). A false hit costs one look into the log; what a commit holds is decided there.
 */
export interface Entries {
  /** 8 bytes for each entry, little-endian. */
  readonly hashes: Buffer;
  /** 8 bytes for each entry, little-endian. */
  readonly positions: Buffer;
}

export interface IndexRecord extends Entries {
  readonly after: bigint;
  readonly through: bigint;
  /** What the last message of the log was before the record was made; only fresh records say so. */
  readonly logEnd?: LogMark | undefined;
}

/** Of a hash, and of a position. */
export const entryBytes = 8;

/** A 64-bit hash of a key: two independent 32-bit multiply-and-rotate hashes with a final mix (as in MurmurHash3). */
export function hashKey(key: string): bigint {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  for (let i = 0; i < key.length; i++) {
    const char = key.charCodeAt(i);
    low = Math.imul(low ^ char, 0xcc9e2d51);
    low = (low << 15) | (low >>> 17);
    high = Math.imul(high ^ char, 0x1b873593);
    high = (high << 13) | (high >>> 19);
  }
  halves.setUint32(0, mix(high ^ key.length));
  halves.setUint32(4, mix(low ^ key.length));
  return halves.getBigUint64(0);
}

/** The halves of one number: shifting would make several big ones on the way. */
const halves = new DataView(new ArrayBuffer(8));

/** The key of a commit id, which no correlation id can be. */
export function commitKey(commitId: string): string {
  return `\0${commitId}`;
}

/** The distinct hashes of keys. */
export function hashKeys(keys: readonly string[]): bigint[] {
  const areTwo = keys.length === 2 && keys[0] !== keys[1]; // as of nearly every commit of one event
  return (areTwo ? keys : [...new Set(keys)]).map(hashKey);
}

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Collects entries for one record. */
export class EntryList implements Entries {
  private hashBytes = new Bytes();
  private positionBytes = new Bytes();
  length = 0;

  add(hash: bigint, position: bigint): void {
    const at = this.length++ * entryBytes;
    this.hashBytes.write(at, hash);
    this.positionBytes.write(at, position);
  }

  /** Adds the entry of another list that begins at a byte. */
  copy({ hashes, positions }: Entries, from: number): void {
    const at = this.length++ * entryBytes;
    this.hashBytes.copy(at, hashes, from);
    this.positionBytes.copy(at, positions, from);
  }

  /** Adds all entries of another list. */
  addAll(entries: Entries): void {
    for (let from = 0; from < entries.hashes.length; from += entryBytes) this.copy(entries, from);
  }

  /** What it takes in memory. */
  get bytes(): number {
    return this.hashBytes.length + this.positionBytes.length;
  }

  get hashes(): Buffer {
    return this.hashBytes.upTo(this.length * entryBytes);
  }

  get positions(): Buffer {
    return this.positionBytes.upTo(this.length * entryBytes);
  }
}

/** By little more than there is: the lists that a gateway keeps take most of what it has in memory of the index. */
const growth = 1.25;

/** Bytes that grow by numbers of 64 bits. */
class Bytes {
  private bytes = new Uint8Array(64 * entryBytes);
  private view = new DataView(this.bytes.buffer);

  get length(): number {
    return this.bytes.length;
  }

  write(at: number, value: bigint): void {
    this.makeRoom(at);
    this.view.setBigUint64(at, value, true);
  }

  copy(at: number, source: Uint8Array, from: number): void {
    this.makeRoom(at);
    for (let i = 0; i < entryBytes; i++) this.bytes[at + i] = source[from + i] as number;
  }

  upTo(end: number): Buffer {
    return Buffer.from(this.bytes.buffer, 0, end);
  }

  private makeRoom(at: number): void {
    if (at < this.bytes.length) return;
    const larger = new Uint8Array(entryBytes * Math.ceil((growth * at) / entryBytes));
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/** Every entry belongs to one of 256 buckets, and, when that has grown large, to one of its 256 cells. */
export const bucketCount = 256;
/** The bytes of a hash that tell which. */
export const [bucketByte, cellByte] = [0, 1];

export function bucketOf(hash: bigint): number {
  return Number(hash & 0xffn);
}

export function cellOf(hash: bigint): number {
  return Number((hash >> 8n) & 0xffn);
}

/** Puts entries into the lists for a byte of their hash, those that have one. */
export function distribute(
  entries: Entries,
  byte: number,
  listOf: (value: number) => EntryList | undefined,
): void {
  for (let at = 0; at < entries.hashes.length; at += entryBytes)
    listOf(entries.hashes[at + byte] as number)?.copy(entries, at);
}

export function encodeIndexRecord({ hashes, positions, after, through, logEnd }: IndexRecord): Uint8Array {
  const writer = new BinaryWriter();
  writer
    .uint32((1 << 3) | 2)
    .bytes(hashes)
    .uint32((2 << 3) | 2)
    .bytes(positions)
    .uint32(3 << 3)
    .uint64(after)
    .uint32(4 << 3)
    .uint64(through);
  if (logEnd !== undefined)
    writer
      .uint32(5 << 3)
      .uint64(logEnd.sequence)
      .uint32((6 << 3) | 1)
      .fixed64(logEnd.timeNanos);
  return writer.finish();
}

/** Throws if the bytes are not an index record. */
export function decodeIndexRecord(bytes: Uint8Array): IndexRecord {
  const reader = new BinaryReader(bytes);
  let hashes = Buffer.alloc(0);
  let positions = Buffer.alloc(0);
  let after = 0n;
  let through = 0n;
  let sequence = 0n;
  let timeNanos = 0n;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) hashes = Buffer.from(reader.bytes());
    else if (field === 2) positions = Buffer.from(reader.bytes());
    else if (field === 3) after = BigInt(reader.uint64());
    else if (field === 4) through = BigInt(reader.uint64());
    else if (field === 5) sequence = BigInt(reader.uint64());
    else if (field === 6) timeNanos = BigInt(reader.fixed64());
    else reader.skip(wireType);
  }
  if (hashes.length !== positions.length || hashes.length % entryBytes !== 0) {
    throw new Error('an index record has not as many positions as hashes');
  }
  const logEnd = sequence === 0n ? undefined : { sequence, timeNanos };
  return { hashes, positions, after, through, logEnd };
}

/** The entries in groups of at most so many. */
export function* divide({ hashes, positions }: Entries, entriesMax: number): Generator<Entries, void> {
  const bytes = entriesMax * entryBytes;
  for (let at = 0; at < hashes.length; at += bytes) {
    yield { hashes: hashes.subarray(at, at + bytes), positions: positions.subarray(at, at + bytes) };
  }
}

/** Gives the position of each entry with this hash. */
export function* matches({ hashes, positions }: Entries, hash: bigint): Generator<bigint, void> {
  const low = Number(hash & 0xffffffffn);
  const high = Number(hash >> 32n);
  const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.length);
  for (let at = 0; at < hashes.length; at += entryBytes) {
    if (view.getUint32(at, true) !== low || view.getUint32(at + 4, true) !== high) continue;
    yield positions.readBigUInt64LE(at);
  }
}
