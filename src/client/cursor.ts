import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { toUint64, type WholeNumber } from './numbers';

/**
 * One event in the order of the whole store; a RecordedEvent is one. All three fields are needed: the events of a transaction
 * share a position, and each of its streams counts its own versions.
 */
export interface EventCursor {
  readonly position: bigint;
  readonly stream: string;
  readonly version: bigint;
}

/** Where a reader is: after a whole commit, by its position, or after one event of it. */
export type Cursor = WholeNumber | EventCursor;

/** How a call starts: gateways know positions only, so the events up to `afterEvent` are dropped here. */
export interface Start {
  readonly afterPosition: bigint | undefined;
  readonly afterEvent: EventCursor | undefined;
}

/** Throws TypeError and RangeError. */
export function toStart(cursor: Cursor | undefined, direction: 'forward' | 'backward' = 'forward'): Start {
  if (cursor === undefined) return { afterPosition: undefined, afterEvent: undefined };
  if (typeof cursor !== 'object') return { afterPosition: toUint64(cursor, 'after'), afterEvent: undefined };
  const { stream } = cursor;
  if (typeof stream !== 'string') throw new TypeError('after.stream must be the name of a stream');
  const position = toUint64(cursor.position, 'after.position');
  const afterEvent = { position, stream, version: toUint64(cursor.version, 'after.version') };
  if (position === 0n) return { afterPosition: 0n, afterEvent: undefined }; // no event has position 0
  return { afterPosition: direction === 'forward' ? position - 1n : position + 1n, afterEvent };
}

/**
 * Returns those events of a call that follow a cursor. It gets the events of one message after the other, and whether the
 * message ends where a commit ends.
 */
export type Following = (events: readonly RecordedEvent[], endsCommit: boolean) => readonly RecordedEvent[];

/**
 * A transaction arrives stream by stream, in an order that only the gateway knows. So events of its other streams are held
 * back until the stream of the cursor arrives, which shows that they come before it. If that stream does not arrive, because
 * the filters exclude it, nothing shows that they come before the cursor, and they are returned.
 */
export function following(
  after: EventCursor | undefined,
  direction: 'forward' | 'backward' = 'forward',
): Following {
  if (after === undefined) return (events) => events;
  const follows = (one: bigint, other: bigint): boolean =>
    direction === 'forward' ? one > other : one < other;
  let held: RecordedEvent[] = [];
  let hasMetStream = false;
  return (events, endsCommit) => {
    const found: RecordedEvent[] = [];
    for (const event of events) {
      if (event.position !== after.position) {
        found.push(...held.splice(0));
        if (follows(event.position, after.position)) found.push(event);
      } else if (event.stream === after.stream) {
        hasMetStream = true;
        held = [];
        if (follows(event.version, after.version)) found.push(event);
      } else (hasMetStream ? found : held).push(event);
    }
    if (endsCommit) found.push(...held.splice(0));
    return found;
  };
}
