import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import type { LogMark } from './log-mark';
import { TailRing, type TailEntry } from './tail-ring';
import { createWaiters, type Waiters } from './tail-waiters';

/** The newest commits, and those who wait for more of them. */
export interface NewestCommits {
  readonly ring: TailRing;
  readonly waiters: Waiters;
  readonly trouble: Trouble;
  /** The last message of the log that has come, or that was skipped. */
  lastMessage: LogMark;
  /** How often the log has gone back to an earlier state: who began before that has been given what is gone. */
  readonly timesGoneBack: number;
  /** Another commit has come, or the commits of a step. */
  push(entries: readonly TailEntry[]): void;
  /** Tells those who wait how far the log has come. */
  sweep(): void;
  /** Goes on at a position; what lies between they read from the log. */
  skipTo(position: bigint): void;
  /** The log has gone back: positions are given a second time. Fails those who wait, and goes on at its end. */
  goBackTo(end: bigint): void;
}

export function goneBack(): StoreUnavailableError {
  return new StoreUnavailableError('the store has gone back to an earlier state');
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
  let timesGoneBack = 0;

  function sweep(): void {
    quietSweeps = ring.last === sweptAt ? quietSweeps + 1 : 0;
    if (quietSweeps > quietSweepsMax) return;
    sweptAt = ring.last;
    waiters.wakeAll(ring.last);
  }

  function skipTo(position: bigint): void {
    waiters.wakeAll(ring.last);
    ring = new TailRing(limits, position, position);
    sweptAt = position;
  }

  return {
    get ring() {
      return ring;
    },
    waiters,
    trouble: createTrouble(),
    lastMessage: { sequence: 0n, timeNanos: 0n },
    get timesGoneBack() {
      return timesGoneBack;
    },
    push(entries) {
      const before = ring.last;
      for (const entry of entries) ring.push(entry);
      for (const { stream } of entries) waiters.wake(stream, before);
      if (ring.last - sweptAt >= sweepSequences) sweep();
    },
    sweep,
    skipTo,
    goBackTo(end) {
      timesGoneBack++;
      waiters.failAll(goneBack());
      skipTo(end);
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
