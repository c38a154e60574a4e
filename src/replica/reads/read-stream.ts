import type { CallContext, ReadStreamQuery, StreamHead, StreamRead } from '../../store/event-store';
import { position, unixNanos, version, type StreamName, type UnixNanos } from '../../store/values';
import { fetchRecords } from '../segments/fetch-records';
import { firstVersionOf } from '../segments/record';
import type { IndexEntry } from '../index/index-keys';
import type { ReadableReplica } from './readable-replica';
import type { ReplicaFiles } from '../index/replica-files';
import type { StoredRecord } from '../segments/record';
import { entriesMax, following, pagesOf, Reading, soundEntries, throwDamage, throwOf } from './stream-reader';

/** Reads a stream as it is now: up to the head, and no further. */
export async function readStream(
  replica: ReadableReplica,
  query: ReadStreamQuery,
  call: CallContext,
): Promise<StreamRead> {
  await replica.catchUp(query.consistency, call);
  const { files } = replica;
  const entry = files.index.head(query.stream);
  const head =
    soundHead(entry) ?? (await claimedHead(files, entry)) ?? (await headOf(replica, query.stream, entry));
  return { head, pages: await pagesOf(new Reading(files, query, head.version), call) };
}

/** The head that an entry stands for; undefined: it stands for none. */
export function soundHead(entry: IndexEntry | undefined): StreamHead | undefined {
  if (entry === undefined || entry.count === 0) return undefined;
  return {
    version: version(entry.version),
    position: position(entry.position),
    commitTime: unixNanos(entry.timeNanos),
  };
}

/** What a last message says of the version of its stream whose events cannot be read: what comes before them can. */
async function claimedHead(
  files: ReplicaFiles,
  entry: IndexEntry | undefined,
): Promise<StreamHead | undefined> {
  if (entry === undefined || entry.count > 0) return undefined;
  const [{ bytes, header }] = (await fetchRecords(files, [entry])) as [StoredRecord];
  const claimed = firstVersionOf(bytes, header);
  if (claimed === 0n) return undefined;
  const { position: at, timeNanos } = entry;
  return { version: version(claimed), position: position(at), commitTime: unixNanos(timeNanos) };
}

/** The head that an entry stands for. Throws UnreadableCommitError if it is damage, or there may have been one that is gone. */
export async function headOf(
  { files, faults }: ReadableReplica,
  stream: string,
  entry: IndexEntry | undefined,
): Promise<StreamHead> {
  if (entry === undefined) {
    const doubt = faults.errorOfEmptyStream(stream);
    if (doubt !== undefined) throw doubt;
    return { version: version(0n), position: position(0n), commitTime: undefined };
  }
  return soundHead(entry) ?? throwOf(files, entry);
}

/** The version of a stream at a time: that of its last commit that is not later. */
export async function headAsOf(
  replica: ReadableReplica,
  stream: StreamName,
  asOf: UnixNanos,
  call: CallContext,
): Promise<StreamHead> {
  const { files } = replica;
  const head = files.index.head(stream);
  if (head === undefined || (head.count === 0 && head.timeNanos <= asOf))
    return headOf(replica, stream, head);
  let next = head.version;
  let behind: IndexEntry | undefined;
  while (next > 0n) {
    const entries = pageOf(files.index.backward(stream, next, behind));
    const sound = entries.slice(0, soundEntries(entries, true, next));
    const found = sound.find(({ timeNanos }) => timeNanos <= asOf);
    if (found !== undefined) return headOf(replica, stream, found);
    behind = sound.at(-1);
    next = following(behind, true, next);
    const after = entries[sound.length];
    if (next > 0n && (after !== undefined || sound.length === 0))
      await throwDamage(files, stream, after, next);
    await turn(call);
  }
  return { version: version(0n), position: position(0n), commitTime: undefined };
}

function pageOf(entries: Iterable<IndexEntry>): IndexEntry[] {
  const page: IndexEntry[] = [];
  for (const entry of entries) if (page.push(entry) === entriesMax) break;
  return page;
}

/** Lets others go on. */
export async function turn({ signal }: CallContext): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
