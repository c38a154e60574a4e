import { uuidChance, uuidV7TimeMs } from '../../store/ids';
import type { CommitId } from '../../store/values';
import { ChanceSet } from '../../collections/chance-set';
import type { LogObservation, LogObserver } from '../log/log-observation';

/** The clock of who makes a commit id may be ahead of others by so much. */
const leadMaxMs = 1_000;
/** Two clocks that differ by so much more than before: one of them was set. */
const shiftMaxMs = 1_000;
/** Ids that are noted in one generation, of which there are two: some seconds of appends. */
const notedMax = 131_072;

/**
 * Whether the server would know a commit id if it were stored. Its memory of ids saves a look for them, and no more: it is lost
 * or shortened by a restart, a restore, another leader, a clock that is set or a window that is edited. So an id is trusted to it
 * only if it was made since all of that has been seen to be as it is, and has not come to this gateway before.
 */
export class IdMemory implements LogObserver {
  /** What was stored from then on is remembered. */
  private sinceMs = Infinity;
  private first: LogObservation | undefined;
  private newer = new ChanceSet(notedMax);
  private older = new ChanceSet(notedMax);
  /** Since when all ids are in one of the two. */
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

  /** The connection is lost, or nobody answers. */
  lose(): void {
    this.first = undefined;
    this.sinceMs = Infinity;
  }

  /** Whether the id, which goes to the server next, may be left to its memory. All ids since `fromMs` were asked about here. */
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
    // Two that have the same cost a look and nothing else.
    const chance = uuidChance(commitId);
    if (this.newer.has(chance) || this.older.has(chance)) return false;
    if (this.newer.size >= notedMax) {
      [this.newer, this.older] = [this.older, this.newer];
      this.newer.clear();
      this.notedSinceMs = this.newerSinceMs;
      this.newerSinceMs = nowMs;
    }
    return this.newer.add(chance);
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
