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

/** How many times as much a piece cost the first side as the second one: the geometric mean over the middle half of the pieces. */
export function ratioOf(pairs: readonly Pair[]): number {
  const logarithms = pairs.map(([first, second]) => Math.log(first / second)).toSorted((a, b) => a - b);
  const quarter = Math.floor(pairs.length / 4);
  const middle = logarithms.slice(quarter, pairs.length - quarter);
  return Math.exp(middle.reduce((sum, logarithm) => sum + logarithm, 0) / middle.length);
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
