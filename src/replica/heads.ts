import type { Heads } from './batch';
import type { ReplicaIndex } from './replica-index';

const headsMax = 100_000;

/** Versions of the streams that were written last, and of others from the index. */
export function createHeads(index: ReplicaIndex): Heads {
  // Two generations, of which the older one goes as a whole.
  let newer = new Map<string, bigint>();
  let older = newer;
  return {
    get: (stream) => newer.get(stream) ?? older.get(stream) ?? index.head(stream)?.version ?? 0n,
    set(stream, version) {
      newer.set(stream, version);
      if ((newer.size + 1) * 2 <= headsMax) return;
      older = newer;
      newer = new Map();
    },
  };
}
