/** Commit ids that this gateway stored, and that its view of the log may not have yet. */
export interface RecentIds {
  add(commitId: string, sequence: bigint): void;
  /** The sequence of the commit with this id; undefined: not known. */
  get(commitId: string): bigint | undefined;
  /** Some ids stored up to here were forgotten: only a view that has come this far knows them all. */
  readonly forgottenUpTo: bigint;
  /** Forgets all ids: sequences may be given again. */
  clear(): void;
}

/** `applied`: how far the view goes. Ids up to there need not be remembered. */
export function createRecentIds(applied: () => bigint): RecentIds {
  // Two generations: the older one is dropped as a whole once the view has all of it, or there are too many.
  let newer = new Map<string, bigint>();
  let older = newer;
  let olderEnd = 0n;
  let newerEnd = 0n;
  let forgottenUpTo = 0n;
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
      [olderEnd, newerEnd, forgottenUpTo] = [0n, 0n, 0n];
    },
  };
}

const generationMin = 1_024;
/** Some seconds of appends. */
const generationMax = 131_072;
