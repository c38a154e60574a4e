import { isControl, isDamage, type Log, type LogEntry } from '../../store/log';
import { DamagedReplicaError } from './damage';
import { erasedCommit } from './erase-record';
import type { LocatedRecord, RecordLocation } from './location';
import { readWhole } from './read-again';
import { encodeRecord, readHeader, sequenceOf, type StoredRecord } from './record';
import { SegmentRemovedError, type SegmentView } from './segment-view';

/** Reading this many unneeded bytes costs less than another read. */
const gapBytesMax = 16 << 10;
const readBytesMax = 1 << 20;
/** Another thread reads in multiples of this size. */
const blockBytes = 16 << 10;
const empty = Buffer.alloc(0);

/** Where records are: in the segments, or in the log if their segment was removed. */
export interface RecordSource {
  readonly segments: SegmentView;
  readonly log: Log;
  /** Knows which commits are erased. */
  readonly index: {
    find(stream: string, version: bigint, sequence: bigint): { readonly isErased: boolean } | undefined;
  };
}

/** One read of a segment: the bytes in [from, to). */
interface SegmentRead {
  readonly segment: number;
  from: number;
  to: number;
  bytes: Buffer;
}

/**
 * Reads the records at some locations, in the same order; one read covers neighbours. Returns the records themselves if all
 * of them are in memory. Throws DamagedReplicaError.
 */
export function fetchRecords(
  source: RecordSource,
  located: readonly LocatedRecord[],
): StoredRecord[] | Promise<StoredRecord[]> {
  const { first } = source.segments;
  if (!located.every(({ location }) => location.segment >= first)) return fetchWithRemoved(source, located);
  const records = fromSegmentsOrRejected(source, located);
  return Array.isArray(records) ? records : fetchUnlessRemoved(source, located, records);
}

async function fetchUnlessRemoved(
  source: RecordSource,
  located: readonly LocatedRecord[],
  records: Promise<StoredRecord[]>,
): Promise<StoredRecord[]> {
  try {
    return await readWhole(source.segments, records, () => fromSegments(source, located));
  } catch (error) {
    if (!(error instanceof SegmentRemovedError)) throw error;
    return fetchWithRemoved(source, located);
  }
}

/** `fetchRecords` if some of the segments were removed. */
async function fetchWithRemoved(
  source: RecordSource,
  located: readonly LocatedRecord[],
): Promise<StoredRecord[]> {
  const { first } = source.segments;
  const here = located.filter(({ location }) => location.segment >= first);
  const found = new Map(
    (
      await readWhole(source.segments, fromSegmentsOrRejected(source, here), () => fromSegments(source, here))
    ).map((record, index) => [here[index], record]),
  );
  const records: StoredRecord[] = [];
  for (const one of located) records.push(found.get(one) ?? (await fromLog(source, one)));
  return records;
}

async function fromLog({ log, index }: RecordSource, { sequence }: LocatedRecord): Promise<StoredRecord> {
  const entry = await log.entryAt(sequence);
  const bytes = encodeRecord(asErased(entry, index), false);
  return { bytes, header: readHeader(bytes, 0) };
}

/** An entry as it must be read: the log may still have the contents of what is erased. */
export function asErased(entry: LogEntry, index: RecordSource['index']): LogEntry {
  if (isDamage(entry) || isControl(entry)) return entry;
  const { stream, lastVersion, sequence } = entry;
  return index.find(stream, lastVersion, sequence)?.isErased === true ? erasedCommit(entry) : entry;
}

function fromSegmentsOrRejected(
  source: RecordSource,
  located: readonly LocatedRecord[],
): StoredRecord[] | Promise<StoredRecord[]> {
  try {
    return fromSegments(source, located);
  } catch (error) {
    const failure = error as Error;
    return Promise.reject(failure);
  }
}

/** Throws or rejects with DamagedReplicaError. */
function fromSegments(
  { segments }: RecordSource,
  located: readonly LocatedRecord[],
): StoredRecord[] | Promise<StoredRecord[]> {
  const reads: SegmentRead[] = [];
  const sources = located.map(({ location }) => segments.fromMemory(location) ?? addRead(reads, location));
  const toRecords = (): StoredRecord[] =>
    located.map((one, index) => recordOf(one, sources[index] as Buffer | SegmentRead));
  const uncached = readCached(segments, reads);
  if (uncached.length === 0) return toRecords();
  return Promise.all(uncached.map((read) => readFromDisk(segments, read))).then(toRecords);
}

/** Throws DamagedReplicaError. */
function recordOf({ location, sequence }: LocatedRecord, source: Buffer | SegmentRead): StoredRecord {
  const isRead = !(source instanceof Uint8Array);
  const bytes = isRead ? source.bytes : source;
  const header = readHeader(bytes, isRead ? location.offset - source.from : 0);
  if (header.length !== location.length || sequenceOf(bytes, header) !== sequence)
    throw new DamagedReplicaError('the index refers to another record than the segment has');
  return { bytes, header };
}

/** Makes the reads that the page cache can serve; returns the others. */
function readCached({ reader }: SegmentView, reads: readonly SegmentRead[]): SegmentRead[] {
  return reads.filter((read) => {
    const { segment, from, to } = read;
    const bytes = reader.readSync(segment, from, to - from);
    if (bytes !== undefined) read.bytes = bytes;
    return bytes === undefined;
  });
}

/** Reads whole blocks, so that the blocks around the record are known to be cached too. */
async function readFromDisk(segments: SegmentView, read: SegmentRead): Promise<void> {
  const { segment } = read;
  const from = read.from - (read.from % blockBytes);
  const to = Math.ceil(read.to / blockBytes) * blockBytes;
  const bytes = await segments.readFile(segment, from, to - from);
  read.bytes = bytes.subarray(read.from - from, read.to - from);
}

/** Extends the last read to a location if it is near; otherwise adds another read. */
function addRead(reads: SegmentRead[], { segment, offset, length }: RecordLocation): SegmentRead {
  const last = reads.at(-1);
  const end = offset + length;
  if (last?.segment === segment) {
    const [from, to] = [Math.min(last.from, offset), Math.max(last.to, end)];
    const isNear = offset <= last.to + gapBytesMax && end >= last.from - gapBytesMax;
    if (isNear && to - from <= readBytesMax) {
      [last.from, last.to] = [from, to];
      return last;
    }
  }
  const read = { segment, from: offset, to: end, bytes: empty };
  reads.push(read);
  return read;
}
