import type { CallContext } from '../store/event-store';
import { callApi } from './api';
import { headerRoomBytes } from './commit-codec';
import { sentHeader } from './headers';
import type { IndexCache } from './index-cache';
import { readBucket, type StoredRecord } from './index-bucket';
import { checkCovers } from './index-chain';
import {
  bucketByte,
  bucketCount,
  cellByte,
  decodeIndexRecord,
  distribute,
  divide,
  encodeIndexRecord,
  entryBytes,
  EntryList,
  type Entries,
} from './index-record';
import { lastIndexMessage, type IndexStream } from './index-stream';
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
  const [first, ...others] = toMerge(cache.unmerged, sizes) ?? [];
  if (first === undefined) return false;
  checkCovers(after, first.after, subjects.fresh);
  const records = [first, ...others];
  const { through, sequence } = others.at(-1) ?? first;
  if (through <= after) return false;
  const range = { after, through };
  const mark = {
    subject: subjects.merged,
    body: encodeIndexRecord({ ...noEntries, ...range }),
    previous: marker?.sequence ?? 0n,
  };
  const [bucket, ...buckets] = messagesOf(index, sorted(records, bucketByte), subjects.bucket, range);
  // Lest it takes away the records of an index that was made anew.
  const onTop = { ...(bucket as IndexMessage), previous: cache.lastSequence, previousOn: subjects.fresh };
  const outcome = await publish(index, [mark, onTop, ...buckets]);
  if (outcome.kind !== 'stored') return false;
  // And older ones that somebody merged without having come to this.
  await purge(index, subjects.fresh, sequence, call);
  cache.forget(through);
  return true;
}

/** The records to merge, or undefined as long as they are too few. */
function toMerge(unmerged: readonly StoredRecord[], sizes: IndexSizes): readonly StoredRecord[] | undefined {
  const older = unmerged.slice(0, -1);
  let entries = 0;
  const last = older.findIndex(
    ({ hashes }) => (entries += hashes.length / entryBytes) >= sizes.mergeEntriesMin,
  );
  if (last >= 0) return older.slice(0, last + 1);
  return older.length >= sizes.mergeRecordsMin ? older : undefined;
}

/**
 * Moves the entries of a bucket that has grown large to its cells, all in one step. A mark stays in the bucket: it says how far in
 * the log what there was is in the cells.
 */
export async function divideBucket(
  index: Index,
  bucket: number,
  sizes: IndexSizes,
  call: CallContext,
): Promise<void> {
  const { subjects } = index;
  const { records, divided, last } = await readBucket(index, bucket, call);
  const list = new EntryList();
  let [through, moved] = [divided, 0n];
  for (const record of records) {
    if (list.length >= sizes.divideEntriesMax && record.through > through) break;
    list.addAll(record);
    ({ through, sequence: moved } = record);
  }
  if (list.length < sizes.divideEntriesMin) return;
  const subject = subjects.bucket(bucket);
  const body = encodeIndexRecord({ ...noEntries, after: through, through });
  const toSubject = (cell: number): string => subjects.cell(bucket, cell);
  const cells = messagesOf(index, sorted([list], cellByte), toSubject, { after: divided, through });
  const outcome = await publish(index, [{ subject, body, previous: last }, ...cells]);
  if (outcome.kind === 'stored') await purge(index, subject, moved, call);
}

/** One list for each value of a byte, also where there is nothing: its record says so. */
function sorted(all: readonly Entries[], byte: number): readonly EntryList[] {
  const lists = Array.from({ length: bucketCount }, () => new EntryList());
  for (const entries of all) distribute(entries, byte, (value) => lists[value]);
  return lists;
}

function messagesOf(
  index: Index,
  lists: readonly EntryList[],
  subjectOf: (number: number) => string,
  range: { readonly after: bigint; readonly through: bigint },
): IndexMessage[] {
  return lists.flatMap((list, number) => {
    const parts = list.length === 0 ? [noEntries] : [...divide(list, recordEntries(index))];
    return parts.map((some) => ({
      subject: subjectOf(number),
      body: encodeIndexRecord({ ...some, ...range }),
    }));
  });
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
