import { RecentMap } from '../../collections/recent-map';
import type { ReplicaIndex } from './replica-index';

/** The version of each stream, before it is in the index. */
export interface StreamVersions {
  /** The version of a stream, perhaps ahead of the index; 0 if it does not exist. */
  get(stream: string): bigint;
  /** The version of a stream goes up. */
  advance(stream: string, from: bigint, to: bigint): void;
  /** By how much the versions of all streams together have gone up: no stream has gone up by more. */
  readonly growth: number;
}

/** If more than half as many streams are written in turns, most lookups go to the index. */
const recentMax = 200_000;

/** Keeps the versions of the streams that were written last, and looks up the others in the index. */
export function createStreamVersions(index: ReplicaIndex): StreamVersions {
  const recent = new RecentMap<string, number>(recentMax);
  let growth = 0;
  return {
    get(stream) {
      const known = recent.get(stream);
      return known === undefined ? (index.head(stream)?.version ?? 0n) : BigInt(known);
    },
    advance(stream, from, to) {
      growth += Number(to - from);
      recent.set(stream, Number(to));
    },
    get growth() {
      return growth;
    },
  };
}
