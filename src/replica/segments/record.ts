import { crc32 } from 'node:zlib';
import { eventSpans, type EventSpan } from '../../protobuf/commit-record';
import { fieldBytes } from '../../protobuf/varint';
import { DamagedReplicaError } from './damage';
import { frameEvent, suffixBytesMax, writeSuffix } from './event-framing';
import { damageError, isDamage, type LogCommit, type LogDamage, type LogEntry } from '../../store/log';
import type { UnreadableCommitError } from '../../store/errors';
import { at, checksumBytes, checksumOfChecked, flag, headerBytes, kindByte, kinds } from './record-layout';
import { checkRecords } from './record-iterator';
import { writeUint64LE } from './uint64';

/** The header of a record, read, and where its parts lie in the bytes. */
export interface RecordHeader {
  readonly start: number;
  /** Of the whole record. */
  readonly length: number;
  readonly kind: keyof typeof kindByte;
  /** Of a commit: whether it is left out of what is read over all streams. */
  readonly isTorn: boolean;
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

/** A record, and where it lies in the bytes. */
export interface StoredRecord {
  readonly bytes: Buffer;
  readonly header: RecordHeader;
}

/** A record of which it is known how large it is, and that is not written yet. */
export interface Draft {
  readonly length: number;
  /** Writes all of it at a place. */
  write(target: Buffer, start: number): void;
}

/** An entry as a record. Throws MalformedRecordError. */
export function toRecord(entry: LogEntry, continues: boolean): Buffer {
  const draft = draftOf(entry, continues);
  const record = Buffer.allocUnsafe(draft.length);
  draft.write(record, 0);
  return record;
}

/** An entry as a record that is not written yet. Throws MalformedRecordError. */
export function draftOf(entry: LogEntry, continues: boolean): Draft {
  return isDamage(entry) ? new DamageDraft(entry) : new CommitDraft(entry, continues);
}

/** Used again for every commit. */
const suffix = new Uint8Array(suffixBytesMax);

class CommitDraft implements Draft {
  readonly length: number;
  private readonly spans: readonly EventSpan[];

  constructor(
    private readonly commit: LogCommit,
    private readonly continues: boolean,
  ) {
    const { stream, record, position, timeNanos } = commit;
    const suffixBytes = writeSuffix(suffix, 0, position, timeNanos);
    this.spans = eventSpans(record);
    this.length = headerBytes + stream.length + checksumBytes;
    for (const { start, end } of this.spans) this.length += fieldBytes(end - start + suffixBytes);
  }

  write(target: Buffer, start: number): void {
    const { commit, spans } = this;
    const { stream, record, position, timeNanos, isTorn } = commit;
    const suffixBytes = writeSuffix(suffix, 0, position, timeNanos);
    const nameStart = start + headerBytes;
    let next = nameStart + target.write(stream, nameStart, 'latin1');
    for (const span of spans) next = frameEvent(record, span, suffix, suffixBytes, target, next);
    target[start + at.kind] = kindByte.commit;
    target[start + at.flags] =
      (this.continues ? flag.continues : 0) |
      (commit.inTransaction ? flag.inTransaction : 0) |
      (isTorn ? flag.torn : 0);
    target.writeUInt16LE(stream.length, start + at.nameBytes);
    target.writeUInt32LE(spans.length, start + at.count);
    writeUint64LE(target, start + at.sequence, commit.sequence);
    writeUint64LE(target, start + at.firstVersion, commit.firstVersion);
    writeCommitId(target, start + at.commitId, commit.commitId);
    // One that is left out stands among the others by where it is, not by the transaction that it was meant to be part of.
    seal(target, start, this.length, isTorn ? commit.sequence : position, timeNanos);
  }
}

class DamageDraft implements Draft {
  readonly length: number;
  private readonly name: Buffer;
  private readonly reason: Buffer;

  constructor(private readonly damage: LogDamage) {
    this.name = Buffer.from(damage.stream);
    this.reason = Buffer.from(damage.reason);
    this.length = headerBytes + this.name.length + this.reason.length + checksumBytes;
  }

  write(target: Buffer, start: number): void {
    const { name, reason } = this;
    const { damage } = this;
    const { kind, position, timeNanos } = damage;
    target.fill(0, start, start + headerBytes);
    name.copy(target, start + headerBytes);
    reason.copy(target, start + headerBytes + name.length);
    target[start + at.kind] = kindByte[kind];
    target.writeUInt16LE(name.length, start + at.nameBytes);
    writeUint64LE(target, start + at.sequence, position);
    const first = damage.kind === 'lost' ? damage.firstPosition : damage.claimedVersion;
    writeUint64LE(target, start + at.firstVersion, first);
    seal(target, start, this.length, position, timeNanos);
  }
}

function seal(target: Buffer, start: number, length: number, position: bigint, timeNanos: bigint): void {
  target.writeUInt32LE(length, start + at.length);
  writeUint64LE(target, start + at.position, position);
  // Its 64 bits are the same with a sign.
  writeUint64LE(target, start + at.time, timeNanos);
  const end = start + length - checksumBytes;
  // `subarray` of a Buffer takes several times as long.
  const sealed = new Uint8Array(target.buffer, target.byteOffset + start, end - start);
  target.writeUInt32LE(crc32(sealed, checksumOfChecked), end);
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
    isTorn: flagsAt(bytes, start, flag.torn),
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
  const { kind, position, timeNanos, bodyStart, bodyEnd } = header;
  if (kind === 'commit') throw new Error('a commit is no error');
  const stream = nameOf(bytes, header);
  const reason = bytes.toString('utf8', bodyStart, bodyEnd);
  const first = firstVersionOf(bytes, header);
  if (kind === 'lost')
    return damageError({ kind, stream: '', firstPosition: first, position, timeNanos: 0n, reason });
  return damageError({ kind, stream, position, timeNanos, claimedVersion: first, reason });
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
