import { eventId, eventSpans } from '../../protobuf/commit-record';
import type { QueryMatch } from '../../store/append-condition';
import type { EventQuery } from '../../store/event-query';
import { UnreadableCommitError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { MatchRange } from '../../store/log';
import type { ReplicaFiles } from '../index/replica-files';
import type { IndexEntry } from '../index/index-keys';
import { fetchRecords } from '../segments/fetch-records';
import { bodyOf, type StoredRecord } from '../segments/record';
import { byPosition, groupsOf, isInRange, type Group } from './groups';
import { indexedGroups } from './indexed-groups';
import { isIndexed } from './query-walk';
import type { ReadableReplica } from './readable-replica';
import { filterRecord, type RecordFilter } from './record-filter';
import { cursorAfter, scan } from './scan';
import { itemOf } from './select';

const chunkBytes = 256 << 10;
/** Records of one stream that are fetched at a time. */
const recordsMax = 64;

/**
 * The first event within a range that a query selects, whether a control hides it or not. Throws UnreadableCommitError for what
 * cannot be read before it: that may be such an event.
 */
export async function firstMatch(
  { files, faults }: Pick<ReadableReplica, 'files' | 'faults'>,
  query: EventQuery,
  range: MatchRange,
  call: CallContext,
): Promise<QueryMatch | undefined> {
  if (range.after >= range.upTo) return undefined;
  const filter = { matches: () => true, skipsUnreadable: false, isIncomplete: faults.isIncomplete };
  for await (const groups of candidates(files, query, range, call)) {
    for (const record of groups.flat()) {
      const match = matchIn(record, query, filter);
      if (match !== undefined) return match;
    }
  }
  return undefined;
}

function matchIn(
  { bytes, header }: StoredRecord,
  query: EventQuery,
  filter: RecordFilter,
): QueryMatch | undefined {
  const filtered = filterRecord(bytes, header, filter);
  if (filtered instanceof UnreadableCommitError) throw filtered;
  if (filtered === 'skip') return undefined;
  const body = bodyOf(bytes, header);
  for (const span of eventSpans(body)) {
    const item = itemOf(query, body, span);
    if (item !== undefined) return { item, position: header.position, eventId: eventId(body, span) };
  }
  return undefined;
}

/** Groups that may have such an event, in order. */
async function* candidates(
  files: ReplicaFiles,
  query: EventQuery,
  range: MatchRange,
  call: CallContext,
): AsyncGenerator<readonly Group[], void> {
  if (range.stream !== undefined) {
    yield* groupsOfStream(files, range.stream, range, call);
  } else if (isIndexed(query)) {
    const indexed = { ...range, direction: 'forward', chunkBytes: () => chunkBytes } as const;
    for await (const { groups } of indexedGroups(files, query, indexed, call)) yield groups;
  } else {
    for await (const chunk of scan(files, cursorAfter(files, range.after), chunkBytes)) {
      call.signal.throwIfAborted();
      yield groupsOf(chunk).filter((group) => isInRange(group, range));
      if (chunk.last >= range.upTo) return;
    }
  }
}

async function* groupsOfStream(
  files: ReplicaFiles,
  stream: string,
  range: MatchRange,
  call: CallContext,
): AsyncGenerator<readonly Group[], void> {
  const entries: IndexEntry[] = [];
  for (const entry of files.index.newestFirst(stream)) {
    if (entry.position <= range.after) break;
    // Its transaction may end later.
    if (entry.sequence <= range.upTo) entries.push(entry);
  }
  entries.reverse();
  for (let at = 0; at < entries.length; at += recordsMax) {
    call.signal.throwIfAborted();
    yield byPosition(await fetchRecords(files, entries.slice(at, at + recordsMax)));
  }
}
