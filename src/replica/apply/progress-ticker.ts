import type { CommitWaiters } from './commit-waiters';

/** Wakes all waiters from time to time, so that each learns how far the log is although no commit was of interest. */
export interface ProgressTicker {
  /** All messages up to a position are in the segments. */
  advanceTo(position: bigint): void;
  close(): void;
}

const tickMs = 2_000;
/** A checkpoint is due after twice as many. */
const tickSequences = 500n;
/** Ticks after the last commit: the first one may come too early for a checkpoint. */
const quietTicksMax = 3;

export function startProgressTicker(waiters: CommitWaiters): ProgressTicker {
  let last = 0n;
  let tickedAt = 0n;
  let quietTicks = quietTicksMax;

  function tick(): void {
    quietTicks = last === tickedAt ? quietTicks + 1 : 0;
    if (quietTicks > quietTicksMax) return;
    tickedAt = last;
    waiters.wakeAll(last);
  }

  const timer = setInterval(tick, tickMs);
  return {
    advanceTo(position) {
      last = position;
      if (last - tickedAt >= tickSequences) tick();
    },
    close() {
      clearInterval(timer);
    },
  };
}
