import type { Limits } from '../limits';
import { TailRing, type TailEntry } from './tail-ring';
import { createWaiters, type Waiters } from './tail-waiters';

/** The newest commits, and those who wait for more of them. */
export interface NewestCommits {
  readonly ring: TailRing;
  readonly waiters: Waiters;
  /** Another commit has come. */
  push(entry: TailEntry): void;
  /** Tells those who wait how far the log has come. */
  sweep(): void;
  /** Goes on at a position; what lies between they read from the log. */
  skipTo(position: bigint): void;
}

const sweepSequences = 1_000n;

export function createNewestCommits(limits: Limits): NewestCommits {
  const waiters = createWaiters();
  let ring = new TailRing(limits, 0n, 0n);
  let sweptAt = 0n;

  function sweep(): void {
    if (ring.last === sweptAt) return;
    sweptAt = ring.last;
    waiters.wakeAll(ring.last);
  }

  return {
    get ring() {
      return ring;
    },
    waiters,
    push(entry) {
      const before = ring.last;
      ring.push(entry);
      waiters.wake(entry.stream, before);
      if (ring.last - sweptAt >= sweepSequences) sweep();
    },
    sweep,
    skipTo(position) {
      waiters.wakeAll(ring.last);
      ring = new TailRing(limits, position, position);
      sweptAt = position;
    },
  };
}
