import { eventSpans } from '../../protobuf/commit-record';
import type { EventRun } from '../../store/event-store';

/** The runs without their first events. */
export function withoutFirst(runs: readonly EventRun[], count: bigint): readonly EventRun[] {
  let left = count;
  return runs.flatMap((run) => {
    const skipped = left < BigInt(run.eventCount) ? Number(left) : run.eventCount;
    left -= BigInt(skipped);
    if (skipped === 0) return [run];
    if (skipped === run.eventCount) return [];
    const { frame } = eventSpans(run.events)[skipped] as { readonly frame: number };
    return [{ ...run, events: run.events.subarray(frame), eventCount: run.eventCount - skipped }];
  });
}
