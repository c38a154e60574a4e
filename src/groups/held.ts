import type { LaneOwner } from './lane-owner';
import type { Unit } from './unit';

/** A delivery that a member has not settled. */
export interface Held {
  readonly id: bigint;
  readonly owner: LaneOwner;
  readonly unit: Unit;
  /** When it counts as failed, in milliseconds of `performance.now()`. */
  dueMs: number;
}
