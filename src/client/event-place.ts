import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { toUint64, type WholeNumber } from './numbers';

/**
 * Which event it is, in the order of the whole store. A RecordedEvent is one. It takes all three: the events of a
 * transaction share a position, and each of its streams counts versions of its own.
 */
export interface EventPlace {
  readonly position: bigint;
  readonly stream: string;
  readonly version: bigint;
}

/** A position: that of a commit as a whole, or of one event of it. */
export type Place = WholeNumber | EventPlace;

/** What a place is for a gateway, which knows positions only, and the event itself, if it is the place of one. */
export interface Start {
  readonly afterPosition: bigint | undefined;
  readonly afterEvent: EventPlace | undefined;
}

/** Throws TypeError and RangeError. */
export function toStart(place: Place | undefined, direction: 'forward' | 'backward' = 'forward'): Start {
  if (place === undefined) return { afterPosition: undefined, afterEvent: undefined };
  if (typeof place !== 'object') return { afterPosition: toUint64(place, 'after'), afterEvent: undefined };
  const { stream } = place;
  if (typeof stream !== 'string') throw new TypeError('after.stream must be the name of a stream');
  const position = toUint64(place.position, 'after.position');
  const afterEvent = { position, stream, version: toUint64(place.version, 'after.version') };
  if (position === 0n) return { afterPosition: 0n, afterEvent: undefined }; // where no event is
  return { afterPosition: direction === 'forward' ? position - 1n : position + 1n, afterEvent };
}

/**
 * Gives those events of a call that follow an event. It is handed the events of one message after the other, and whether
 * the message ends where a commit does.
 */
export type Following = (events: readonly RecordedEvent[], endsCommit: boolean) => readonly RecordedEvent[];

/**
 * The streams of a transaction come one after the other, in an order that only the gateway knows. So those that come
 * before the stream of the event are held back until it comes. If it does not, since the filters of the call leave it out,
 * nothing says that they come before the event, and they are given.
 */
export function following(
  after: EventPlace | undefined,
  direction: 'forward' | 'backward' = 'forward',
): Following {
  if (after === undefined) return (events) => events;
  const follows = (one: bigint, other: bigint): boolean =>
    direction === 'forward' ? one > other : one < other;
  let held: RecordedEvent[] = [];
  let hasMetStream = false;
  return (events, endsCommit) => {
    const given: RecordedEvent[] = [];
    for (const event of events) {
      if (event.position !== after.position) {
        given.push(...held.splice(0));
        if (follows(event.position, after.position)) given.push(event);
      } else if (event.stream === after.stream) {
        hasMetStream = true;
        held = [];
        if (follows(event.version, after.version)) given.push(event);
      } else (hasMetStream ? given : held).push(event);
    }
    if (endsCommit) given.push(...held.splice(0));
    return given;
  };
}
