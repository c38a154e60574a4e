import { eventTags, eventType, type EventSpan } from '../protobuf/commit-record';
import { PlacedEvents } from '../protobuf/placed-events';
import type { EventBytes } from '../store/consumer-groups';
import { matchedItem } from '../store/event-query';
import type { EventFilter } from '../store/event-store';
import type { StreamName, UnixNanos } from '../store/values';

/**
 * Selected events of one stream and one commit, which are delivered together. Versions and positions are numbers in this room: it
 * handles each event of a group.
 */
export interface Unit extends EventBytes {
  readonly stream: StreamName;
  readonly firstVersion: number;
  readonly lastVersion: number;
  readonly position: number;
  /** The commit time: whole seconds since 1970, and nanoseconds. */
  readonly seconds: number;
  readonly nanos: number;
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

export function bytesOf({ start, end }: Unit): number {
  return end - start;
}

export function timeOf({ seconds, nanos }: Pick<Unit, 'seconds' | 'nanos'>): UnixNanos {
  return (BigInt(seconds) * 1_000_000_000n + BigInt(nanos)) as UnixNanos;
}

/** Which events become units, and for whom. */
export interface UnitSelection<Target> {
  /** undefined: the events of the stream are left out. */
  readonly targetOf: (stream: string) => Target | undefined;
  /** undefined: all events. */
  readonly isWanted?: ((bytes: Uint8Array, span: EventSpan) => boolean) | undefined;
  /** Events before this version are left out; undefined: no event is. */
  readonly fromVersion?: number;
  /** A unit has at most this many bytes, or one event. */
  readonly bytesMax: number;
}

/** The units of a run, in order. */
export function unitsOf(events: Uint8Array, selection: Omit<UnitSelection<Unit[]>, 'targetOf'>): Unit[] {
  const units: Unit[] = [];
  takeUnits(events, { ...selection, targetOf: () => units }, (target, unit) => target.push(unit));
  return units;
}

/**
 * Calls `take` with each unit of a run, in order. When this returns, their bytes are copies: a page must not stay in memory for one
 * small event of it. Throws MalformedRecordError.
 */
export function takeUnits<Target>(
  events: Uint8Array,
  { targetOf, isWanted, fromVersion = 0, bytesMax }: UnitSelection<Target>,
  take: (target: Target, unit: Unit) => void,
): void {
  const placed = new PlacedEvents(events);
  const builder = new UnitBuilder(events, take);
  while (placed.next()) {
    if (placed.version < fromVersion || isWanted?.(events, placed) === false) builder.cut();
    else if (!builder.extend(placed, bytesMax)) {
      builder.cut();
      const { stream } = placed;
      const target = targetOf(stream);
      if (target !== undefined) builder.begin(target, stream as StreamName, placed);
    }
  }
  builder.finish();
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Joins events that follow one another in the bytes, and belong to one unit. */
class UnitBuilder<Target> {
  private readonly copies: Copies;
  private unit: Writable<Unit> | undefined;
  private target: Target | undefined;

  constructor(
    private readonly events: Uint8Array,
    private readonly take: (target: Target, unit: Unit) => void,
  ) {
    this.copies = new Copies(events);
  }

  begin(target: Target, stream: StreamName, placed: PlacedEvents): void {
    const { version, position, seconds, nanos, frame, end } = placed;
    this.target = target;
    this.unit = {
      block: this.events,
      start: frame,
      end,
      stream,
      firstVersion: version,
      lastVersion: version,
      position,
      seconds,
      nanos,
      eventCount: 1,
    };
  }

  /** Adds an event to the unit; false: it does not belong there. */
  extend(placed: PlacedEvents, bytesMax: number): boolean {
    const { unit } = this;
    if (unit?.position !== placed.position) return false;
    if (placed.end - unit.start > bytesMax || !placed.isOf(unit.stream)) return false;
    unit.lastVersion = placed.version;
    unit.end = placed.end;
    unit.eventCount++;
    return true;
  }

  /** Ends the unit. */
  cut(): void {
    const { unit } = this;
    if (unit === undefined) return;
    this.unit = undefined;
    this.copies.add(unit);
    this.take(this.target as Target, unit);
  }

  finish(): void {
    this.cut();
    this.copies.make();
  }
}

/** Units share blocks of this size, so that one that stays in memory keeps little else there. */
const blockBytes = 8 << 10;
let block = new Uint8Array(blockBytes);
let blockEnd = 0;

/** Copies the bytes of units: those that lie side by side at once. */
class Copies {
  private readonly units: Writable<Unit>[] = [];
  private start = 0;
  private end = 0;

  constructor(private readonly bytes: Uint8Array) {}

  add(unit: Writable<Unit>): void {
    const { units } = this;
    if (unit.start !== this.end || unit.end - this.start > blockBytes) this.make();
    if (units.length === 0) this.start = unit.start;
    units.push(unit);
    this.end = unit.end;
  }

  /** Makes the copy of all units since the last one. */
  make(): void {
    const { units, bytes, start, end } = this;
    if (units.length === 0) return;
    const part = new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
    const isLarge = part.length > blockBytes / 4;
    if (!isLarge && blockEnd + part.length > blockBytes) [block, blockEnd] = [new Uint8Array(blockBytes), 0];
    const copy = isLarge ? new Uint8Array(part) : block;
    const moved = isLarge ? -start : blockEnd - start;
    if (!isLarge) {
      block.set(part, blockEnd);
      blockEnd += part.length;
    }
    for (const unit of units) {
      unit.block = copy;
      unit.start += moved;
      unit.end += moved;
    }
    units.length = 0;
  }
}

/** The events of a unit alone, as in `EventRun`. */
export function eventsOf({ block: bytes, start, end }: Unit): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** The versions of the events of a unit. */
export function versionsOf(unit: Unit): number[] {
  const versions: number[] = [];
  const placed = new PlacedEvents(eventsOf(unit));
  while (placed.next()) versions.push(placed.version);
  return versions;
}

/** The version of an event of a unit, by its index. */
export function versionAt(unit: Unit, index: number): number {
  return eventAt(unit, index).version;
}

/** The events of a unit before one of them, by its index. */
export function unitBefore(unit: Unit, index: number): Unit {
  const { end, version: lastVersion } = eventAt(unit, index - 1);
  return { ...unit, lastVersion, end: unit.start + end, eventCount: index };
}

/** An event of a unit, by its index. */
export function eventAt(unit: Unit, index: number): PlacedEvents {
  const placed = new PlacedEvents(eventsOf(unit));
  for (let at = 0; at <= index; at++) placed.next();
  return placed;
}

/** Returns whether an event of a record is selected for what it is; undefined: all are. */
export function eventMatcher({
  eventTypes,
  eventTypePrefixes,
  query,
}: EventFilter): UnitSelection<unknown>['isWanted'] {
  const hasAllTypes = eventTypes.size === 0 && eventTypePrefixes.length === 0;
  if (hasAllTypes && query === undefined) return undefined;
  return (bytes, span) => {
    const type = eventType(bytes, span);
    const isOfType =
      hasAllTypes || eventTypes.has(type) || eventTypePrefixes.some((prefix) => type.startsWith(prefix));
    if (!isOfType || query === undefined) return isOfType;
    return matchedItem(query, { type, tags: eventTags(bytes, span) }) !== undefined;
  };
}
