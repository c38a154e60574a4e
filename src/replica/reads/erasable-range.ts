import type { ErasableRange } from '../../store/log';
import { versionAfter, type Version } from '../../store/values';
import type { IndexEntry } from '../index/index-keys';
import type { ReplicaIndex } from '../index/replica-index';

/** What an erasure of versions of a stream would erase. The stream has the last of them. Throws DamagedReplicaError. */
export function erasableRange(
  index: ReplicaIndex,
  stream: string,
  { fromVersion: from, toVersion: to }: Pick<ErasableRange, 'fromVersion' | 'toVersion'>,
): ErasableRange {
  let fromVersion = from;
  let toVersion = to;
  let isErased = true;
  for (const entry of index.forward(stream, from)) {
    if (entry.kind !== 'commit') continue;
    const first = firstVersionOf(entry);
    if (first > to) break;
    if (first < fromVersion) fromVersion = first;
    if (entry.version > toVersion) toVersion = entry.version;
    isErased &&= entry.isErased;
    // What it begins with and that there is something to do is known.
    if (!isErased) break;
  }
  const last = isErased ? undefined : commitWith(index, stream, to);
  if (last !== undefined && last.version > toVersion) toVersion = last.version;
  return { fromVersion, toVersion, isErased };
}

/** The commit that has a version; undefined: it is gone. */
function commitWith(index: ReplicaIndex, stream: string, version: Version): IndexEntry | undefined {
  for (const entry of index.forward(stream, version))
    if (entry.kind === 'commit') return firstVersionOf(entry) <= version ? entry : undefined;
  return undefined;
}

function firstVersionOf({ version, count }: IndexEntry): Version {
  return versionAfter(version, 1n - BigInt(count));
}
