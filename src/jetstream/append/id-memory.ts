import { uuidChance, uuidV7TimeMs } from '../../uuid';
import type { CommitId } from '../../store/values';
import { NumberGenerations } from '../../collections/number-generations';
import type { LogObservation, LogObserver } from '../log/log-observation';

/** How far the clock of a caller that makes commit ids may be ahead of others. */
const leadMaxMs = 1_000;
/** If two clocks differ by this much more than before, one of them was set. */
const shiftMaxMs = 1_000;
/** How many ids one of the two generations holds: some seconds of appends. */
const notedMax = 131_072;

/**
 * Whether the server would recognize a commit id if it were stored. The server's memory of ids is lost or shortened by a restart,
 * a restore, another leader, a clock that is set, or a smaller window. So an id is left to it, without a lookup, only if the id was
 * made after none of that has happened for a while, and has not come to this gateway before.
 */
export class IdMemory implements LogObserver {
  /** The server remembers everything that was stored since then. */
  private sinceMs = Infinity;
  private first: LogObservation | undefined;
  private readonly noted = new NumberGenerations(notedMax);
  /** Every id since then is in one of the two generations. */
  private newerSinceMs: number;
  private notedSinceMs: number;

  constructor(nowMs = Date.now()) {
    this.newerSinceMs = this.notedSinceMs = nowMs;
  }

  observe(observation: LogObservation): void {
    if (this.first !== undefined && isSame(this.first, observation)) return;
    this.first = observation;
    this.sinceMs = Math.max(observation.nowMs, observation.serverMs);
  }

  /** The connection is lost, or the log does not answer. */
  lose(): void {
    this.first = undefined;
    this.sinceMs = Infinity;
  }

  /** Whether an id that is about to be sent may be left to the server. Every id sent since `fromMs` was given to this method. */
  covers(commitId: CommitId, nowMs = Date.now(), fromMs = 0): boolean {
    const isNew = uuidV7TimeMs(commitId) !== undefined && this.note(commitId, nowMs);
    return isNew && this.isTrusted(commitId, nowMs, fromMs);
  }

  private isTrusted(commitId: CommitId, nowMs: number, fromMs: number): boolean {
    const madeMs = uuidV7TimeMs(commitId);
    if (madeMs === undefined || this.first === undefined) return false;
    const earliestMs = Math.max(this.sinceMs, this.notedSinceMs, fromMs, nowMs - this.first.windowMs / 2);
    return madeMs >= earliestMs + leadMaxMs && madeMs <= nowMs + leadMaxMs;
  }

  /** Whether it is new. */
  private note(commitId: CommitId, nowMs: number): boolean {
    // A collision costs a lookup and nothing else.
    const chance = uuidChance(commitId);
    if (this.noted.has(chance)) return false;
    if (this.noted.isFull) {
      this.noted.rotate();
      this.notedSinceMs = this.newerSinceMs;
      this.newerSinceMs = nowMs;
    }
    return this.noted.add(chance);
  }
}

function isSame(one: LogObservation, other: LogObservation): boolean {
  const tolerance = shiftMaxMs + one.tookMs + other.tookMs;
  const isSet = (a: number, b: number): boolean => Math.abs(a - b) > tolerance;
  return (
    one.windowMs === other.windowMs &&
    one.log === other.log &&
    !isSet(one.serverMs - one.nowMs, other.serverMs - other.nowMs) &&
    !isSet(one.nowMs - one.monotonicMs, other.nowMs - other.monotonicMs)
  );
}
