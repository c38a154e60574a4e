import type { CallContext, StreamHead } from '../../store/event-store';
import { position, unixNanos, version, type StreamName, type UnixNanos } from '../../store/values';
import type { IndexEntry } from '../index/index-keys';
import type { ReplicaFiles } from '../index/replica-files';
import { fetchRecords } from '../segments/fetch-records';
import { firstVersionOf, type StoredRecord } from '../segments/record';
import type { ReadableReplica } from './readable-replica';
import { headWith, lifecycleOf } from './stream-lifecycle';
import { contiguousCount, nextVersion, throwDamage, throwDamageOf } from './stream-entries';
import { yieldThread } from './yield-thread';

/** Entries looked up at once. */
const entriesMax = 512;

/** The head of a stream now, or at a time. Throws UnreadableCommitError. */
export async function readVersion(
  replica: ReadableReplica,
  stream: StreamName,
  asOf: UnixNanos | undefined,
  call: CallContext,
): Promise<StreamHead> {
  await replica.catchUp('leader', call);
  if (asOf !== undefined) return headAsOf(replica, stream, asOf, call);
  const { index } = replica.files;
  const entry = index.head(stream);
  const head = headOfCommit(entry);
  if (head === undefined) return headOf(replica, stream, entry);
  return headWith(head, lifecycleOf(index, stream, head.version));
}

/** The head that an entry stands for; undefined: the entry is damage. */
export function headOfCommit(entry: IndexEntry | undefined): StreamHead | undefined {
  if (entry === undefined || entry.kind === 'damage') return undefined;
  return {
    version: version(entry.version),
    position: position(entry.position),
    commitTime: unixNanos(entry.timeNanos),
  };
}

/** The head that an unreadable last message claims, if it does: the events before it can be read. */
export async function claimedHead(
  files: ReplicaFiles,
  entry: IndexEntry | undefined,
): Promise<StreamHead | undefined> {
  if (entry?.kind !== 'damage') return undefined;
  const [{ bytes, header }] = (await fetchRecords(files, [entry])) as [StoredRecord];
  const claimed = firstVersionOf(bytes, header);
  if (claimed === 0n) return undefined;
  const { position: at, timeNanos } = entry;
  return { version: version(claimed), position: position(at), commitTime: unixNanos(timeNanos) };
}

/** The head of a stream with this newest entry. Throws UnreadableCommitError if it is unreadable or may be lost. */
export async function headOf(
  { files, faults }: ReadableReplica,
  stream: string,
  entry: IndexEntry | undefined,
): Promise<StreamHead> {
  if (entry === undefined) {
    const error = faults.errorOfEmptyStream(stream);
    if (error !== undefined) throw error;
    return { version: version(0n), position: position(0n), commitTime: undefined };
  }
  return headOfCommit(entry) ?? throwDamageOf(files, entry);
}

/** The head of a stream at a time: its last commit that is not later, and what can be read of the stream now. */
async function headAsOf(
  replica: ReadableReplica,
  stream: StreamName,
  asOf: UnixNanos,
  call: CallContext,
): Promise<StreamHead> {
  const { files } = replica;
  const head = files.index.head(stream);
  if (head === undefined || (head.kind === 'damage' && head.timeNanos <= asOf))
    return headOf(replica, stream, head);
  let next: bigint = head.version;
  let last: IndexEntry | undefined;
  while (next > 0n) {
    const entries = firstEntries(files.index.newestFirst(stream, last), last === undefined);
    const commits = entries.slice(0, contiguousCount(entries, true, next));
    const found = commits.find(({ timeNanos }) => timeNanos <= asOf);
    if (found !== undefined)
      return headWith(await headOf(replica, stream, found), lifecycleOf(files.index, stream, head.version));
    last = commits.at(-1);
    next = nextVersion(last, true, next);
    const damaged = entries[commits.length];
    if (next > 0n && (damaged !== undefined || commits.length === 0))
      await throwDamage(files, stream, damaged, next);
    await yieldThread(call);
  }
  return { version: version(0n), position: position(0n), commitTime: undefined };
}

/** `isAtEnd`: without the damage that the stream ends with, however much that is. */
function firstEntries(entries: Iterable<IndexEntry>, isAtEnd: boolean): IndexEntry[] {
  const found: IndexEntry[] = [];
  for (const entry of entries) {
    if (isAtEnd && found.length === 0 && entry.kind === 'damage') continue;
    if (found.push(entry) === entriesMax) break;
  }
  return found;
}
