import type { Mark } from './index-keys';

/** The marks of an index, in the order of their positions. */
interface Marks {
  markAtOrBefore(position: bigint): Mark | undefined;
  markAfter(position: bigint): Mark | undefined;
}

const highest = 2n ** 64n - 1n;

/** The last mark before which every record has an earlier commit time; undefined: there is no mark. */
export function markBeforeTime(index: Marks, timeNanos: bigint): Mark | undefined {
  let low = index.markAfter(-1n);
  let high = index.markAtOrBefore(highest);
  if (low === undefined || high === undefined) return undefined;
  while (low.position < high.position) {
    const middle: Mark | undefined = index.markAtOrBefore(
      low.position + (high.position - low.position + 1n) / 2n,
    );
    if (middle === undefined || middle.position === low.position) {
      const next = index.markAfter(low.position);
      if (next === undefined || next.newestNanos >= timeNanos) break;
      low = next;
    } else if (middle.newestNanos >= timeNanos) high = middle;
    else low = middle;
  }
  return low;
}

/** The first mark of a segment, which is where the segment begins. */
export function markOfSegment(index: Marks, segment: number): Mark | undefined {
  let low = index.markAfter(-1n);
  let high = index.markAtOrBefore(highest);
  if (low === undefined || high === undefined || high.location.segment < segment) return undefined;
  while (low.position < high.position && low.location.segment < segment) {
    const middle: Mark | undefined = index.markAtOrBefore(low.position + (high.position - low.position) / 2n);
    if (middle !== undefined && middle.position > low.position) {
      if (middle.location.segment < segment) low = middle;
      else high = middle;
      continue;
    }
    const next = index.markAfter(low.position);
    if (next === undefined) return undefined;
    low = next;
  }
  return low;
}
