import {
  fieldEnd,
  lengthDelimited,
  MalformedRecordError,
  readVarint,
  streamTag,
  versionTag,
  type EventSpan,
} from './commit-record';
import { utf8 } from './utf8';

const positionTag = 12 << 3;
const commitTimeTag = (13 << 3) | lengthDelimited;
const secondsTag = 1 << 3;
const nanosTag = 2 << 3;

/** Where an event is, and since when. */
export interface EventPlace {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  /** The commit time: whole seconds since 1970, and nanoseconds. */
  readonly seconds: number;
  readonly nanos: number;
}

/** The place of the event in [start, end), as it is sent: with position and commit time. Throws MalformedRecordError. */
export function eventPlace(record: Uint8Array, { start, end }: EventSpan): EventPlace {
  let stream = '';
  let version = 0;
  let position = 0;
  let time = { seconds: 0, nanos: 0 };
  let at = start;
  while (at < end) {
    const first = record[at] as number;
    const length = record[at + 1] as number;
    const isOther = (first & 7) === lengthDelimited && first !== streamTag && first !== commitTimeTag;
    if (isOther && first < 0x80 && length < 0x80) {
      // Nearly every field is like this.
      at += 2 + length;
      continue;
    }
    const tag = readVarint(record, at);
    at = fieldEnd(record, tag.next, end, tag.value);
    if (tag.value === streamTag) stream = utf8(record, readVarint(record, tag.next).next, at);
    else if (tag.value === versionTag) version = readVarint(record, tag.next).value;
    else if (tag.value === positionTag) position = readVarint(record, tag.next).value;
    else if (tag.value === commitTimeTag) time = timestamp(record, readVarint(record, tag.next).next, at);
  }
  if (at > end) throw new MalformedRecordError(`the event at byte ${start.toString()} is cut off`);
  return { stream, version, position, ...time };
}

function timestamp(
  record: Uint8Array,
  start: number,
  end: number,
): { readonly seconds: number; readonly nanos: number } {
  let seconds = 0;
  let nanos = 0;
  for (let at = start; at < end;) {
    const tag = readVarint(record, at);
    at = fieldEnd(record, tag.next, end, tag.value);
    if (tag.value === secondsTag) seconds = readVarint(record, tag.next).value;
    else if (tag.value === nanosTag) nanos = readVarint(record, tag.next).value;
  }
  return { seconds, nanos };
}
