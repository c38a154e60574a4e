import {
  eventSpans,
  eventsTag,
  fieldEnd,
  MalformedRecordError,
  readVarint,
  type EventSpan,
} from './commit-record';
import { fieldBytes, writeVarint } from './varint';

/** A part of the bytes of an event: a whole field. */
interface Field {
  readonly start: number;
  readonly end: number;
}

const keptBefore = [1, 2, 3, 4];
/** Position and commit time, which are added to an event when it is sent. */
const keptAfter = [12, 13];
/** `erased = true`. */
const erased = Uint8Array.of(14 << 3, 1);

/**
 * A CommitRecord with a stub for each event: its id, stream, version and type, `erased`, and position and commit time if it has them.
 * It is never longer than the record was: an event that has nothing else has nothing to erase, and stays as it is. Throws
 * MalformedRecordError.
 */
export function erasedRecord(record: Uint8Array): Uint8Array {
  const target = new Uint8Array(record.length);
  let at = 0;
  for (const span of eventSpans(record)) at = writeStub(target, at, record, span);
  return target.subarray(0, at);
}

/** Returns where the stub ends. */
function writeStub(target: Uint8Array, frame: number, record: Uint8Array, span: EventSpan): number {
  const fields = fieldsOf(record, span);
  const kept = (numbers: readonly number[]): Uint8Array[] =>
    numbers.flatMap((number) => {
      const field = fields.get(number);
      return field === undefined ? [] : [record.subarray(field.start, field.end)];
    });
  const [before, after] = [kept(keptBefore), kept(keptAfter)];
  const isBare = fields.size === before.length + after.length;
  const parts = [...before, ...(isBare ? [] : [erased]), ...after];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  // Fields that occur twice, or numbers that take more bytes than they need, only make it shorter.
  if (fieldBytes(length) > span.end - span.frame) throw new Error('a stub is longer than its event');
  target[frame] = eventsTag;
  let at = writeVarint(target, frame + 1, length);
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  return at;
}

/** The fields of an event by number; of one that occurs twice, the last, as in protobuf. */
function fieldsOf(record: Uint8Array, { start, end }: EventSpan): Map<number, Field> {
  const fields = new Map<number, Field>();
  let at = start;
  while (at < end) {
    const tag = readVarint(record, at);
    const fieldAt = at;
    at = fieldEnd(record, tag.next, end, tag.value);
    fields.set(Math.floor(tag.value / 8), { start: fieldAt, end: at });
  }
  if (at !== end) throw new MalformedRecordError(`the event at byte ${start.toString()} is cut off`);
  return fields;
}

/** Where the events of a record end that are followed by nothing but zeros. Throws MalformedRecordError. */
export function endOfEvents(bytes: Uint8Array, start: number, count: number): number {
  let at = start;
  for (let left = count; left > 0; left--) {
    if (bytes[at] !== eventsTag) throw new MalformedRecordError(`no event at byte ${at.toString()}`);
    const { value: length, next } = readVarint(bytes, at + 1);
    at = next + length;
  }
  return at;
}
