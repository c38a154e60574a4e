import type { IndexEntry } from '../index/index-keys';
import type { ReplicaFiles } from '../index/replica-files';
import { fetchRecords } from '../segments/fetch-records';
import type { StoredRecord } from '../segments/record';
import { versionAt } from './stream-entries';

/** Entries looked up at once. */
const entriesMax = 512;

/** Reads the records of one stream after a position, in order, in pages of about `bytesMax()` bytes. */
export async function* streamPages(
  files: ReplicaFiles,
  stream: string,
  after: bigint,
  bytesMax: () => number,
): AsyncGenerator<readonly StoredRecord[], void> {
  for (let at = after; ;) {
    const entries = entriesAfter(files.index, stream, at, bytesMax());
    const last = entries.at(-1);
    if (last === undefined) return;
    yield await fetchRecords(files, entries);
    at = last.position;
  }
}

function entriesAfter(
  index: ReplicaFiles['index'],
  stream: string,
  after: bigint,
  bytesMax: number,
): IndexEntry[] {
  const entries: IndexEntry[] = [];
  let bytes = 0;
  // From the commit before the position: damage after that commit has the same version in the index.
  for (const entry of index.forward(stream, versionAt(index, stream, after))) {
    if (entry.position <= after) continue;
    bytes += entry.location.length;
    if (entries.length === entriesMax || (bytes > bytesMax && entries.length > 0)) break;
    entries.push(entry);
  }
  return entries;
}
