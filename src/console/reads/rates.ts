/** The number of a store at a moment of the browser's clock. */
export interface Sample {
  readonly atMs: number;
  readonly count: number;
}

const samplesMax = 120;

/** The samples with one more: the oldest is dropped. One that is lower, as of another store, begins again. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && sample.count < last.count) return [sample];
  return [...samples.slice(1 - samplesMax), sample];
}

/** Between every two samples: seconds since 1970, and how many came a second. */
export function ratesOf(samples: readonly Sample[]): [number, number][] {
  return samples.slice(1).flatMap((sample, i): [number, number][] => {
    const before = samples[i];
    if (before === undefined || sample.atMs <= before.atMs) return [];
    const seconds = (sample.atMs - before.atMs) / 1_000;
    return [[sample.atMs / 1_000, (sample.count - before.count) / seconds]];
  });
}

/** The value of a metric without labels, summed over its labels otherwise; undefined: the page has no such metric. */
export function metricOf(page: string, name: string): number | undefined {
  let sum: number | undefined;
  for (const line of page.split('\n')) {
    if (!line.startsWith(name) || !/^[ {]/.test(line.slice(name.length))) continue;
    sum = (sum ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
