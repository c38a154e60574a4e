/** A round of a row: each side does the same work once. */
export interface Round {
  /** Counts all rounds of the row from 0, so that no two of them make the same calls. */
  readonly index: number;
  /** Whether its figures count; otherwise it warms up. */
  readonly counts: boolean;
}

/** Node.js compiles what it runs often, so that a gateway and a load process reach their speed after seconds of work. */
const warmUpMs = 10_000;

/** How rows are warmed up, in words. */
export const warmUp = 'after rounds to warm up, of 10 s or more';

type RoundsSettings = { readonly rounds: number; readonly quick: boolean };

/** Rounds to warm up, of 10 s or more, and then those that count. A quick run warms up once. */
export function* roundsOf({ rounds, quick }: RoundsSettings): Generator<Round, void> {
  const endMs = performance.now() + (quick ? 0 : warmUpMs);
  let index = 0;
  do yield { index: index++, counts: false };
  while (performance.now() < endMs);
  for (let left = rounds; left > 0; left--) yield { index: index++, counts: true };
}
