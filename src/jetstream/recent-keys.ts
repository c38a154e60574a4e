/** What the index has to know of one message of the log. */
export interface CommitKeys {
  readonly sequence: bigint;
  /** The sequence of the last message of the commit that it belongs to. */
  readonly position: bigint;
  /** The distinct hashes of its keys. */
  readonly hashes: readonly bigint[];
}

/** A stretch of the log, both ends inclusive. */
export interface Stretch {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * The keys of the newest commits that this gateway stored itself: neither the index writer nor a query has to read them
 * back from the log.
 */
export interface RecentKeys {
  /** Notes a commit that takes up the sequences of a stretch. */
  add(stretch: Stretch, hashes: readonly bigint[]): void;
  /** Drops what lies up to a sequence: it is in the index now. */
  forget(through: bigint): void;
  /** The commits that are known in a stretch, in order. */
  within(stretch: Stretch): Generator<CommitKeys, void>;
  /** What has to be read from the log to know the rest of a stretch; short known pieces between are part of it. */
  gaps(stretch: Stretch): Generator<Stretch, void>;
}

/** To read so many messages costs about as much as one more question to the log. */
const bridgeMessagesMax = 256n;

export function createRecentKeys(commitsMax: number): RecentKeys {
  // A Map keeps the order of insertion, so its first entry is the oldest.
  const known = new Map<number, readonly bigint[]>();

  function set(sequence: bigint, hashes: readonly bigint[]): void {
    known.set(Number(sequence), hashes);
    if (known.size <= commitsMax) return;
    const [oldest] = known.keys();
    known.delete(oldest as number);
  }

  function* unknownRuns({ from, to }: Stretch): Generator<Stretch, void> {
    // What lies before the oldest need not be asked for one by one: it may be the whole log.
    const [first] = known.keys();
    const oldest = first === undefined ? to + 1n : BigInt(first);
    let start = from < oldest ? from : undefined;
    for (let sequence = from < oldest ? oldest : from; sequence <= to; sequence++) {
      if (!known.has(Number(sequence))) start ??= sequence;
      else if (start !== undefined) {
        yield { from: start, to: sequence - 1n };
        start = undefined;
      }
    }
    if (start !== undefined) yield { from: start, to };
  }

  return {
    add({ from, to }, hashes) {
      for (let sequence = from; sequence < to; sequence++) set(sequence, []);
      set(to, hashes);
    },
    forget(through) {
      for (const sequence of known.keys()) {
        if (sequence > through) return;
        known.delete(sequence);
      }
    },
    *within({ from, to }) {
      for (let sequence = from; sequence <= to; sequence++) {
        const hashes = known.get(Number(sequence));
        if (hashes !== undefined) yield { sequence, position: sequence, hashes };
      }
    },
    *gaps(stretch) {
      let gap: Stretch | undefined;
      for (const run of unknownRuns(stretch)) {
        if (gap !== undefined && run.from - gap.to > bridgeMessagesMax) {
          yield gap;
          gap = undefined;
        }
        gap = { from: gap?.from ?? run.from, to: run.to };
      }
      if (gap !== undefined) yield gap;
    },
  };
}
