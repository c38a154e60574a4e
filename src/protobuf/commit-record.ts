import { utf8 } from './utf8';

/**
 * Walks the bytes of a CommitRecord (proto/sluice/v1/event.proto) without decoding it: reads relay events as they are stored,
 * and inspect them only to filter.
 */

/** The bytes are not a CommitRecord. */
export class MalformedRecordError extends Error {}

export const lengthDelimited = 2;
const idTag = (1 << 3) | lengthDelimited;
/** Field 1, length-delimited: `CommitRecord.events`, and `events` of every response that carries events. */
export const eventsTag = (1 << 3) | lengthDelimited;
export const streamTag = (2 << 3) | lengthDelimited;
export const versionTag = 3 << 3;
const typeTag = (4 << 3) | lengthDelimited;
const correlationIdTag = (8 << 3) | lengthDelimited;
const tagsTag = (10 << 3) | lengthDelimited;

/** Where one event is: its tag and length start at `frame`, its own bytes are [start, end). */
export interface EventSpan {
  readonly frame: number;
  readonly start: number;
  readonly end: number;
}

/** The spans of all events, in order. Throws MalformedRecordError. */
export function eventSpans(record: Uint8Array): EventSpan[] {
  const spans: EventSpan[] = [];
  for (let at = 0; at < record.length;) {
    const span = spanAt(record, at);
    spans.push(span);
    at = span.end;
  }
  return spans;
}

/**
 * Counts the events. Each must name the stream, and the version that follows from the first one, since that is what readers
 * get. Throws MalformedRecordError.
 */
export function checkedEventCount(record: Uint8Array, stream: string, firstVersion: number): number {
  let version = firstVersion;
  for (let at = 0; at < record.length; version++) {
    const span = spanAt(record, at);
    checkEvent(record, span, stream, version);
    at = span.end;
  }
  return version - firstVersion;
}

/** If a field occurs twice, the last one counts, as in protobuf. */
function checkEvent(record: Uint8Array, { start, end }: EventSpan, stream: string, wanted: number): void {
  let at = start;
  let streamStart = 0;
  let streamEnd = 0;
  let version = 0;
  while (at < end) {
    const tag = record[at] as number;
    const length = record[at + 1] as number;
    if (tag < 0x80 && (tag & 7) === lengthDelimited && length < 0x80) {
      // Nearly every field is like this, and every read pays for this walk.
      at += 2 + length;
      if (tag === streamTag) {
        streamStart = at - length;
        streamEnd = at;
      }
      continue;
    }
    const long = readVarint(record, at);
    const valueAt = long.next;
    at = fieldEnd(record, valueAt, end, long.value);
    if (long.value === streamTag) {
      streamStart = readVarint(record, valueAt).next;
      streamEnd = at;
    } else if (long.value === versionTag) version = readVarint(record, valueAt).value;
  }
  if (at !== end) throw new MalformedRecordError(`the event at byte ${start.toString()} is cut off`);
  if (!isText(record, streamStart, streamEnd, stream))
    throw new MalformedRecordError('it has an event of another stream');
  if (version !== wanted)
    throw new MalformedRecordError(`it has an event of another version than ${wanted.toString()}`);
}

/** Whether [start, end) is this text, which is ASCII. */
function isText(record: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (record[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** The end of the value that begins at a byte, by its tag. */
export function fieldEnd(record: Uint8Array, at: number, end: number, tag: number): number {
  switch (tag & 7) {
    case 0:
      return readVarint(record, at).next;
    case 1:
      return at + 8;
    case lengthDelimited: {
      const length = readVarint(record, at);
      const fieldEnd = length.next + length.value;
      if (fieldEnd > end)
        throw new MalformedRecordError(`the field at byte ${length.next.toString()} is cut off`);
      return fieldEnd;
    }
    case 5:
      return at + 4;
    default:
      throw new MalformedRecordError(`unknown wire type at byte ${at.toString()}`);
  }
}

export function spanAt(record: Uint8Array, frame: number): EventSpan {
  if (record[frame] !== eventsTag) throw new MalformedRecordError(`no event at byte ${frame.toString()}`);
  const { value: length, next: start } = readVarint(record, frame + 1);
  const end = start + length;
  if (end > record.length) throw new MalformedRecordError(`the event at byte ${frame.toString()} is cut off`);
  return { frame, start, end };
}

/** The `id` of the event in [start, end). */
export function eventId(record: Uint8Array, span: EventSpan): string {
  return stringField(record, span, idTag);
}

/** The `type` of the event in [start, end). */
export function eventType(record: Uint8Array, span: EventSpan): string {
  return stringField(record, span, typeTag);
}

/** The `correlation_id` of the event in [start, end). */
export function eventCorrelationId(record: Uint8Array, span: EventSpan): string {
  return stringField(record, span, correlationIdTag);
}

const noTags: readonly string[] = [];

/** The `tags` of the event in [start, end). */
export function eventTags(record: Uint8Array, { start, end }: EventSpan): readonly string[] {
  let tags: string[] | undefined;
  let at = start;
  while (at < end) {
    const tag = record[at] as number;
    const length = record[at + 1] as number;
    let valueStart: number;
    if (tag < 0x80 && (tag & 7) === lengthDelimited && length < 0x80) {
      // As in the walk above.
      at += 2 + length;
      if (tag !== tagsTag) continue;
      valueStart = at - length;
    } else {
      const long = readVarint(record, at);
      at = fieldEnd(record, long.next, end, long.value);
      if (long.value !== tagsTag) continue;
      valueStart = readVarint(record, long.next).next;
    }
    (tags ??= []).push(utf8(record, valueStart, at));
  }
  if (at > end) throw new MalformedRecordError(`the event at byte ${start.toString()} is cut off`);
  return tags ?? noTags;
}

/** The distinct tags of events. */
export function distinctTags(record: Uint8Array, spans: readonly EventSpan[]): Iterable<string> {
  const [first] = spans;
  if (spans.length === 1 && first !== undefined) {
    const tags = eventTags(record, first);
    return tags.length < 2 ? tags : new Set(tags);
  }
  let distinct: Set<string> | undefined;
  for (const span of spans) for (const tag of eventTags(record, span)) (distinct ??= new Set()).add(tag);
  return distinct ?? noTags;
}

function stringField(record: Uint8Array, { start, end }: EventSpan, wanted: number): string {
  let at = start;
  let valueStart = 0;
  let valueEnd = 0;
  while (at < end) {
    const tag = record[at] as number;
    const length = record[at + 1] as number;
    if (tag < 0x80 && (tag & 7) === lengthDelimited && length < 0x80) {
      // As in the walk above.
      at += 2 + length;
      if (tag !== wanted) continue;
      valueStart = at - length;
    } else {
      const long = readVarint(record, at);
      at = fieldEnd(record, long.next, end, long.value);
      if (long.value !== wanted) continue;
      valueStart = readVarint(record, long.next).next;
    }
    valueEnd = at;
  }
  if (at > end) throw new MalformedRecordError(`the event at byte ${start.toString()} is cut off`);
  return utf8(record, valueStart, valueEnd);
}

/** A varint of up to 32 bits; longer ones are read and cut, as protobuf does for lengths and tags. */
export function readVarint(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0;
  let scale = 1;
  for (let at = start; at < start + 10; at++) {
    const byte = bytes[at];
    if (byte === undefined) break;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
    scale *= 128;
  }
  throw new MalformedRecordError(`bad number at byte ${start.toString()}`);
}
