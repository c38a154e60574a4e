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

/** A run that is too large for a message, as runs of as many commits as fit, or of one that does not. */
function* divided(run: EventRun, { eventsMax, bytesMax }: PageSize): Generator<EventRun, void> {
  const { events } = run;
  if (run.eventCount <= eventsMax && events.length <= bytesMax) {
    yield run;
    return;
  }
  let piece: Commits | undefined;
  for (const commit of commitsIn(events)) {
    const eventCount = commit.eventCount + (piece?.eventCount ?? 0);
    const start = piece?.start ?? commit.start;
    const fits = eventCount <= eventsMax && commit.end - start <= bytesMax;
    if (piece !== undefined && !fits) yield runOf(events, piece);
    piece = fits ? { ...commit, start, eventCount } : commit;
  }
  if (piece !== undefined) yield runOf(events, piece);
}

/** Commits that follow one another, by where their events are. */
interface Commits {
  readonly start: number;
  readonly end: number;
  readonly eventCount: number;
  /** Of the last one. */
  readonly position: number;
}

function* commitsIn(events: Uint8Array): Generator<Commits, void> {
  const placed = new PlacedEvents(events);
  let start = 0;
  let at = 0;
  let eventCount = 0;
  while (placed.next()) {
    if (eventCount > 0 && placed.position !== at) {
      yield { start, end: placed.frame, eventCount, position: at };
      [start, eventCount] = [placed.frame, 0];
    }
    at = placed.position;
    eventCount++;
  }
  if (eventCount > 0) yield { start, end: placed.end, eventCount, position: at };
}

function runOf(events: Uint8Array, { start, end, eventCount, position: at }: Commits): EventRun {
  return { position: position(BigInt(at)), events: events.subarray(start, end), eventCount };
}
