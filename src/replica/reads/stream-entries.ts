import { UnreadableCommitError } from '../../store/errors';
import { position, type StreamName } from '../../store/values';
import type { IndexEntry } from '../index/index-keys';
import type { ReplicaFiles } from '../index/replica-files';
import { fetchRecords } from '../segments/fetch-records';
import { errorOf, type StoredRecord } from '../segments/record';

/** How many entries are commits whose versions follow one another, from a version on, or controls among them. */
export function contiguousCount(entries: readonly IndexEntry[], reverse: boolean, from: bigint): number {
  let next = from;
  for (const [index, entry] of entries.entries()) {
    const { version: last, count, kind } = entry;
    if (kind === 'control') continue;
    const hasNext = last >= next && last - BigInt(count) < next;
    if (kind === 'damage' || !hasNext) return index;
    next = nextVersion(entry, reverse, next);
  }
  return entries.length;
}

/** The version after an entry in the direction of the read; without an entry, still `next`. */
export function nextVersion(entry: IndexEntry | undefined, reverse: boolean, next: bigint): bigint {
  if (entry === undefined) return next;
  return reverse ? entry.version - BigInt(entry.count) : entry.version + 1n;
}

/** Throws the error for a reader that needs an entry of damage. */
export async function throwDamageOf(files: ReplicaFiles, entry: IndexEntry): Promise<never> {
  const [{ bytes, header }] = (await fetchRecords(files, [entry])) as [StoredRecord];
  throw errorOf(bytes, header);
}

/** Throws what is wrong with an entry, or else that a version before it is missing. */
export async function throwDamage(
  files: ReplicaFiles,
  stream: StreamName,
  entry: IndexEntry | undefined,
  missing: bigint,
): Promise<never> {
  const found = entry ?? files.index.head(stream);
  if (found?.kind === 'damage') await throwDamageOf(files, found);
  const reason = `version ${missing.toString()} is missing`;
  throw new UnreadableCommitError(stream, position(found?.sequence ?? 0n), reason);
}

/** The version of a stream at a position, 0 if it did not exist: a binary search, since versions grow with positions. */
export function versionAt(index: ReplicaFiles['index'], stream: string, position: bigint): bigint {
  let low = 0n;
  let high = index.head(stream)?.version ?? 0n;
  while (low < high) {
    const middle = low + (high - low + 1n) / 2n;
    const [entry] = index.forward(stream, middle);
    if (entry !== undefined && entry.position <= position) low = entry.version;
    else high = middle - 1n;
  }
  return low;
}
