import type { Replay } from './replay';
import type { StreamQueue } from './stream-queue';
import type { Unit } from './unit';

/** A unit to deliver. */
export interface Offer {
  readonly unit: Unit;
  readonly attempt: number;
  readonly redelivered: boolean;
  /** Whose first unit it is; undefined: it is replayed. */
  readonly queue: StreamQueue | undefined;
  /** undefined: it does not come from the list of parked events. */
  readonly replay: Replay | undefined;
}
