import { toUint64, type WholeNumber } from './numbers';

/** Which event it is, in the order of the whole store. A RecordedEvent is one. */
export interface EventPlace {
  readonly position: bigint;
  readonly version: bigint;
}

/** A position: that of a commit as a whole, or of one event of it. */
export type Place = WholeNumber | EventPlace;

/** What a place is for a gateway, which knows positions only, and which events are to pass over then. */
export interface Beyond {
  readonly afterPosition: bigint | undefined;
  readonly isBeyond: (event: EventPlace) => boolean;
}

/** Throws TypeError and RangeError. */
export function beyond(place: Place | undefined, direction: 'forward' | 'backward' = 'forward'): Beyond {
  if (place === undefined) return { afterPosition: undefined, isBeyond: () => true };
  if (typeof place !== 'object') return { afterPosition: toUint64(place, 'after'), isBeyond: () => true };
  const position = toUint64(place.position, 'after.position');
  const version = toUint64(place.version, 'after.version');
  if (direction === 'backward') {
    const isBeyond = (event: EventPlace): boolean => event.position < position || event.version < version;
    return { afterPosition: position + 1n, isBeyond };
  }
  const isBeyond = (event: EventPlace): boolean => event.position > position || event.version > version;
  return { afterPosition: position > 0n ? position - 1n : 0n, isBeyond };
}
