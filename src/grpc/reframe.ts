import { eventSpans } from '../protobuf/commit-record';
import type { PageSize } from '../requests/page-size';
import type { EventRun } from '../store/event-store';

/** Puts runs of events, which are encoded as in every response, into response messages without decoding them. */

/** Encoded fields that a response has beside its events; they may be empty. */
export interface Surroundings {
  /** For the first message of the page. */
  readonly header: Uint8Array;
  /** For the last message of the page. */
  readonly end: Uint8Array;
}

const none = new Uint8Array(0);

/**
 * The messages of a page, each at most `size`, except for one larger event; no message if the page is empty. They are made one
 * by one, as the caller takes them. Throws MalformedRecordError.
 */
export function* reframe(
  page: { readonly runs: readonly EventRun[] },
  size: PageSize,
  { header, end }: Surroundings,
): Generator<Buffer, void> {
  let parts: Uint8Array[] = header.length === 0 ? [] : [header];
  let spareBytes = 0;
  let events = 0;
  let bytes = 0;
  for (const piece of pieces(page.runs, size)) {
    const { length } = piece.events;
    if (events > 0 && (events + piece.eventCount > size.eventsMax || bytes + length > size.bytesMax)) {
      yield concat(parts, spareBytes);
      [parts, events, bytes] = [[], 0, 0];
    }
    if (parts.length === 0) spareBytes = piece.spareBytes ?? 0;
    parts.push(piece.events);
    events += piece.eventCount;
    bytes += length;
  }
  if (end.length > 0) parts.push(end);
  if (parts.length > 0) yield concat(parts, spareBytes);
}

type Piece = Pick<EventRun, 'events' | 'eventCount' | 'spareBytes'>;

/** The runs; one that is too large for a message is cut into pieces that fit. */
function* pieces(runs: readonly EventRun[], { bytesMax, eventsMax }: PageSize): Generator<Piece, void> {
  for (const run of runs) {
    if (run.eventCount <= eventsMax && run.events.length <= bytesMax) yield run;
    else yield* cut(run.events, bytesMax, eventsMax);
  }
}

function* cut(events: Uint8Array, bytesMax: number, eventsMax: number): Generator<Piece, void> {
  let start = 0;
  let eventCount = 0;
  let last = 0;
  for (const { frame, end } of eventSpans(events)) {
    if (eventCount > 0 && (eventCount >= eventsMax || end - start > bytesMax)) {
      yield { events: events.subarray(start, frame), eventCount };
      [start, eventCount] = [frame, 0];
    }
    eventCount++;
    last = end;
  }
  if (eventCount > 0) yield { events: events.subarray(start, last), eventCount };
}

/** `spareBytes` bytes after the first part are free. */
function concat(parts: readonly Uint8Array[], spareBytes: number): Buffer {
  const [first = none, second = none] = parts;
  if (parts.length > 2 || second.length > spareBytes) return Buffer.concat(parts);
  // A copy of a large message would cost more than everything else here.
  const joined = Buffer.from(first.buffer, first.byteOffset, first.length + second.length);
  joined.set(second, first.length);
  return joined;
}
