import type { IndexRecord } from './index-record';

/** Records of the index are missing, or are of what the log was before: what is there must not be taken for the whole. */
export class BrokenIndexError extends Error {}

type Stretch = Pick<IndexRecord, 'after' | 'through'>;

/**
 * How far records that follow one another cover the log, from a position on; those of what lies before it do not matter. Throws
 * BrokenIndexError if there is a gap between them.
 */
export function coveredBy(records: readonly Stretch[], from: bigint, what: string): bigint {
  let covered = from;
  for (const { after, through } of [...records].sort((one, other) => compare(one.after, other.after))) {
    if (after > covered) throw missing(what, covered, after);
    if (through > covered) covered = through;
  }
  return covered;
}

/** Throws BrokenIndexError unless records that cover the log up to one position were to cover it up to another one. */
export function checkCovers(covered: bigint, wanted: bigint, what: string): void {
  if (covered < wanted) throw missing(what, covered, wanted);
}

function missing(what: string, covered: bigint, next: bigint): BrokenIndexError {
  return new BrokenIndexError(
    `records of ${what} are missing: nothing is known of the positions ${(covered + 1n).toString()} to ${next.toString()}`,
  );
}

function compare(one: bigint, other: bigint): number {
  return one < other ? -1 : Number(one > other);
}

/** A record without entries says of a bucket: what lies up to here is in its cells. */
export function isMark({ hashes, after, through }: IndexRecord): boolean {
  return hashes.length === 0 && after === through;
}
