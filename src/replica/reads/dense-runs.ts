import type { EventRun } from '../../store/event-store';
import { sequence as toSequence, version as toVersion } from '../../store/values';
import type { EntryKey, IndexEntry } from '../index/index-keys';
import type { ReplicaFiles } from '../index/replica-files';
import { readWhole } from '../segments/read-again';
import { completeGroups, RecordIterator } from '../segments/record-iterator';
import { RunBuilder } from '../segments/run-builder';
import {
  SegmentRemovedError,
  type SegmentBytes,
  type SegmentCursor,
  type SegmentView,
} from '../segments/segment-view';

const chunkBytes = 256 << 10;

/** Commits of one stream that lie close together. */
export interface DenseRun {
  readonly run: EventRun;
  /** The last commit. */
  readonly last: EntryKey;
}

/** What is read of a stream. */
export interface DenseRange {
  /** Inclusive. */
  readonly toVersion: bigint;
  /** Commits of an earlier time are hidden; undefined: no commit is. */
  readonly fromTime: bigint | undefined;
}

/** Whether most of the bytes from the first entry to the last belong to the entries. */
export function areDense(entries: readonly IndexEntry[]): boolean {
  const [first, last] = [entries[0]?.location, entries.at(-1)?.location];
  if (first === undefined || last === undefined || first.segment !== last.segment) return false;
  const bytes = entries.reduce((sum, { location }) => sum + location.length, 0);
  return last.offset + last.length - first.offset <= 2 * bytes;
}

/**
 * Reads the commits of a stream after an entry, up to a version, from the segment without the index: a lookup of each commit
 * costs more than reading it. Ends where most of the bytes belong to other streams, and at anything unexpected, as a commit that is
 * earlier than `fromTime`; the caller continues with the index. Throws DamagedReplicaError.
 */
export async function* denseRunsAfter(
  { segments }: ReplicaFiles,
  { location, version }: IndexEntry,
  stream: string,
  { toVersion: upTo, fromTime }: DenseRange,
): AsyncGenerator<DenseRun, void> {
  const { segment } = location;
  const range = { name: Buffer.from(stream, 'latin1'), upTo: Number(upTo), fromTime };
  let last = Number(version);
  for (let offset = location.offset + location.length; last < upTo;) {
    const read = (): Promise<SegmentBytes> => completeAt(segments, { segment, offset });
    const { bytes: complete, isShared } = await readWhole(segments, read(), read);
    const found = collectRun(isShared ? Buffer.from(complete) : complete, last, range);
    if (found.run === undefined) return;
    last = found.version;
    yield { run: found.run, last: entryKey(last, found.sequence) };
    if (!found.isAsExpected || 2 * found.run.events.length < complete.length) return;
    offset += complete.length;
  }
}

/** The groups that are complete in the bytes from a cursor on. Rejects with DamagedReplicaError. */
async function completeAt(segments: SegmentView, from: SegmentCursor): Promise<SegmentBytes> {
  const { bytes, isShared } = await segments.readFrom(from, chunkBytes).catch(emptyIfRemoved);
  return { bytes: completeGroups(bytes).complete, isShared };
}

function entryKey(last: number, lastSequence: number): EntryKey {
  return { version: toVersion(BigInt(last)), sequence: toSequence(BigInt(lastSequence)) };
}

function emptyIfRemoved(error: unknown): SegmentBytes {
  if (error instanceof SegmentRemovedError) return { bytes: Buffer.alloc(0), isShared: false };
  throw error;
}

/** What to collect of a stream. */
interface CollectedRange {
  readonly name: Buffer;
  readonly upTo: number;
  readonly fromTime: bigint | undefined;
}

/** Versions and sequences are numbers here, as in RecordIterator. */
interface CollectedRun {
  /** undefined: there are no events. */
  readonly run: EventRun | undefined;
  /** The version and sequence of the last commit. */
  readonly version: number;
  readonly sequence: number;
  /** Whether every record of the stream was the next commit of the range. */
  readonly isAsExpected: boolean;
}

/** Collects the commits of a stream that follow a version, up to the first record of the stream that is not the next commit. */
function collectRun(bytes: Buffer, after: number, { name, upTo, fromTime }: CollectedRange): CollectedRun {
  const run = new RunBuilder(bytes);
  const records = new RecordIterator(bytes);
  let version = after;
  let sequence = 0;
  let isAsExpected = true;
  while (records.next()) {
    if (!records.isOf(name)) continue;
    const { lastVersion } = records;
    isAsExpected =
      records.isCommit &&
      records.firstVersion === version + 1 &&
      lastVersion <= upTo &&
      (fromTime === undefined || records.timeNanos >= fromTime);
    if (!isAsExpected) break;
    version = lastVersion;
    ({ sequence } = records);
    run.add(records);
  }
  return { run: run.finish(), version, sequence, isAsExpected };
}
