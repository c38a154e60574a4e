/** Commit ids that this gateway stored and that may not be in its view of the log yet. */
export interface RecentIds {
  add(commitId: string, sequence: bigint): void;
  /** Where a commit with this id was stored. */
  get(commitId: string): bigint | undefined;
  /** What was stored up to here is not all remembered: only the view tells, once it has come so far. */
  readonly forgottenUpTo: bigint;
  /** Forgets all: sequences may be given a second time. */
  clear(): void;
}

/** `applied` says how far the view goes: what lies before needs no memory. */
export function createRecentIds(applied: () => bigint): RecentIds {
  // Two generations, of which the older one goes as a whole once the view has all of it, or there are too many.
  let newer = new Map<string, bigint>();
  let older = newer;
  let olderEnd = 0n;
  let newerEnd = 0n;
  let forgottenUpTo = 0n;
  return {
    add(commitId, sequence) {
      const mayTurn = newer.size >= generationMin && olderEnd <= applied();
      if (mayTurn || newer.size >= generationMax) {
        if (!mayTurn) forgottenUpTo = olderEnd;
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
