import {
  eventCorrelationId,
  eventSpans,
  eventTags,
  eventType,
  type EventSpan,
} from '../../protobuf/commit-record';
import { matchedItem, type EventQuery } from '../../store/event-query';
import type { EventRun } from '../../store/event-store';
import { position as toPosition } from '../../store/values';
import { bodyOf, firstVersionOf, type StoredRecord } from '../segments/record';

/** Which events of a commit to keep. */
export interface Selection {
  /** Inclusive. */
  readonly fromVersion?: bigint;
  /** Inclusive; undefined: no bound. */
  readonly toVersion?: bigint | undefined;
  /** All types if both this and the prefixes are empty. */
  readonly eventTypes: ReadonlySet<string>;
  /** Other types that are selected, by prefix. */
  readonly eventTypePrefixes?: readonly string[];
  readonly correlationId?: string;
  /** undefined: all events. */
  readonly query?: EventQuery | undefined;
  readonly reverse?: boolean;
  /** At most this many events; undefined: no bound. */
  readonly countMax?: bigint | undefined;
}

/** The selected events of a commit; undefined: it has no selected events. A commit selected as a whole is not copied. */
export function select({ bytes, header }: StoredRecord, selection: Selection): EventRun | undefined {
  const { count, position } = header;
  const body = bodyOf(bytes, header);
  const { fromVersion = 1n, toVersion, countMax } = selection;
  const isBounded = fromVersion > 1n || toVersion !== undefined;
  const firstVersion = isBounded ? firstVersionOf(bytes, header) : fromVersion;
  const isWhole =
    (selection.reverse !== true || count === 1) &&
    selection.correlationId === undefined &&
    hasAllEvents(selection) &&
    (!isBounded || firstVersion >= fromVersion) &&
    (toVersion === undefined || firstVersion + BigInt(count) - 1n <= toVersion) &&
    (countMax === undefined || BigInt(count) <= countMax);
  if (isWhole) return { position: toPosition(position), events: body, eventCount: count };
  const spans = selectedSpans(body, firstVersion, selection);
  if (spans.length === 0) return undefined;
  const events = Buffer.concat(spans.map(({ frame, end }) => body.subarray(frame, end)));
  return { position: toPosition(position), events, eventCount: spans.length };
}

/** Whether a commit time is within a range, both ends inclusive; undefined: no bound. */
export function isWithinTimes(
  { fromTime, toTime }: { readonly fromTime: bigint | undefined; readonly toTime: bigint | undefined },
  timeNanos: bigint,
): boolean {
  return (fromTime === undefined || timeNanos >= fromTime) && (toTime === undefined || timeNanos <= toTime);
}

/** Whether no event is left out for what it is. */
export function hasAllEvents(selection: Selection): boolean {
  return selection.query === undefined && hasAllTypes(selection);
}

function hasAllTypes({ eventTypes, eventTypePrefixes }: Selection): boolean {
  return eventTypes.size === 0 && (eventTypePrefixes === undefined || eventTypePrefixes.length === 0);
}

function selectedSpans(body: Buffer, firstVersion: bigint, selection: Selection): EventSpan[] {
  const { fromVersion = 1n, toVersion, correlationId, query, countMax, reverse } = selection;
  const allTypes = hasAllTypes(selection);
  const spans = eventSpans(body).filter((span, index) => {
    const version = firstVersion + BigInt(index);
    return (
      version >= fromVersion &&
      (toVersion === undefined || version <= toVersion) &&
      (allTypes || isSelectedType(eventType(body, span), selection)) &&
      (correlationId === undefined || eventCorrelationId(body, span) === correlationId) &&
      (query === undefined || itemOf(query, body, span) !== undefined)
    );
  });
  if (reverse === true) spans.reverse();
  return countMax === undefined || BigInt(spans.length) <= countMax
    ? spans
    : spans.slice(0, Number(countMax));
}

/** The first item of a query that an event matches, by its index. */
export function itemOf(query: EventQuery, body: Buffer, span: EventSpan): number | undefined {
  return matchedItem(query, { type: eventType(body, span), tags: eventTags(body, span) });
}

function isSelectedType(type: string, { eventTypes, eventTypePrefixes = [] }: Selection): boolean {
  return eventTypes.has(type) || eventTypePrefixes.some((prefix) => type.startsWith(prefix));
}
