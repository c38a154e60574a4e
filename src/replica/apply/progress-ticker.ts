import type { Waiters } from './waiters';

/** Tells those who wait, from time to time, how far the log has come without them. */
export interface Sweeper {
  /** The log has come so far. */
  reached(position: bigint): void;
  close(): void;
}

const sweepMs = 2_000;
/** Twice that is what a checkpoint may take. */
const sweepSequences = 500n;
/** After the last commit: the first sweep may come too early for a checkpoint. */
const quietSweepsMax = 3;

export function startSweeper(waiters: Waiters): Sweeper {
  let last = 0n;
  let sweptAt = 0n;
  let quietSweeps = quietSweepsMax;

  function sweep(): void {
    quietSweeps = last === sweptAt ? quietSweeps + 1 : 0;
    if (quietSweeps > quietSweepsMax) return;
    sweptAt = last;
    waiters.wakeAll(last);
  }

  const timer = setInterval(sweep, sweepMs);
  return {
    reached(position) {
      last = position;
      if (last - sweptAt >= sweepSequences) sweep();
    },
    close() {
      clearInterval(timer);
    },
  };
}
