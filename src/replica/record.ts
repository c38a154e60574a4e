import { crc32 } from 'node:zlib';
import { eventSpans } from '../store/commit-record';
import { fieldBytes } from '../store/varint';
import { DamagedReplicaError } from './damage';
import { frameEvent, suffixBytesMax, writeSuffix } from './frame';
import { damageError, isDamage, type LogCommit, type LogDamage, type LogEntry } from '../store/log';
import type { UnreadableCommitError } from '../store/errors';
import { writeUint64LE } from './uint64';

/**
 * An entry of the log as it lies in a segment: a header, the name of the stream, and the events as they are sent, or the reason why
 * there are none. Numbers are little-endian.
 */
export const headerBytes = 64;
const at = {
  length: 0,
  checksum: 4,
  kind: 8,
  flags: 9,
  nameBytes: 10,
  count: 12,
  position: 16,
  sequence: 24,
  time: 32,
  firstVersion: 40,
  commitId: 48,
} as const;
const kindByte = { commit: 1, damage: 2, outside: 3, lost: 4 } as const;
const kinds = [undefined, 'commit', 'damage', 'outside', 'lost'] as const;
const flag = { continues: 1, inTransaction: 2, leftOut: 4 } as const;

/** The header of a record, read, and where its parts lie in the bytes. */
export interface RecordHeader {
  readonly start: number;
  /** Of the whole record. */
  readonly length: number;
  readonly kind: keyof typeof kindByte;
  /** Of a commit: whether it is left out of what is read over all streams. */
  readonly isLeftOut: boolean;
  /** Whether more of the same transaction follows. */
  readonly continues: boolean;
  readonly count: number;
  readonly position: bigint;
  readonly timeNanos: bigint;
  /** Where the events, or the reason, begin. */
  readonly bodyStart: number;
  readonly end: number;
}

/** An entry as a record. Throws MalformedRecordError. */
export function toRecord(entry: LogEntry, continues: boolean): Buffer {
  return isDamage(entry) ? damageRecord(entry) : commitRecord(entry, continues);
}

/** Used again for every commit. */
const suffix = new Uint8Array(suffixBytesMax);

function commitRecord(commit: LogCommit, continues: boolean): Buffer {
  const { stream, record, position, timeNanos } = commit;
  const suffixBytes = writeSuffix(suffix, 0, position, timeNanos);
  const spans = eventSpans(record);
  let bytes = headerBytes + stream.length;
  for (const { start, end } of spans) bytes += fieldBytes(end - start + suffixBytes);
  const target = Buffer.allocUnsafe(bytes);
  let next = headerBytes + target.write(stream, headerBytes, 'latin1');
  for (const span of spans) next = frameEvent(record, span, suffix, suffixBytes, target, next);
  target[at.kind] = kindByte.commit;
  target[at.flags] =
    (continues ? flag.continues : 0) |
    (commit.inTransaction ? flag.inTransaction : 0) |
    (commit.isLeftOut ? flag.leftOut : 0);
  target.writeUInt16LE(stream.length, at.nameBytes);
  target.writeUInt32LE(spans.length, at.count);
  writeUint64LE(target, at.sequence, commit.sequence);
  writeUint64LE(target, at.firstVersion, commit.firstVersion);
  writeCommitId(target, at.commitId, commit.commitId);
  // One that is left out stands among the others by where it is, not by the transaction that it was meant to be part of.
  return seal(target, commit.isLeftOut ? commit.sequence : position, timeNanos);
}

function damageRecord({ kind, stream, position, timeNanos, claimed, reason: text }: LogDamage): Buffer {
  const name = Buffer.from(stream);
  const reason = Buffer.from(text);
  const target = Buffer.alloc(headerBytes + name.length + reason.length);
  name.copy(target, headerBytes);
  reason.copy(target, headerBytes + name.length);
  target[at.kind] = kindByte[kind];
  target.writeUInt16LE(name.length, at.nameBytes);
  writeUint64LE(target, at.sequence, position);
  writeUint64LE(target, at.firstVersion, claimed);
  return seal(target, position, timeNanos);
}

function seal(target: Buffer, position: bigint, timeNanos: bigint): Buffer {
  target.writeUInt32LE(target.length, at.length);
  writeUint64LE(target, at.position, position);
  // Its 64 bits are the same with a sign.
  writeUint64LE(target, at.time, timeNanos);
  target.writeUInt32LE(checksumOf(target, 0, target.length), at.checksum);
  return target;
}

function checksumOf(bytes: Buffer, start: number, end: number): number {
  return crc32(bytes.subarray(start + at.kind, end));
}

/** The bytes of the record that begins here; undefined: its length is not among the bytes. */
export function lengthAt(bytes: Buffer, start: number): number | undefined {
  return start + at.checksum <= bytes.length ? bytes.readUInt32LE(start + at.length) : undefined;
}

/** Reads the header of the record that begins here and lies whole in the bytes. Throws DamagedReplicaError. */
export function readHeader(bytes: Buffer, start: number): RecordHeader {
  const length = lengthAt(bytes, start) ?? 0;
  const end = start + length;
  if (length < headerBytes || end > bytes.length) throw new DamagedReplicaError('a record is cut off');
  if (bytes.readUInt32LE(start + at.checksum) !== checksumOf(bytes, start, end))
    throw new DamagedReplicaError('a record does not have its checksum');
  return {
    start,
    length,
    kind: kindAt(bytes, start),
    isLeftOut: flagsAt(bytes, start, flag.leftOut),
    continues: flagsAt(bytes, start, flag.continues),
    count: bytes.readUInt32LE(start + at.count),
    position: bytes.readBigUInt64LE(start + at.position),
    timeNanos: bytes.readBigInt64LE(start + at.time),
    bodyStart: start + headerBytes + bytes.readUInt16LE(start + at.nameBytes),
    end,
  };
}

function kindAt(bytes: Buffer, start: number): RecordHeader['kind'] {
  const found = kinds[bytes[start + at.kind] ?? 0];
  if (found === undefined) throw new DamagedReplicaError('a record is of no known kind');
  return found;
}

export function nameOf(bytes: Buffer, { start, bodyStart, kind }: RecordHeader): string {
  return bytes.toString(kind === 'commit' ? 'latin1' : 'utf8', start + headerBytes, bodyStart);
}

/** What a reader is told who meets a record that stands for no commit. */
export function errorOf(bytes: Buffer, header: RecordHeader): UnreadableCommitError {
  const { kind, position, bodyStart, end } = header;
  if (kind === 'commit') throw new Error('a commit is no error');
  const stream = nameOf(bytes, header);
  const reason = bytes.toString('utf8', bodyStart, end);
  return damageError({ kind, stream, position, claimed: firstVersionOf(bytes, header), reason });
}

export function bodyOf(bytes: Buffer, { bodyStart, end }: RecordHeader): Buffer {
  return bytes.subarray(bodyStart, end);
}

export function isInTransaction(bytes: Buffer, { start }: RecordHeader): boolean {
  return flagsAt(bytes, start, flag.inTransaction);
}

function flagsAt(bytes: Buffer, start: number, wanted: number): boolean {
  return ((bytes[start + at.flags] as number) & wanted) !== 0;
}

export function sequenceOf(bytes: Buffer, { start }: RecordHeader): bigint {
  return bytes.readBigUInt64LE(start + at.sequence);
}

/** Of damage, the version that its stream has by its headers; 0: they do not say. */
export function firstVersionOf(bytes: Buffer, { start }: RecordHeader): bigint {
  return bytes.readBigUInt64LE(start + at.firstVersion);
}

const dash = 0x2d;
const hexDigits = new Uint8Array(256);
for (const digit of '0123456789abcdef') hexDigits[digit.charCodeAt(0)] = parseInt(digit, 16);

/** The bytes of a UUID. What somebody else has put in the place of one is found under no id. */
function writeCommitId(target: Buffer, start: number, id: string): void {
  const end = start + uuidBytes;
  let next = start;
  for (let i = 0; i < id.length && next < end; i += 2) {
    if (id.charCodeAt(i) === dash) i++;
    target[next++] = (digitOf(id.charCodeAt(i)) << 4) | digitOf(id.charCodeAt(i + 1));
  }
  target.fill(0, next, end);
}

function digitOf(char: number): number {
  return hexDigits[char] ?? 0;
}

const uuidBytes = 16;
const uuidParts = [8, 12, 16, 20, 32];

export function commitIdOf(bytes: Buffer, { start }: RecordHeader): string {
  const hex = bytes.toString('hex', start + at.commitId, start + headerBytes);
  let from = 0;
  return uuidParts
    .map((to) => {
      const part = hex.slice(from, to);
      from = to;
      return part;
    })
    .join('-');
}
