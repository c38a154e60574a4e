import { DamagedReplicaError } from './damage';
import type { Log } from '../../store/log';
import type { Located, Place } from './location';
import { readHeader, sequenceOf, toRecord } from './record';
import { SegmentGoneError, type Segments } from './segments';
import type { StoredRecord } from './record';

/** To read so many bytes more costs less than another read. */
const gapBytesMax = 16 << 10;
const readBytesMax = 1 << 20;
/** Of this size is the least that another thread reads. */
const pieceBytes = 16 << 10;
const none = Buffer.alloc(0);

/** Has the records: the segments, and the log for what was removed from them. */
export interface RecordSource {
  readonly segments: Segments;
  readonly log: Log;
}

interface Read {
  readonly segment: number;
  from: number;
  to: number;
  bytes: Buffer;
}

/**
 * The records at some places, in the same order; neighbours are read together. They are there at once if all of them are in
 * memory. Throws DamagedReplicaError.
 */
export function fetchRecords(
  files: RecordSource,
  located: readonly Located[],
): StoredRecord[] | Promise<StoredRecord[]> {
  const { first } = files.segments;
  if (!located.every(({ place }) => place.segment >= first)) return fetchGone(files, located);
  const records = fromSegments(files, located);
  return Array.isArray(records) ? records : unlessGone(files, located, records);
}

async function unlessGone(
  files: RecordSource,
  located: readonly Located[],
  records: Promise<StoredRecord[]>,
): Promise<StoredRecord[]> {
  try {
    return await records;
  } catch (error) {
    if (!(error instanceof SegmentGoneError)) throw error;
    return fetchGone(files, located);
  }
}

/** Some lie in segments that were removed. */
async function fetchGone(files: RecordSource, located: readonly Located[]): Promise<StoredRecord[]> {
  const { first } = files.segments;
  const here = located.filter(({ place }) => place.segment >= first);
  const kept = new Map((await fromSegments(files, here)).map((record, index) => [here[index], record]));
  const records: StoredRecord[] = [];
  for (const one of located) records.push(kept.get(one) ?? (await fromLog(files, one)));
  return records;
}

/** A record that the segments have no more. */
async function fromLog({ log }: RecordSource, { sequence }: Located): Promise<StoredRecord> {
  const bytes = toRecord(await log.entryAt(sequence), false);
  return { bytes, header: readHeader(bytes, 0) };
}

function fromSegments(
  { segments }: RecordSource,
  located: readonly Located[],
): StoredRecord[] | Promise<StoredRecord[]> {
  const reads: Read[] = [];
  const sources = located.map(({ place }) => segments.fromMemory(place) ?? readFor(reads, place));
  const toRecords = (): StoredRecord[] =>
    located.map((one, index) => recordOf(one, sources[index] as Buffer | Read));
  const late = readNow(segments, reads);
  if (late.length === 0) return toRecords();
  return Promise.all(late.map((read) => readLater(segments, read))).then(toRecords);
}

/** Throws DamagedReplicaError. */
function recordOf({ place, sequence }: Located, source: Buffer | Read): StoredRecord {
  const isRead = !(source instanceof Uint8Array);
  const bytes = isRead ? source.bytes : source;
  const header = readHeader(bytes, isRead ? place.offset - source.from : 0);
  if (header.length !== place.length || sequenceOf(bytes, header) !== sequence)
    throw new DamagedReplicaError('another record is where the index has one');
  return { bytes, header };
}

/** Reads what is in memory; gives what is not. */
function readNow({ reader }: Segments, reads: readonly Read[]): Read[] {
  return reads.filter((read) => {
    const { segment, from, to } = read;
    const bytes = reader.readNow(segment, from, to - from);
    if (bytes !== undefined) read.bytes = bytes;
    return bytes === undefined;
  });
}

/** Reads what lies around it as well, so that it is known to be in memory. */
async function readLater(segments: Segments, read: Read): Promise<void> {
  const { segment } = read;
  const from = read.from - (read.from % pieceBytes);
  const to = Math.ceil(read.to / pieceBytes) * pieceBytes;
  const bytes = await segments.readFile(segment, from, to - from);
  read.bytes = bytes.subarray(read.from - from, read.to - from);
}

/** The read that a place belongs to: the last one, if it is near. */
function readFor(reads: Read[], { segment, offset, length }: Place): Read {
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
  const read = { segment, from: offset, to: end, bytes: none };
  reads.push(read);
  return read;
}
