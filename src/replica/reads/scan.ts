import { isDamage, type LogEntry } from '../../store/log';
import { DamagedReplicaError } from '../segments/damage';
import type { ReplicaFiles } from '../index/replica-files';
import { lengthAt, toRecord } from '../segments/record';
import { headerBytes } from '../segments/record-layout';
import { wholeGroups } from '../segments/record-iterator';
import { SegmentGoneError, type Cursor, type Segments } from '../segments/segments';

/** Whole groups of records, at least one, in the order of the log. */
export interface Chunk {
  readonly bytes: Buffer;
  /** Whether others have the bytes as well. */
  readonly isShared: boolean;
  /** The position of the last record. */
  readonly last: bigint;
  /** Where the next chunk begins. */
  readonly next: Cursor;
}

/** Where to begin to look for the records after a position; some before it may come first. */
export function cursorAfter({ segments, index }: ReplicaFiles, position: bigint): Cursor {
  const mark = index.markAt(position + 1n);
  const place = mark?.place ?? { segment: 0, offset: 0 };
  return segments.memoryAfter(position) ?? { ...place, after: (mark?.position ?? 1n) - 1n };
}

/** The records from a cursor on, in chunks of about so many bytes; ends at the end of what was received. */
export async function* scan(
  files: ReplicaFiles,
  from: Cursor,
  chunkBytes: number,
): AsyncGenerator<Chunk, void> {
  let next: Promise<Chunk | undefined> = readChunk(files, from, chunkBytes);
  for (let chunk = await next; chunk !== undefined; chunk = await next) {
    next = readChunk(files, chunk.next, chunkBytes);
    // A failure while nobody waits must not end the process; it is met in the next round.
    next.catch(() => undefined);
    yield chunk;
  }
}

/** The next chunk; undefined: there is none yet. Throws DamagedReplicaError. */
export async function readChunk(
  files: ReplicaFiles,
  from: Cursor,
  chunkBytes: number,
): Promise<Chunk | undefined> {
  const { segments } = files;
  try {
    if (from.segment >= segments.first) return await chunkOfSegments(files, from, chunkBytes);
  } catch (error) {
    if (!(error instanceof SegmentGoneError)) throw error;
  }
  return chunkOfLog(files, from, chunkBytes);
}

/** All records of the segments that there are. Throws DamagedReplicaError. */
export async function* recordsOfSegments(
  segments: Segments,
  chunkBytes: number,
): AsyncGenerator<Chunk, void> {
  let cursor: Cursor = { segment: segments.first, offset: 0 };
  for (;;) {
    const chunk = await chunkOfSegments({ segments }, cursor, chunkBytes);
    if (chunk === undefined) return;
    yield chunk;
    cursor = chunk.next;
  }
}

/** Of the log, what the segments have no more. */
async function chunkOfLog(files: ReplicaFiles, from: Cursor, chunkBytes: number): Promise<Chunk | undefined> {
  const { index, log, segments } = files;
  const { first } = segments;
  const mark = index.markOfSegment(first);
  if (from.after === undefined || mark === undefined) throw new SegmentGoneError();
  if (mark.position <= from.after + 1n)
    return chunkOfSegments(files, { segment: first, offset: 0 }, chunkBytes);
  const { groups, upTo } = await log.read(from.after, mark.position - 1n, chunkBytes);
  const records = groups.flatMap((group) => recordsOf(files, group));
  const next = { segment: from.segment, offset: from.offset, after: upTo };
  if (records.length === 0) return readChunk(files, next, chunkBytes);
  const bytes = Buffer.concat(records);
  return { bytes, isShared: false, last: wholeGroups(bytes).last, next };
}

/** As they lay in the segments, but for a transaction of which something cannot be read. */
function recordsOf({ index }: ReplicaFiles, group: readonly LogEntry[]): Buffer[] {
  const entries = group.map((entry): LogEntry => {
    if (isDamage(entry) || index.has(entry.stream, entry.lastVersion, entry.sequence)) return entry;
    const { stream, sequence: position, timeNanos } = entry;
    return {
      kind: 'unreadable',
      stream,
      position,
      timeNanos,
      claimedVersion: 0n,
      reason: 'its version has been there before',
    };
  });
  const isWhole = entries.length === 1 || !entries.some(isDamage);
  return entries.map((entry, at) =>
    isWhole || isDamage(entry)
      ? toRecord(entry, isWhole && at + 1 < entries.length)
      : toRecord({ ...entry, isTorn: true }, false),
  );
}

async function chunkOfSegments(
  { segments }: Pick<ReplicaFiles, 'segments'>,
  from: Cursor,
  chunkBytes: number,
): Promise<Chunk | undefined> {
  let cursor = from;
  for (let wanted = chunkBytes; ;) {
    const { bytes, isShared } = await segments.readFrom(cursor, wanted);
    if (bytes.length === 0) {
      if (!segments.hasAfter(cursor.segment)) return undefined;
      cursor = { segment: cursor.segment + 1, offset: 0 };
      continue;
    }
    const { whole, last } = wholeGroups(bytes);
    if (whole.length > 0) {
      const next = { segment: cursor.segment, offset: cursor.offset + whole.length, after: last };
      return { bytes: whole, isShared, last, next };
    }
    if (bytes.length < wanted) throw new DamagedReplicaError('a record is cut off');
    // One group that is larger.
    wanted = Math.max(2 * wanted, (lengthAt(bytes, 0) ?? headerBytes) + headerBytes);
  }
}
