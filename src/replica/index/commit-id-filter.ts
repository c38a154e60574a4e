import { NumberGenerations } from '../../collections/number-generations';
import { uuidChance, uuidV7TimeMs } from '../../uuid';

/** When the commit ids of the log were made, in milliseconds since 1970. Stored with every batch. */
export interface IdTimes {
  /** The latest time, except of ids that were ahead. */
  readonly newestMs: number;
  /** The earliest and the latest time of ids that were ahead of this gateway's clock; 0 if no id was ahead. */
  readonly aheadFromMs: number;
  readonly aheadToMs: number;
}

export const noIdTimes: IdTimes = { newestMs: 0, aheadFromMs: 0, aheadToMs: 0 };

/** Ids in one of the two generations: a second or two of appends, in half a MiB, which fits the caches of the processor. */
const idsInGenerationMax = 32_768;
/** The clock of a client may be ahead by this much. An id from further ahead must not count as the newest for years. */
const aheadMaxMs = 60_000;

/**
 * Tells commit ids that no commit has, without a lookup in the index. It knows the ids of the newest commits that tell when they
 * were made, as UUIDs v7 do. Nearly every id that is appended was made later than all others except these.
 */
export class CommitIdFilter {
  private readonly known: NumberGenerations;
  private newerMs = 0;
  private olderMs = 0;
  /** Every id that was made later is in one of the two generations, or was ahead. */
  private knownAfterMs: number;
  private aheadFromMs: number;
  private aheadToMs: number;

  /** `before`: the times of all commits that are not added here. */
  constructor(before: IdTimes, generationMax = idsInGenerationMax) {
    this.known = new NumberGenerations(generationMax);
    ({ newestMs: this.knownAfterMs, aheadFromMs: this.aheadFromMs, aheadToMs: this.aheadToMs } = before);
  }

  get times(): IdTimes {
    const { knownAfterMs, olderMs, newerMs, aheadFromMs, aheadToMs } = this;
    return { newestMs: Math.max(knownAfterMs, olderMs, newerMs), aheadFromMs, aheadToMs };
  }

  /** A commit with this id is in the log. */
  add(commitId: string, nowMs = Date.now()): void {
    const madeMs = uuidV7TimeMs(commitId) ?? 0;
    if (madeMs > nowMs + aheadMaxMs) {
      this.aheadFromMs = this.aheadFromMs === 0 ? madeMs : Math.min(this.aheadFromMs, madeMs);
      this.aheadToMs = Math.max(this.aheadToMs, madeMs);
    }
    // A foreign id may have NaN as its time, which compares false.
    else if (madeMs > this.knownAfterMs) this.note(commitId, madeMs);
  }

  /** Whether a commit of the log may have this id; false: no commit has it, neither an added one nor an earlier one. */
  mayContain(commitId: string, nowMs = Date.now()): boolean {
    const madeMs = uuidV7TimeMs(commitId);
    const latestMs = nowMs + aheadMaxMs;
    if (this.aheadFromMs > 0 && latestMs >= this.aheadFromMs) this.absorbAhead();
    if (madeMs === undefined || madeMs <= this.knownAfterMs || madeMs > latestMs) return true;
    // Two ids with the same chance cost a lookup and nothing else.
    return this.known.has(uuidChance(commitId));
  }

  private note(commitId: string, madeMs: number): void {
    if (this.known.isFull) {
      this.known.rotate();
      this.knownAfterMs = Math.max(this.knownAfterMs, this.olderMs);
      [this.newerMs, this.olderMs] = [0, this.newerMs];
    }
    if (this.known.add(uuidChance(commitId))) this.newerMs = Math.max(this.newerMs, madeMs);
    else this.knownAfterMs = Math.max(this.knownAfterMs, madeMs);
  }

  /** The clock has reached the time of ids that were ahead. */
  private absorbAhead(): void {
    this.knownAfterMs = Math.max(this.knownAfterMs, this.aheadToMs);
    [this.aheadFromMs, this.aheadToMs] = [0, 0];
  }
}
