/** Counts values by size. To count one costs a few nanoseconds and allocates nothing, where prom-client (15.1) looks up labels. */
export class Histogram {
  /** How many values lie above the bound before and up to this one; the last number is of those above all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  /** `bounds`: ascending. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    (this.counts[at] as number)++;
    this.sum += value;
  }
}

/** In seconds: from half a millisecond, within which most appends end, to 10 seconds. */
export const durationBounds: readonly number[] = [
  0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
