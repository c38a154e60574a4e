import { RecentMap } from '../recent-map';
import type { Heads } from './batch';
import type { ReplicaIndex } from './replica-index';

const headsMax = 100_000;

/** Versions of the streams that were written last, and of others from the index. */
export function createHeads(index: ReplicaIndex): Heads {
  const recent = new RecentMap<string, bigint>(headsMax);
  return {
    get: (stream) => recent.get(stream) ?? index.head(stream)?.version ?? 0n,
    set(stream, version) {
      recent.set(stream, version);
    },
  };
}
