import { crc32 } from 'node:zlib';
import { eventSpans, type EventSpan } from '../../protobuf/commit-record';
import { endOfEvents } from '../../protobuf/erased-record';
import { DamagedReplicaError } from './damage';
import { EventFramer } from './event-framer';
import {
  damageError,
  isControl,
  isDamage,
  type LogCommit,
  type LogControl,
  type LogDamage,
  type LogEntry,
} from '../../store/log';
import { controlBodyBytes, writeControlBody } from './control-body';
import type { UnreadableCommitError } from '../../store/errors';
import { position as toPosition, type Position, type Sequence, type Version } from '../../store/values';
import { at, checksumBytes, checksumOfChecked, flag, headerBytes, kindByte, kinds } from './record-layout';
import { checkChecksums } from './record-iterator';
import { writeUint64LE } from './uint64';

/** The decoded header of a record, and where the parts of the record lie in its buffer. */
export interface RecordHeader {
  readonly start: number;
  /** Of the whole record. */
  readonly length: number;
  readonly kind: keyof typeof kindByte;
  /** Of a commit: whether part of its transaction is lost or unreadable. */
  readonly isTorn: boolean;
  /** Of a commit: whether its events are stubs. */
  readonly isErased: boolean;
  /** Whether the next record belongs to the same transaction. */
  readonly continues: boolean;
  readonly count: number;
  readonly position: Position;
  readonly timeNanos: bigint;
  /** Where the events, or the reason, begin and end. */
  readonly bodyStart: number;
  readonly bodyEnd: number;
  readonly end: number;
}

/** A record, and the buffer that holds it. */
export interface StoredRecord {
  readonly bytes: Buffer;
  readonly header: RecordHeader;
}

/** A record whose length is known and that is not written yet. */
export interface RecordDraft {
  readonly length: number;
  /** Writes the whole record. */
  write(target: Buffer, start: number): void;
}

/** Encodes an entry as a record. Throws MalformedRecordError. */
export function encodeRecord(entry: LogEntry, continues: boolean): Buffer {
  const draft = draftRecord(entry, continues);
  const record = Buffer.allocUnsafe(draft.length);
  draft.write(record, 0);
  return record;
}

/** Drafts the record of an entry. Throws MalformedRecordError. */
export function draftRecord(entry: LogEntry, continues: boolean): RecordDraft {
  if (isDamage(entry)) return new DamageDraft(entry);
  return isControl(entry) ? new ControlDraft(entry) : new CommitDraft(entry, continues);
}

class CommitDraft implements RecordDraft {
  readonly length: number;
  private readonly spans: readonly EventSpan[];
  private readonly framer: EventFramer;

  constructor(
    private readonly commit: LogCommit,
    private readonly continues: boolean,
  ) {
    const { stream, record, position, timeNanos } = commit;
    this.framer = new EventFramer(position, timeNanos);
    this.spans = eventSpans(record);
    this.length = headerBytes + stream.length + checksumBytes;
    for (const span of this.spans) this.length += this.framer.framedBytes(span);
  }

  write(target: Buffer, start: number): void {
    const { commit, spans, framer } = this;
    const { stream, record, isTorn } = commit;
    const nameStart = start + headerBytes;
    let next = nameStart + target.write(stream, nameStart, 'latin1');
    for (const span of spans) next = framer.write(record, span, target, next);
    target[start + at.kind] = kindByte.commit;
    target[start + at.flags] =
      (this.continues ? flag.continues : 0) |
      (commit.inTransaction ? flag.inTransaction : 0) |
      (isTorn ? flag.torn : 0) |
      (commit.isErased ? flag.erased : 0);
    target.writeUInt16LE(stream.length, start + at.nameBytes);
    target.writeUInt32LE(spans.length, start + at.count);
    // A torn commit keeps its own place in the order, not that of its transaction.
    writeUint64LE(target, start + at.position, isTorn ? commit.sequence : commit.position);
    writeUint64LE(target, start + at.sequence, commit.sequence);
    writeUint64LE(target, start + at.time, commit.timeNanos);
    writeUint64LE(target, start + at.firstVersion, commit.firstVersion);
    writeCommitId(target, start + at.commitId, commit.commitId);
    seal(target, start, this.length);
  }
}

class ControlDraft implements RecordDraft {
  readonly length: number;

  constructor(private readonly control: LogControl) {
    this.length = headerBytes + control.stream.length + controlBodyBytes(control) + checksumBytes;
  }

  write(target: Buffer, start: number): void {
    const { control } = this;
    const nameStart = start + headerBytes;
    target.fill(0, start, nameStart);
    const bodyStart = nameStart + target.write(control.stream, nameStart, 'latin1');
    writeControlBody(target, bodyStart, control);
    target[start + at.kind] = kindByte.control;
    target.writeUInt16LE(control.stream.length, start + at.nameBytes);
    writeUint64LE(target, start + at.position, control.position);
    writeUint64LE(target, start + at.sequence, control.sequence);
    writeUint64LE(target, start + at.time, control.timeNanos);
    writeUint64LE(target, start + at.firstVersion, control.version);
    writeCommitId(target, start + at.commitId, control.commitId);
    seal(target, start, this.length);
  }
}

class DamageDraft implements RecordDraft {
  readonly length: number;
  private readonly name: Buffer;
  private readonly reason: Buffer;

  constructor(private readonly damage: LogDamage) {
    this.name = Buffer.from(damage.stream);
    this.reason = Buffer.from(damage.reason);
    this.length = headerBytes + this.name.length + this.reason.length + checksumBytes;
  }

  write(target: Buffer, start: number): void {
    const { damage, name, reason } = this;
    target.fill(0, start, start + headerBytes);
    name.copy(target, start + headerBytes);
    reason.copy(target, start + headerBytes + name.length);
    target[start + at.kind] = kindByte[damage.kind];
    target.writeUInt16LE(name.length, start + at.nameBytes);
    writeUint64LE(target, start + at.position, damage.position);
    writeUint64LE(target, start + at.sequence, damage.position);
    writeUint64LE(target, start + at.time, damage.timeNanos);
    const first = damage.kind === 'lost' ? damage.firstPosition : damage.claimedVersion;
    writeUint64LE(target, start + at.firstVersion, first);
    seal(target, start, this.length);
  }
}

/** Writes the length and the checksum of a record that is otherwise complete. */
export function seal(target: Buffer, start: number, length: number): void {
  target.writeUInt32LE(length, start + at.length);
  const end = start + length - checksumBytes;
  // `subarray` of a Buffer takes several times as long.
  const sealed = new Uint8Array(target.buffer, target.byteOffset + start, end - start);
  target.writeUInt32LE(crc32(sealed, checksumOfChecked), end);
}

/** The length of the record that begins here; undefined: the buffer ends before it. */
export function lengthAt(bytes: Buffer, start: number): number | undefined {
  return start + at.kind <= bytes.length ? bytes.readUInt32LE(start + at.length) : undefined;
}

/** Checks the record that begins here and decodes its header. Throws DamagedReplicaError. */
export function readHeader(bytes: Buffer, start: number): RecordHeader {
  const length = lengthAt(bytes, start) ?? 0;
  if (length < headerBytes + checksumBytes || start + length > bytes.length)
    throw new DamagedReplicaError('a record is cut off');
  checkChecksums(bytes.subarray(start, start + length));
  return headerAt(bytes, start);
}

/** The header of a record whose checksum was checked. */
export function headerAt(bytes: Buffer, start: number): RecordHeader {
  const length = bytes.readUInt32LE(start + at.length);
  const count = bytes.readUInt32LE(start + at.count);
  const isErased = flagsAt(bytes, start, flag.erased);
  const bodyStart = start + headerBytes + bytes.readUInt16LE(start + at.nameBytes);
  return {
    start,
    length,
    kind: kindAt(bytes, start),
    isTorn: flagsAt(bytes, start, flag.torn),
    isErased,
    continues: flagsAt(bytes, start, flag.continues),
    count,
    position: bytes.readBigUInt64LE(start + at.position) as Position,
    timeNanos: bytes.readBigInt64LE(start + at.time),
    bodyStart,
    bodyEnd: isErased ? endOfEvents(bytes, bodyStart, count) : start + length - checksumBytes,
    end: start + length,
  };
}

/** The headers of consecutive records whose checksums were checked. */
export function headersOf(bytes: Buffer): RecordHeader[] {
  const headers: RecordHeader[] = [];
  for (let start = 0; start < bytes.length; start = (headers.at(-1) as RecordHeader).end)
    headers.push(headerAt(bytes, start));
  return headers;
}

function kindAt(bytes: Buffer, start: number): RecordHeader['kind'] {
  const found = kinds[bytes[start + at.kind] ?? 0];
  if (found === undefined) throw new DamagedReplicaError('a record is of an unknown kind');
  return found;
}

export function nameOf(bytes: Buffer, { start, bodyStart, kind }: RecordHeader): string {
  return bytes.toString(kind === 'commit' ? 'latin1' : 'utf8', start + headerBytes, bodyStart);
}

/** The error for a reader that needs a record which is neither a commit nor a control. */
export function errorOf(bytes: Buffer, header: RecordHeader): UnreadableCommitError {
  const { kind, position, timeNanos, bodyStart, bodyEnd } = header;
  if (kind === 'commit' || kind === 'control') throw new Error('the record is not damage');
  const stream = nameOf(bytes, header);
  const reason = bytes.toString('utf8', bodyStart, bodyEnd);
  const first = firstVersionOf(bytes, header);
  if (kind === 'lost')
    return damageError({
      kind,
      stream: '',
      firstPosition: toPosition(first),
      position,
      timeNanos: 0n,
      reason,
    });
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

export function sequenceOf(bytes: Buffer, { start }: RecordHeader): Sequence {
  return bytes.readBigUInt64LE(start + at.sequence) as Sequence;
}

/** Of a control, the version of its stream; of an unreadable message, its claimed version; of lost messages, their first position. */
export function firstVersionOf(bytes: Buffer, { start }: RecordHeader): Version {
  return bytes.readBigUInt64LE(start + at.firstVersion) as Version;
}

const dash = 0x2d;
const hexDigits = new Uint8Array(256);
for (const digit of '0123456789abcdef') hexDigits[digit.charCodeAt(0)] = parseInt(digit, 16);

/** Writes the 16 bytes of a UUID. A foreign program may have stored another text as the id: no request finds that commit. */
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
