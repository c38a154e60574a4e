import { removedCommit, type ViewedCommit } from '../../store/log';
import { versionAfter, type Sequence, type Version } from '../../store/values';
import { hashOf } from '../index/id-hash';
import type { IndexEntry } from '../index/index-keys';
import type { ReplicaFiles } from '../index/replica-files';
import type { ReplicaIndex } from '../index/replica-index';
import { readControlBody } from '../segments/control-body';
import { fetchRecords } from '../segments/fetch-records';
import {
  bodyOf,
  commitIdOf,
  errorOf,
  firstVersionOf,
  isInTransaction,
  nameOf,
  sequenceOf,
  type StoredRecord,
} from '../segments/record';

const noEvents = new Uint8Array(0);

/**
 * The commits that have a commit id, in order. Of a commit that was removed from the log, and whose segment was removed as well, only
 * what the index knows is left, and only if it is on one of these streams. Throws UnreadableCommitError and DamagedReplicaError.
 */
export async function commitsById(
  files: ReplicaFiles,
  commitId: string,
  streams: readonly string[],
): Promise<ViewedCommit[]> {
  const { index, log } = files;
  const located = index.locations('commit', hashOf(commitId));
  const found: ViewedCommit[] = [];
  const removed: Sequence[] = [];
  for (const record of await fetchRecords(files, located)) {
    const sequence = sequenceOf(record.bytes, record.header);
    if (record.header.kind !== 'lost') found.push(toCommit(record));
    else if (await isRemoved(log, sequence)) removed.push(sequence);
    else throw errorOf(record.bytes, record.header);
  }
  // Another id may have the same hash.
  const commits = found.filter((commit) => commit.commitId === commitId);
  if (commits.length > 0) return commits;
  return removed.map((sequence) => removedFrom(index, streams, { commitId, sequence }));
}

async function isRemoved(log: ReplicaFiles['log'], sequence: Sequence): Promise<boolean> {
  const entry = await log.entryAt(sequence);
  return 'isRemoved' in entry && entry.isRemoved;
}

/** Throws UnreadableCommitError. */
function toCommit({ bytes, header }: StoredRecord): ViewedCommit {
  const isControl = header.kind === 'control';
  if (header.kind !== 'commit' && !isControl) throw errorOf(bytes, header);
  const stored = firstVersionOf(bytes, header);
  const firstVersion = isControl ? versionAfter(stored, 1n) : stored;
  const body = bodyOf(bytes, header);
  return {
    stream: nameOf(bytes, header),
    firstVersion,
    lastVersion: versionAfter(firstVersion, BigInt(header.count - 1)),
    sequence: sequenceOf(bytes, header),
    position: header.position,
    timeNanos: header.timeNanos,
    commitId: commitIdOf(bytes, header),
    inTransaction: isInTransaction(bytes, header),
    events: isControl ? noEvents : body,
    control: isControl ? readControlBody(body).control : undefined,
    isErased: header.isErased,
  };
}

/** What the index knows of it. */
function removedFrom(
  index: ReplicaIndex,
  streams: readonly string[],
  { commitId, sequence }: Pick<ViewedCommit, 'commitId' | 'sequence'>,
): ViewedCommit {
  const removed = removedCommit(commitId, sequence);
  for (const stream of streams) {
    const entry = entryWith(index, stream, sequence);
    if (entry === undefined) continue;
    const { version, count, position, timeNanos } = entry;
    const firstVersion = versionAfter(version, 1n - BigInt(count));
    return { ...removed, stream, firstVersion, lastVersion: version, position, timeNanos };
  }
  return removed;
}

/** The entry of a stream with a sequence: its versions and its sequences grow together. */
function entryWith(index: ReplicaIndex, stream: string, sequence: Sequence): IndexEntry | undefined {
  const newestUpTo = (version: bigint, upTo: bigint): IndexEntry | undefined => {
    for (const entry of index.newestFirst(stream, {
      version: version as Version,
      sequence: (upTo + 1n) as Sequence,
    }))
      return entry;
    return undefined;
  };
  let low = 0n;
  let high: bigint = index.head(stream)?.version ?? 0n;
  while (low < high) {
    const middle = (low + high) / 2n;
    if ((newestUpTo(middle, sequenceMax)?.sequence ?? 0n) < sequence) low = middle + 1n;
    else high = middle;
  }
  const entry = newestUpTo(low, sequence);
  return entry?.sequence === sequence ? entry : undefined;
}

const sequenceMax = 2n ** 63n;
