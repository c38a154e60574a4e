import { RecentMap } from '../../collections/recent-map';
import type { ReplicaIndex } from './replica-index';

/** The version of each stream, before it is in the index. */
export interface StreamVersions {
  /** The version of a stream; 0 if it does not exist. */
  get(stream: string): bigint;
  set(stream: string, version: bigint): void;
  /** The version of a stream that was written lately, perhaps ahead of the index; undefined: only the index knows it. */
  known(stream: string): number | undefined;
}

/** If more than half as many streams are written in turns, most lookups go to the index. */
const recentMax = 200_000;

/** Keeps the versions of the streams that were written last, and looks up the others in the index. */
export function createStreamVersions(index: ReplicaIndex): StreamVersions {
  const recent = new RecentMap<string, number>(recentMax);
  return {
    get(stream) {
      const known = recent.get(stream);
      return known === undefined ? (index.head(stream)?.version ?? 0n) : BigInt(known);
    },
    set(stream, version) {
      recent.set(stream, Number(version));
    },
    known: (stream) => recent.get(stream),
  };
}
