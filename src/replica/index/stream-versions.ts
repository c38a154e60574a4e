import { RecentMap } from '../../collections/recent-map';
import type { ReplicaIndex } from './replica-index';

/** The versions of the streams that were written last. */
export interface StreamVersions {
  /** The version of the newest commit of a stream; 0: it has none. */
  get(stream: string): bigint;
  set(stream: string, version: bigint): void;
}

/** Where more streams than half of this are written in turns, they are looked for in the index again and again. */
const headsMax = 200_000;

/** Versions of the streams that were written last, and of others from the index. */
export function createStreamVersions(index: ReplicaIndex): StreamVersions {
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
