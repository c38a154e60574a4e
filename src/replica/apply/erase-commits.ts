import { setImmediate as turn } from 'node:timers/promises';
import { distinctTags, eventCorrelationId, eventSpans } from '../../protobuf/commit-record';
import { isControl, type LogEntry } from '../../store/log';
import { sequenceAfter, type Sequence, type Version } from '../../store/values';
import type { ContentKeys } from '../index/erased-index';
import { hashOf } from '../index/id-hash';
import type { HashKey, IndexEntry } from '../index/index-keys';
import type { ReplicaIndex } from '../index/replica-index';
import type { TagKey } from '../index/tag-keys';
import { erasedCopyOf } from '../segments/erase-record';
import { fetchRecords } from '../segments/fetch-records';
import { bodyOf, sequenceOf, type StoredRecord } from '../segments/record';
import type { WrittenFiles } from './open-files';

/** Commits of a stream: those whose events are all within the versions. */
export interface ErasedCommits {
  readonly stream: string;
  readonly fromVersion: Version;
  readonly toVersion: Version;
}

/** Groups of entries that can go into one batch. */
export interface Part {
  readonly groups: readonly (readonly LogEntry[])[];
  /** There are no other entries up to here. */
  readonly upTo: Sequence;
  /** What its first group erases: it must be in the index when the batch is written. */
  readonly erasure: ErasedCommits | undefined;
}

/** Divides groups before each erasure. */
export function partsOf(groups: Part['groups'], upTo: Sequence): readonly Part[] {
  const erasedBy = ([entry]: readonly LogEntry[]): ErasedCommits | undefined => entry && erasedCommits(entry);
  if (!groups.some(erasedBy)) return [{ groups, upTo, erasure: undefined }];
  const parts: Part[] = [];
  let begin = 0;
  for (let end = 1; end <= groups.length; end++) {
    const next = groups[end];
    if (next !== undefined && erasedBy(next) === undefined) continue;
    const last = next === undefined ? upTo : sequenceAfter((next[0] as LogEntry).position, -1n);
    parts.push({
      groups: groups.slice(begin, end),
      upTo: last,
      erasure: erasedBy(groups[begin] as readonly LogEntry[]),
    });
    begin = end;
  }
  return parts;
}

/** What an entry of the log erases; undefined: nothing. */
export function erasedCommits(entry: LogEntry): ErasedCommits | undefined {
  if (!isControl(entry) || entry.control.kind !== 'erase') return undefined;
  const { fromVersion, toVersion } = entry.control;
  return { stream: entry.stream, fromVersion, toVersion };
}

/** Whether all that is erased is in the index, so that a batch may have the erasure. */
export function isIndexed(index: ReplicaIndex, { stream, toVersion }: ErasedCommits): boolean {
  return (index.head(stream)?.version ?? 0n) >= toVersion;
}

/** Entries of one batch, */
const entriesMax = 256;
/** and bytes of their records, unless the first one alone is larger. */
const stepBytesMax = 4 << 20;
/** Erasures at a time, which share the transactions of the index. */
const erasuresTogetherMax = 16;

/**
 * Overwrites commits that are in the index with stubs, in the segments and in memory, and syncs the segments. Their correlation ids
 * and tags go first, which the stubs do not have. After a crash within it, a repetition does the rest. Of a segment that was removed,
 * only the index knows then that its commits are erased: reads of the log heed it, and the hashes of their correlation ids and tags
 * remain.
 */
export async function eraseCommits(files: WrittenFiles, erasures: readonly ErasedCommits[]): Promise<void> {
  const touched = new Set<number>();
  for (let at = 0; at < erasures.length; at += erasuresTogetherMax) {
    const together = erasures.slice(at, at + erasuresTogetherMax);
    const outcomes = await Promise.allSettled(together.map((one) => overwrite(files, one, touched)));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
  for (const segment of touched) await files.segments.syncSegment(segment);
}

async function overwrite(files: WrittenFiles, commits: ErasedCommits, touched: Set<number>): Promise<void> {
  const { index, segments } = files;
  for (let after: IndexEntry | undefined, isLast = false; !isLast;) {
    const batch = batchAfter(index, commits, after);
    ({ after, isLast } = batch);
    const inSegments = batch.entries.filter(({ location }) => location.segment >= segments.first);
    const records = await fetchRecords(files, inSegments);
    await index.erased.mark(commits.stream, batch.entries, contentKeys(records));
    const overwrites = records.flatMap(({ bytes, header }, at) => {
      const record = erasedCopyOf(bytes.subarray(header.start, header.end));
      const { location } = inSegments[at] as IndexEntry;
      return record === undefined ? [] : [{ location, record }];
    });
    segments.overwrite(overwrites);
    for (const { location } of overwrites) touched.add(location.segment);
    await turn();
  }
}

interface Batch {
  readonly entries: readonly IndexEntry[];
  /** Of the range, whether it is erased or not. */
  readonly after: IndexEntry | undefined;
  readonly isLast: boolean;
}

/** The next commits of the range. */
function batchAfter(
  index: ReplicaIndex,
  { stream, fromVersion, toVersion }: ErasedCommits,
  previous: IndexEntry | undefined,
): Batch {
  const entries: IndexEntry[] = [];
  let bytes = 0;
  let after = previous;
  for (const entry of index.forward(stream, fromVersion, previous)) {
    if (entry.version > toVersion) break;
    if (entries.length === entriesMax || (bytes > 0 && bytes + entry.location.length > stepBytesMax))
      return { entries, after, isLast: false };
    after = entry;
    if (entry.kind !== 'commit' || entry.version - BigInt(entry.count) + 1n < fromVersion) continue;
    entries.push(entry);
    bytes += entry.location.length;
  }
  return { entries, after, isLast: true };
}

function contentKeys(records: readonly StoredRecord[]): ContentKeys {
  const keys: HashKey[] = [];
  const tags: TagKey[] = [];
  for (const { bytes, header } of records) {
    if (header.kind !== 'commit' || header.isErased) continue;
    const body = bodyOf(bytes, header);
    const spans = eventSpans(body);
    const sequence = sequenceOf(bytes, header);
    for (const id of new Set(spans.map((span) => eventCorrelationId(body, span))))
      keys.push({ kind: 'correlation', hash: hashOf(id), sequence });
    const { position } = header;
    for (const tag of distinctTags(body, spans)) tags.push({ hash: hashOf(tag), position, sequence });
  }
  return { keys, tags };
}
