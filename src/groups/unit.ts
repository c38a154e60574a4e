import { eventSpans, eventType, spanAt, type EventSpan } from '../protobuf/commit-record';
import { eventPlace, type EventPlace } from '../protobuf/event-place';
import type { EventFilter, EventRun } from '../store/event-store';
import type { StreamName, UnixNanos } from '../store/values';

/**
 * Selected events of one stream and one commit, which are delivered together. Versions and positions are numbers in this room: it
 * handles each event of a group.
 */
export interface Unit {
  readonly stream: StreamName;
  readonly firstVersion: number;
  readonly lastVersion: number;
  readonly position: number;
  /** The commit time: whole seconds since 1970, and nanoseconds. */
  readonly seconds: number;
  readonly nanos: number;
  /** As in `EventRun`. */
  readonly events: Uint8Array;
  readonly eventCount: number;
}

/** Units of a stream to read. */
export interface Missing {
  readonly stream: StreamName;
  /** From this version on. */
  readonly version: number;
  /** Of that version, or lower. From 1. */
  readonly position: number;
  /** Up to this position. */
  readonly upTo: number;
}

/** A unit to deliver. */
export interface Offer {
  readonly unit: Unit;
  readonly attempt: number;
  readonly redelivered: boolean;
}

export function timeOf({ seconds, nanos }: Pick<Unit, 'seconds' | 'nanos'>): UnixNanos {
  return (BigInt(seconds) * 1_000_000_000n + BigInt(nanos)) as UnixNanos;
}

/** Which events become units. */
export interface UnitSelection {
  readonly isStream: (stream: string) => boolean;
  /** undefined: all types. */
  readonly isType?: ((type: string) => boolean) | undefined;
  /** Events before this version are left out; undefined: no event is. */
  readonly fromVersion?: number;
  /** A unit has at most this many bytes, or one event. */
  readonly bytesMax: number;
}

/** The units of a run, in order. Their bytes are copies: a page must not stay in memory for one small event of it. */
export function unitsOf(run: Pick<EventRun, 'events'>, selection: UnitSelection): Unit[] {
  const builder = new UnitBuilder(run.events, selection.bytesMax);
  for (let at = 0; at < run.events.length;) {
    const span = spanAt(run.events, at);
    const place = eventPlace(run.events, span);
    if (isSelected(run.events, span, place, selection)) builder.add(span, place);
    else builder.cut();
    at = span.end;
  }
  return builder.finish();
}

function isSelected(
  bytes: Uint8Array,
  span: EventSpan,
  { stream, version }: EventPlace,
  { isStream, isType, fromVersion = 0 }: UnitSelection,
): boolean {
  if (version < fromVersion || !isStream(stream)) return false;
  return isType === undefined || isType(eventType(bytes, span));
}

/** Joins events that follow one another in the bytes, and belong to one unit. */
class UnitBuilder {
  private readonly units: Unit[] = [];
  private first: EventPlace | undefined;
  private lastVersion = 0;
  private start = 0;
  private end = 0;
  private count = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly bytesMax: number,
  ) {}

  add(span: EventSpan, place: EventPlace): void {
    const { first } = this;
    const isNext =
      first?.position === place.position &&
      first.stream === place.stream &&
      span.end - this.start <= this.bytesMax;
    if (!isNext) this.cut();
    if (this.first === undefined) {
      this.first = place;
      this.start = span.frame;
    }
    this.lastVersion = place.version;
    this.end = span.end;
    this.count++;
  }

  /** Ends the unit. */
  cut(): void {
    const { first, lastVersion, count: eventCount } = this;
    if (first === undefined) return;
    this.units.push({
      stream: first.stream as StreamName,
      firstVersion: first.version,
      lastVersion,
      position: first.position,
      seconds: first.seconds,
      nanos: first.nanos,
      events: Buffer.from(this.bytes.subarray(this.start, this.end)),
      eventCount,
    });
    this.first = undefined;
    this.count = 0;
  }

  finish(): Unit[] {
    this.cut();
    return this.units;
  }
}

/** The version of an event of a unit, by its index. */
export function versionAt({ events }: Unit, index: number): number {
  return eventPlace(events, eventSpans(events)[index] as EventSpan).version;
}

/** The unit from an event on, by its index. */
export function unitFrom(unit: Unit, index: number): Unit {
  if (index === 0) return unit;
  const { frame } = eventSpans(unit.events)[index] as EventSpan;
  return {
    ...unit,
    firstVersion: versionAt(unit, index),
    events: unit.events.subarray(frame),
    eventCount: unit.eventCount - index,
  };
}

/** Returns whether events of a type are selected; undefined: all are. */
export function typeMatcher({
  eventTypes,
  eventTypePrefixes,
}: EventFilter): ((type: string) => boolean) | undefined {
  if (eventTypes.size === 0 && eventTypePrefixes.length === 0) return undefined;
  return (type) => eventTypes.has(type) || eventTypePrefixes.some((prefix) => type.startsWith(prefix));
}
