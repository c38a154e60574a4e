import { crc32 } from 'node:zlib';
import { eventSpans } from '../store/commit-record';
import { fieldBytes } from '../store/varint';
import { DamagedReplicaError } from './damage';
import { frameEvent, suffixBytesMax, writeSuffix } from './frame';
import { damageError, isDamage, type LogCommit, type LogDamage, type LogEntry } from '../store/log';
import type { UnreadableCommitError } from '../store/errors';
import { at, checksumBytes, checksumOfChecked, flag, headerBytes, kindByte, kinds } from './record-layout';
import { checkRecords } from './record-walk';
import { writeUint64LE } from './uint64';

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
  /** Where the events, or the reason, begin and end. */
  readonly bodyStart: number;
  readonly bodyEnd: number;
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
  let bytes = headerBytes + stream.length + checksumBytes;
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
  const target = Buffer.alloc(headerBytes + name.length + reason.length + checksumBytes);
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
  const end = target.length - checksumBytes;
  target.writeUInt32LE(crc32(target.subarray(0, end), checksumOfChecked), end);
  return target;
}

/** The bytes of the record that begins here; undefined: its length is not among the bytes. */
export function lengthAt(bytes: Buffer, start: number): number | undefined {
  return start + at.kind <= bytes.length ? bytes.readUInt32LE(start + at.length) : undefined;
}

/** Reads the header of the record that begins here and lies whole in the bytes. Throws DamagedReplicaError. */
export function readHeader(bytes: Buffer, start: number): RecordHeader {
  const length = lengthAt(bytes, start) ?? 0;
  if (length < headerBytes + checksumBytes || start + length > bytes.length)
    throw new DamagedReplicaError('a record is cut off');
  checkRecords(bytes.subarray(start, start + length));
  return headerAt(bytes, start);
}

/** The header of a record that was checked. */
export function headerAt(bytes: Buffer, start: number): RecordHeader {
  const length = bytes.readUInt32LE(start + at.length);
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
    bodyEnd: start + length - checksumBytes,
    end: start + length,
  };
}

/** The headers of records that were checked, and follow one another. */
export function headersOf(bytes: Buffer): RecordHeader[] {
  const headers: RecordHeader[] = [];
  for (let start = 0; start < bytes.length; start = (headers.at(-1) as RecordHeader).end)
    headers.push(headerAt(bytes, start));
  return headers;
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
  const { kind, position, bodyStart, bodyEnd } = header;
  if (kind === 'commit') throw new Error('a commit is no error');
  const stream = nameOf(bytes, header);
  const reason = bytes.toString('utf8', bodyStart, bodyEnd);
  return damageError({ kind, stream, position, claimed: firstVersionOf(bytes, header), reason });
}

export function bodyOf(bytes: Buffer, { bodyStart, bodyEnd }: RecordHeader): Buffer {
  return bytes.subarray(bodyStart, bodyEnd);
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
  const hex = bytes.toString('hex', start + at.commitId, start + at.commitId + uuidBytes);
  let from = 0;
  return uuidParts
    .map((to) => {
      const part = hex.slice(from, to);
      from = to;
      return part;
    })
    .join('-');
}
