import { utf8 } from './utf8';

/**
 * Walks the bytes of a CommitRecord (proto/sluice/v1/event.proto) without decoding it: reads relay events as
 * they are stored, and look inside only to filter.
 */

/** The bytes are not a CommitRecord. */
export class MalformedRecordError extends Error {}

const lengthDelimited = 2;
/** Field 1, length-delimited: `CommitRecord.events`, and `events` of every response that carries events. */
export const eventsTag = (1 << 3) | lengthDelimited;
const typeTag = (4 << 3) | lengthDelimited;
const correlationIdTag = (8 << 3) | lengthDelimited;

/** Where one event lies: its framing starts at `frame`, its own bytes are [start, end). */
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

/** How many events there are. Throws MalformedRecordError. */
export function eventCount(record: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < record.length; count++) at = spanAt(record, at).end;
  return count;
}

function spanAt(record: Uint8Array, frame: number): EventSpan {
  if (record[frame] !== eventsTag) throw new MalformedRecordError(`no event at byte ${frame.toString()}`);
  const { value: length, next: start } = readVarint(record, frame + 1);
  const end = start + length;
  if (end > record.length) throw new MalformedRecordError(`the event at byte ${frame.toString()} is cut off`);
  return { frame, start, end };
}

/** The `type` of the event in [start, end). */
export function eventType(record: Uint8Array, span: EventSpan): string {
  return stringField(record, span, typeTag);
}

/** The `correlation_id` of the event in [start, end). */
export function eventCorrelationId(record: Uint8Array, span: EventSpan): string {
  return stringField(record, span, correlationIdTag);
}

function stringField(record: Uint8Array, { start, end }: EventSpan, wanted: number): string {
  let at = start;
  let found = '';
  while (at < end) {
    const tag = readVarint(record, at);
    at = tag.next;
    switch (tag.value & 7) {
      case 0:
        at = readVarint(record, at).next;
        break;
      case 1:
        at += 8;
        break;
      case lengthDelimited: {
        const length = readVarint(record, at);
        at = length.next + length.value;
        if (at > end)
          throw new MalformedRecordError(`the field at byte ${length.next.toString()} is cut off`);
        if (tag.value === wanted) found = utf8(record, length.next, at);
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        throw new MalformedRecordError(`unknown wire type at byte ${at.toString()}`);
    }
  }
  return found;
}

/** A varint of up to 32 bits in use; longer ones are read and cut, as protobuf does for lengths and tags. */
function readVarint(bytes: Uint8Array, start: number): { value: number; next: number } {
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
