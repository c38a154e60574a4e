import { NumberSet } from '../../collections/number-set';
import { uuidChance, uuidV7TimeMs } from '../../store/ids';

/** How far it is known when commit ids were made, in milliseconds since 1970. Stored with every batch. */
export interface IdTimes {
  /** The latest at which an id was made. */
  readonly newestMs: number;
  /** The earliest and the latest at which ids were made that were ahead of this gateway's clock; 0: there are none. */
  readonly aheadFromMs: number;
  readonly aheadToMs: number;
}

export const noIdTimes: IdTimes = { newestMs: 0, aheadFromMs: 0, aheadToMs: 0 };

/** Ids in one generation, of which there are two: a second or two of appends, in half a MiB, which stays in the caches of the processor. */
const idsInGenerationMax = 32_768;
/** The clock of who makes an id may be ahead by so much. One that is further ahead shall not be the newest for years. */
const aheadMaxMs = 60_000;

/**
 * The commit ids of the newest commits, as far as they tell when they were made, as UUIDs v7 do. Nearly every id that is
 * appended was made later than all others but these, which saves a look into the index for each.
 */
export class NewestIds {
  private newer: NumberSet;
  private older: NumberSet;
  private newerMs = 0;
  private olderMs = 0;
  /** Every id that was made later is in one of the two, or ahead. */
  private knownAfterMs: number;
  private aheadFromMs: number;
  private aheadToMs: number;

  /** `before`: of the commits before those that are added. */
  constructor(
    before: IdTimes,
    private readonly generationMax = idsInGenerationMax,
  ) {
    this.newer = new NumberSet(generationMax);
    this.older = new NumberSet(generationMax);
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
    // What somebody else has put in the place of an id may have no time that is a number.
    else if (madeMs > this.knownAfterMs) this.note(commitId, madeMs);
  }

  /** Whether a commit of the log may have this id; false: none of those that were added, or before them. */
  mayHave(commitId: string, nowMs = Date.now()): boolean {
    const madeMs = uuidV7TimeMs(commitId);
    const latestMs = nowMs + aheadMaxMs;
    if (this.aheadFromMs > 0 && latestMs >= this.aheadFromMs) this.meetAhead();
    if (madeMs === undefined || madeMs <= this.knownAfterMs || madeMs > latestMs) return true;
    // Two ids that have the same cost a look and nothing else.
    const chance = uuidChance(commitId);
    return this.newer.has(chance) || this.older.has(chance);
  }

  private note(commitId: string, madeMs: number): void {
    if (this.newer.size >= this.generationMax) {
      this.knownAfterMs = Math.max(this.knownAfterMs, this.olderMs);
      [this.newer, this.older] = [this.older, this.newer];
      [this.newerMs, this.olderMs] = [0, this.newerMs];
      this.newer.clear();
    }
    if (this.newer.add(uuidChance(commitId))) this.newerMs = Math.max(this.newerMs, madeMs);
    else this.knownAfterMs = Math.max(this.knownAfterMs, madeMs);
  }

  /** The clock has come to where ids were ahead of it. */
  private meetAhead(): void {
    this.knownAfterMs = Math.max(this.knownAfterMs, this.aheadToMs);
    [this.aheadFromMs, this.aheadToMs] = [0, 0];
  }
}
