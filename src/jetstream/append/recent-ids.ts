import { beginning, type Sequence } from '../../store/values';
/** Commit ids that this gateway stored, and that its view of the log may not have yet. */
export interface RecentIds {
  add(commitId: string, sequence: Sequence): void;
  /** The sequence of the commit with this id; undefined: not known. */
  get(commitId: string): Sequence | undefined;
  /** Some ids stored up to here were forgotten: only a view that has come this far knows them all. */
  readonly forgottenUpTo: Sequence;
  /** Forgets all ids: sequences may be given again. */
  clear(): void;
}

/** `applied`: how far the view goes. Ids up to there need not be remembered. */
export function createRecentIds(applied: () => Sequence): RecentIds {
  // Two generations: the older one is dropped as a whole once the view has all of it, or there are too many.
  let newer = new Map<string, Sequence>();
  let older = newer;
  let olderEnd: Sequence = beginning;
  let newerEnd: Sequence = beginning;
  let forgottenUpTo: Sequence = beginning;
  return {
    add(commitId, sequence) {
      const isViewed = newer.size >= generationMin && olderEnd <= applied();
      if (isViewed || newer.size >= generationMax) {
        if (!isViewed) forgottenUpTo = olderEnd;
        [older, olderEnd] = [newer, newerEnd];
        newer = new Map();
      }
      newer.set(commitId, sequence);
      if (sequence > newerEnd) newerEnd = sequence;
    },
    get: (commitId) => newer.get(commitId) ?? older.get(commitId),
    get forgottenUpTo() {
      return forgottenUpTo;
    },
    clear() {
      newer = new Map();
      older = newer;
      [olderEnd, newerEnd, forgottenUpTo] = [beginning, beginning, beginning];
    },
  };
}

const generationMin = 1_024;
/** Some seconds of appends. */
const generationMax = 131_072;
