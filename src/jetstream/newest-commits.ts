import type { Limits } from '../limits';
import { TailRing, type TailEntry } from './tail-ring';
import { createWaiters, type Waiters } from './tail-waiters';

/** The newest commits, and those who wait for more of them. */
export interface NewestCommits {
  readonly ring: TailRing;
  readonly waiters: Waiters;
  readonly trouble: Trouble;
  /** Another commit has come, or the commits of a step. */
  push(entries: readonly TailEntry[]): void;
  /** Tells those who wait how far the log has come. */
  sweep(): void;
  /** Goes on at a position; what lies between they read from the log. */
  skipTo(position: bigint): void;
}

/** Twice that is what a checkpoint may take. */
const sweepSequences = 500n;
/** After the last commit: the first sweep may come too early for a checkpoint. */
const quietSweepsMax = 3;

export function createNewestCommits(limits: Limits): NewestCommits {
  const waiters = createWaiters();
  let ring = new TailRing(limits, 0n, 0n);
  let sweptAt = 0n;
  let quietSweeps = 0;

  function sweep(): void {
    quietSweeps = ring.last === sweptAt ? quietSweeps + 1 : 0;
    if (quietSweeps > quietSweepsMax) return;
    sweptAt = ring.last;
    waiters.wakeAll(ring.last);
  }

  return {
    get ring() {
      return ring;
    },
    waiters,
    trouble: createTrouble(),
    push(entries) {
      const before = ring.last;
      for (const entry of entries) ring.push(entry);
      for (const { stream } of entries) waiters.wake(stream, before);
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

/** Why new commits do not come. */
export interface Trouble {
  /** "" if there is nothing. */
  readonly reason: string;
  met(reason: string): void;
  over(): void;
  forget(): void;
}

/** So long it is told of, also when it is over: who looks for it comes later. */
const toldMs = 60_000;

function createTrouble(): Trouble {
  let reason = '';
  let metMs = 0;
  return {
    get reason() {
      return reason;
    },
    met(what) {
      reason = what;
      metMs = Date.now();
    },
    over() {
      if (Date.now() - metMs > toldMs) reason = '';
    },
    forget() {
      reason = '';
    },
  };
}
