import type { CallContext } from '../store/event-store';
import { callApi } from './api';
import { headerRoomBytes } from './commit-codec';
import { sentHeader } from './headers';
import type { FreshRecord, IndexCache } from './index-cache';
import {
  bucketByte,
  cellByte,
  decodeIndexRecord,
  distribute,
  divide,
  encodeIndexRecord,
  entryBytes,
  EntryList,
  type Entries,
} from './index-record';
import { indexMessages, lastIndexMessage, type IndexStream } from './index-stream';
import { publishAtomically, type Outcome } from './publish';
import { within } from './store-context';

/** When entries move on in the index: a look reads what lies before the cells, or has it in memory. */
export interface IndexSizes {
  /** So many fresh records are merged into buckets, however few entries they have. */
  readonly mergeRecordsMin: number;
  /** So many entries are merged, or as many more as a record has. */
  readonly mergeEntriesMin: number;
  /** So many entries of a bucket are moved to its cells. */
  readonly divideEntriesMin: number;
  /** No more than these at a time, or as many more as a record has. */
  readonly divideEntriesMax: number;
}

export const indexSizes: IndexSizes = {
  mergeRecordsMin: 512,
  mergeEntriesMin: 32_768,
  divideEntriesMin: 4_096,
  divideEntriesMax: 65_536,
};

interface Index extends IndexStream {
  readonly cache: IndexCache;
}

const recordEntriesMax = 16_384;
const noEntries: Entries = { hashes: Buffer.alloc(0), positions: Buffer.alloc(0) };

/**
 * Moves the older fresh records into buckets, all in one step. The last one stays: it tells how far the index is. Whether it
 * did so: false if they are too few, or another gateway was faster.
 */
export async function mergeFresh(index: Index, sizes: IndexSizes, call: CallContext): Promise<boolean> {
  const { subjects, cache } = index;
  if (toMerge(cache.unmerged, sizes) === undefined) return false;
  const marker = await lastIndexMessage(index, subjects.merged, call);
  const after = marker === undefined ? 0n : decodeIndexRecord(marker.body).through;
  // By another gateway, which may not have come to remove them.
  cache.forget(after);
  const records = toMerge(cache.unmerged, sizes);
  if (records === undefined) return false;
  const through = records.at(-1)?.sequence ?? after;
  const range = { after, through };
  const previous = marker?.sequence ?? 0n;
  const mark = { subject: subjects.merged, body: encodeIndexRecord({ ...noEntries, ...range }), previous };
  const [first, ...others] = messagesOf(index, sorted(records, bucketByte), subjects.bucket, range);
  // Lest it takes away the records of an index that was made anew.
  const onTop = first && { ...first, previous: cache.lastSequence, previousOn: subjects.fresh };
  const outcome = await publish(index, [mark, ...(onTop ? [onTop] : []), ...others]);
  if (outcome.kind !== 'stored') return false;
  // And older ones that somebody merged without having come to this.
  await purge(index, subjects.fresh, through, call);
  cache.forget(through);
  return true;
}

/** The records to merge, or undefined as long as they are too few. */
function toMerge(unmerged: readonly FreshRecord[], sizes: IndexSizes): readonly FreshRecord[] | undefined {
  const older = unmerged.slice(0, -1);
  let entries = 0;
  const last = older.findIndex(
    ({ hashes }) => (entries += hashes.length / entryBytes) >= sizes.mergeEntriesMin,
  );
  if (last >= 0) return older.slice(0, last + 1);
  return older.length >= sizes.mergeRecordsMin ? older : undefined;
}

/**
 * Moves the entries of a bucket that has grown large to its cells, all in one step. An empty record stays in the bucket: it
 * says that there is more in the cells.
 */
export async function divideBucket(
  index: Index,
  bucket: number,
  sizes: IndexSizes,
  call: CallContext,
): Promise<void> {
  const { subjects } = index;
  const subject = subjects.bucket(bucket);
  const list = new EntryList();
  let through = 0n;
  let last = 0n;
  for await (const { body, sequence } of indexMessages(index, subject, call)) {
    last = sequence;
    if (list.length >= sizes.divideEntriesMax) continue;
    list.addAll(decodeIndexRecord(body));
    through = sequence;
  }
  if (list.length < sizes.divideEntriesMin) return;
  const range = { after: 0n, through };
  const mark = { subject, body: encodeIndexRecord({ ...noEntries, ...range }), previous: last };
  const cells = sorted([list], cellByte);
  const toSubject = (cell: number): string => subjects.cell(bucket, cell);
  const outcome = await publish(index, [mark, ...messagesOf(index, cells, toSubject, range)]);
  if (outcome.kind === 'stored') await purge(index, subject, through, call);
}

function sorted(all: readonly Entries[], byte: number): Map<number, EntryList> {
  const lists = new Map<number, EntryList>();
  const listOf = (number: number): EntryList => {
    let list = lists.get(number);
    if (list === undefined) lists.set(number, (list = new EntryList()));
    return list;
  };
  for (const entries of all) distribute(entries, byte, listOf);
  return lists;
}

function messagesOf(
  index: Index,
  lists: ReadonlyMap<number, EntryList>,
  subjectOf: (number: number) => string,
  range: { readonly after: bigint; readonly through: bigint },
): IndexMessage[] {
  return [...lists].flatMap(([number, list]) =>
    Array.from(divide(list, recordEntries(index)), (some) => ({
      subject: subjectOf(number),
      body: encodeIndexRecord({ ...some, ...range }),
    })),
  );
}

/** Entries of one record: no more than the server takes in one message. */
export function recordEntries({ pool }: IndexStream): number {
  const fitting = Math.floor((pool.append().maxPayloadBytes - headerRoomBytes) / (2 * entryBytes));
  return Math.max(1, Math.min(recordEntriesMax, fitting));
}

/** Removes the messages of a subject up to a sequence. */
async function purge(index: IndexStream, subject: string, through: bigint, call: CallContext): Promise<void> {
  const request = { filter: subject, seq: Number(through) + 1 };
  const options = within(call, index.limits.requestTimeoutMs);
  await callApi(index.pool.append(), `STREAM.PURGE.${index.index.name}`, request, options);
}

interface IndexMessage {
  readonly subject: string;
  readonly body: Uint8Array;
  /** The message that must be the last on the subject, or on another one. */
  readonly previous?: bigint;
  readonly previousOn?: string;
}

/** Stores them all in one step, or none. */
export function publish(index: IndexStream, messages: readonly IndexMessage[]): Promise<Outcome> {
  const outgoing = messages.map(({ subject, body, previous, previousOn }) => ({
    subject,
    body,
    headers: {
      ...(previous !== undefined && { [sentHeader.previous]: previous.toString() }),
      ...(previousOn !== undefined && { [sentHeader.previousOn]: previousOn }),
    },
  }));
  return publishAtomically(index.pool.append(), outgoing, { timeoutMs: index.limits.requestTimeoutMs });
}
