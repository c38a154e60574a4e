import { RecentMap } from '../../collections/recent-map';
import type { Heads } from '../apply/batch';
import type { ReplicaIndex } from './replica-index';

/** Where more streams than half of this are written in turns, they are looked for in the index again and again. */
const headsMax = 200_000;

/** Versions of the streams that were written last, and of others from the index. */
export function createHeads(index: ReplicaIndex): Heads {
  const recent = new RecentMap<string, number>(headsMax);
  return {
    get(stream) {
      const known = recent.get(stream);
      return known === undefined ? (index.head(stream)?.version ?? 0n) : BigInt(known);
    },
    set(stream, version) {
      recent.set(stream, Number(version));
    },
  };
}
