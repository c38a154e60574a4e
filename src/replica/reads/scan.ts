import { isDamage, lastVersionOf, type LogEntry } from '../../store/log';
import { sequence } from '../../store/values';
import type { ReplicaFiles } from '../index/replica-files';
import { DamagedReplicaError } from '../segments/damage';
import { asErased } from '../segments/fetch-records';
import { encodeRecord, lengthAt } from '../segments/record';
import { readWhole } from '../segments/read-again';
import { completeGroups } from '../segments/record-iterator';
import { headerBytes } from '../segments/record-layout';
import { SegmentRemovedError, type SegmentCursor, type SegmentView } from '../segments/segment-view';
import { duplicateOf, splitIfTorn } from '../segments/torn-groups';

/** Complete groups of records, at least one, in the order of the log. */
export interface Chunk {
  readonly bytes: Buffer;
  /** Whether the buffer is also used elsewhere, so that it must not be changed. */
  readonly isShared: boolean;
  /** The position of the last record. */
  readonly last: bigint;
  /** Where the next chunk begins. */
  readonly next: SegmentCursor;
}

/** Where to begin reading the records after a position; some records before it may come first. */
export function cursorAfter({ segments, index }: ReplicaFiles, position: bigint): SegmentCursor {
  const mark = index.markAtOrBefore(position + 1n);
  const location = mark?.location ?? { segment: 0, offset: 0 };
  return segments.cursorInMemory(position) ?? { ...location, after: (mark?.position ?? 1n) - 1n };
}

/** Reads the records from a cursor to the end, in chunks of about `chunkBytes` bytes. */
export async function* scan(
  files: ReplicaFiles,
  from: SegmentCursor,
  chunkBytes: number,
): AsyncGenerator<Chunk, void> {
  let next: Promise<Chunk | undefined> = readChunk(files, from, chunkBytes);
  for (let chunk = await next; chunk !== undefined; chunk = await next) {
    next = readChunk(files, chunk.next, chunkBytes);
    // A failure must not end the process while the consumer is busy; the next round throws it.
    next.catch(() => undefined);
    yield chunk;
  }
}

/** The next chunk; undefined: the cursor is at the end. Throws DamagedReplicaError. */
export async function readChunk(
  files: ReplicaFiles,
  from: SegmentCursor,
  chunkBytes: number,
): Promise<Chunk | undefined> {
  const { segments } = files;
  try {
    if (from.segment >= segments.first) return await chunkOfSegments(segments, from, chunkBytes);
  } catch (error) {
    if (!(error instanceof SegmentRemovedError)) throw error;
  }
  return chunkOfLog(files, from, chunkBytes);
}

/** All records of the segments. Throws DamagedReplicaError. */
export async function* recordsOfSegments(
  segments: SegmentView,
  chunkBytes: number,
): AsyncGenerator<Chunk, void> {
  let cursor: SegmentCursor = { segment: segments.first, offset: 0 };
  for (;;) {
    const chunk = await chunkOfSegments(segments, cursor, chunkBytes);
    if (chunk === undefined) return;
    yield chunk;
    cursor = chunk.next;
  }
}

/** A chunk from the log, if its segment was removed. */
async function chunkOfLog(
  files: ReplicaFiles,
  from: SegmentCursor,
  chunkBytes: number,
): Promise<Chunk | undefined> {
  const { index, log, segments } = files;
  const { first } = segments;
  const mark = index.markOfSegment(first);
  if (from.after === undefined || mark === undefined) throw new SegmentRemovedError();
  if (mark.position <= from.after + 1n)
    return chunkOfSegments(segments, { segment: first, offset: 0 }, chunkBytes);
  const { groups, upTo } = await log.read(sequence(from.after), sequence(mark.position - 1n), chunkBytes);
  const records = groups.flatMap((group) => encodeGroup(files, group));
  const next = { segment: from.segment, offset: from.offset, after: upTo };
  if (records.length === 0) return readChunk(files, next, chunkBytes);
  const bytes = Buffer.concat(records);
  return { bytes, isShared: false, last: completeGroups(bytes).last, next };
}

/** The records of a group as its segment had them: a commit that is not in the index was found to be a duplicate. */
function encodeGroup({ index }: ReplicaFiles, group: readonly LogEntry[]): Buffer[] {
  const entries = group.map((entry): LogEntry => {
    if (isDamage(entry) || index.has(entry.stream, lastVersionOf(entry), entry.sequence))
      return asErased(entry, index);
    return duplicateOf(entry, 'the stream has its version already');
  });
  return splitIfTorn(entries).flatMap((part) =>
    part.map((entry, at) => encodeRecord(entry, at + 1 < part.length)),
  );
}

function chunkOfSegments(
  segments: SegmentView,
  from: SegmentCursor,
  chunkBytes: number,
): Promise<Chunk | undefined> {
  const read = (): Promise<Chunk | undefined> => readOfSegments(segments, from, chunkBytes);
  return readWhole(segments, read(), read);
}

async function readOfSegments(
  segments: SegmentView,
  from: SegmentCursor,
  chunkBytes: number,
): Promise<Chunk | undefined> {
  let cursor = from;
  for (let wanted = chunkBytes; ;) {
    const { bytes, isShared } = await segments.readFrom(cursor, wanted);
    if (bytes.length === 0) {
      if (!segments.hasSegmentAfter(cursor.segment)) return undefined;
      cursor = { segment: cursor.segment + 1, offset: 0 };
      continue;
    }
    const { complete, last } = completeGroups(bytes);
    if (complete.length > 0) {
      const next = { segment: cursor.segment, offset: cursor.offset + complete.length, after: last };
      return { bytes: complete, isShared, last, next };
    }
    if (bytes.length < wanted) throw new DamagedReplicaError('a record is cut off');
    // A single group is larger.
    wanted = Math.max(2 * wanted, (lengthAt(bytes, 0) ?? headerBytes) + headerBytes);
  }
}
