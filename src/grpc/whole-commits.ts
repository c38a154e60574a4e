import { PlacedEvents } from '../protobuf/placed-events';
import type { PageSize } from '../requests/page-size';
import type { EventRun } from '../store/event-store';
import { position } from '../store/values';

/**
 * Groups of runs that fit into a message each, so that it ends with a commit, and has the position of that. A transaction is never
 * split, and a group may be one that does not fit. Throws MalformedRecordError.
 */
export function* wholeCommits(
  runs: readonly EventRun[],
  size: PageSize,
): Generator<readonly EventRun[], void> {
  let group: EventRun[] = [];
  let bytes = 0;
  let events = 0;
  for (const run of runs) {
    for (const piece of divided(run, size)) {
      const { length } = piece.events;
      const isTooMuch = events + piece.eventCount > size.eventsMax || bytes + length > size.bytesMax;
      if (isTooMuch && group.length > 0 && group.at(-1)?.position !== piece.position) {
        yield group;
        [group, bytes, events] = [[], 0, 0];
      }
      group.push(piece);
      bytes += length;
      events += piece.eventCount;
    }
  }
  if (group.length > 0) yield group;
}

/** A run that is too large for a message, as one of each commit. */
function* divided(run: EventRun, { eventsMax, bytesMax }: PageSize): Generator<EventRun, void> {
  const { events } = run;
  if (run.eventCount <= eventsMax && events.length <= bytesMax) {
    yield run;
    return;
  }
  const placed = new PlacedEvents(events);
  let start = 0;
  let at = 0;
  let eventCount = 0;
  while (placed.next()) {
    if (eventCount > 0 && placed.position !== at) {
      yield { position: position(BigInt(at)), events: events.subarray(start, placed.frame), eventCount };
      [start, eventCount] = [placed.frame, 0];
    }
    at = placed.position;
    eventCount++;
  }
  if (eventCount > 0)
    yield { position: position(BigInt(at)), events: events.subarray(start, placed.end), eventCount };
}
