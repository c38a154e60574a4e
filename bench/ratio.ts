import { randomFrom } from '../test/support/random';

/** What the same piece of work cost two sides. */
export type Pair = readonly [first: number, second: number];

/** A figure, and the interval in which it is with 95 % confidence. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 2_000;
const confidence = 0.95;

/** How many times as much all pieces cost the first side as the second one. */
export function ratioOf(pairs: readonly Pair[]): number {
  const sumOf = (side: 0 | 1): number => pairs.reduce((sum, pair) => sum + pair[side], 0);
  return sumOf(0) / sumOf(1);
}

/** A figure of several samples. The interval is by the bootstrap: the pieces of each sample are drawn again, with repetition. */
export function estimate(
  samples: readonly (readonly Pair[])[],
  figure: (samples: readonly (readonly Pair[])[]) => number,
): Estimate {
  const random = randomFrom(1);
  const drawFrom = (pairs: readonly Pair[]): Pair[] =>
    pairs.map(() => pairs[Math.floor(random() * pairs.length)] as Pair);
  const drawn = Array.from({ length: resamples }, () => figure(samples.map(drawFrom)));
  const sorted = drawn.toSorted((a, b) => a - b);
  const left = Math.floor((resamples * (1 - confidence)) / 2);
  return { value: figure(samples), low: sorted[left] ?? NaN, high: sorted.at(-1 - left) ?? NaN };
}

export function renderEstimate({ value, low, high }: Estimate): string {
  return `${value.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`;
}
