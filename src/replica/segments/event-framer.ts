import { eventsTag, type EventSpan } from '../../protobuf/commit-record';
import { fieldBytes, writeVarint } from '../../protobuf/varint';

const positionTag = 12 << 3;
const commitTimeTag = (13 << 3) | 2;
const secondsTag = 1 << 3;
const nanosTag = 2 << 3;
/** Tag and 10 bytes of position; tag, length, tag and 10 bytes of seconds, tag and 5 bytes of nanoseconds. */
const suffixBytesMax = 1 + 10 + 1 + 1 + 1 + 10 + 1 + 5;

/**
 * Frames the events of a commit as they are sent. A protobuf message is the merge of its concatenated parts, so each event is
 * copied as it is stored, and a suffix is appended: the fields `position` and `commit_time`, which only the store knows.
 */
export class EventFramer {
  private readonly suffix = Buffer.allocUnsafe(suffixBytesMax);
  private readonly suffixSpan: { readonly start: 0; readonly end: number };

  constructor(position: bigint, timeNanos: bigint) {
    this.suffixSpan = { start: 0, end: writeSuffix(this.suffix, position, timeNanos) };
  }

  /** The bytes of a framed event. */
  framedBytes({ start, end }: EventSpan): number {
    return fieldBytes(end - start + this.suffixSpan.end);
  }

  /** Writes an event of `source` into `target`; returns where it ends. */
  write(source: Uint8Array, span: EventSpan, target: Uint8Array, start: number): number {
    const { suffix, suffixSpan } = this;
    target[start] = eventsTag;
    let at = writeVarint(target, start + 1, span.end - span.start + suffixSpan.end);
    at = copy(source, span, target, at);
    return copy(suffix, suffixSpan, target, at);
  }
}

const loopBytesMax = 64;

/** Copies [start, end) and returns where the copy ends. For few bytes a loop is faster than the native copy. */
function copy(
  source: Uint8Array,
  { start, end }: Pick<EventSpan, 'start' | 'end'>,
  target: Uint8Array,
  at: number,
): number {
  if (end - start > loopBytesMax) target.set(source.subarray(start, end), at);
  else for (let from = start, to = at; from < end; from++, to++) target[to] = source[from] as number;
  return at + end - start;
}

/** Writes the fields `position` and `commit_time` of RecordedEvent, and returns where they end. */
function writeSuffix(target: Uint8Array, position: bigint, timeNanos: bigint): number {
  target[0] = positionTag;
  let at = writeBigVarint(target, 1, position);
  target[at] = commitTimeTag;
  const lengthAt = at + 1;
  target[at + 2] = secondsTag;
  const seconds = timeNanos / 1_000_000_000n;
  at = writeBigVarint(target, at + 3, seconds);
  target[at] = nanosTag;
  at = writeVarint(target, at + 1, Number(timeNanos - seconds * 1_000_000_000n));
  target[lengthAt] = at - lengthAt - 1;
  return at;
}

/** `writeVarint` for up to 64 bits. */
function writeBigVarint(target: Uint8Array, start: number, value: bigint): number {
  if (value <= Number.MAX_SAFE_INTEGER) return writeVarint(target, start, Number(value));
  let at = start;
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) target[at++] = Number(rest & 127n) | 128;
  target[at++] = Number(rest);
  return at;
}
