import { build, decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js';
import type { SlotReport } from './job';

/** The figures of one slot. */
export interface Slot {
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly callsPerSecond: number;
}

/** Microseconds up to a minute, with three digits. */
export function newHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
}

/** Merges the reports of load processes that ran at the same time. */
export function toSlot(reports: readonly SlotReport[]): Slot {
  const all = newHistogram();
  for (const { histogram } of reports) all.add(decodeFromCompressedBase64(histogram));
  const elapsedMs =
    Math.max(...reports.map(({ endedMs }) => endedMs)) -
    Math.min(...reports.map(({ startedMs }) => startedMs));
  return {
    medianMs: all.getValueAtPercentile(50) / 1_000,
    p99Ms: all.getValueAtPercentile(99) / 1_000,
    callsPerSecond: (all.totalCount / elapsedMs) * 1_000,
  };
}

/** The median: the mean of the two middle values if there are two. Throws if there are no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new Error('no values have no median');
  return (lower + upper) / 2;
}
