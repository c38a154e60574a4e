import type { StoredParked } from './parked-record';
import type { Unit } from './unit';

/** A parked event that is delivered again. Its stream gets nothing else meanwhile. */
export interface Replay {
  readonly unit: Unit;
  readonly parked: StoredParked;
}
