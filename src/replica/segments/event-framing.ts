import { eventsTag, type EventSpan } from '../../protobuf/commit-record';
import { writeVarint } from '../../protobuf/varint';

/**
 * Frames stored events as they are sent. A protobuf message is the merge of its concatenated parts, so an event is copied as
 * it is stored, and its `position` and `commit_time`, which only the store knows, are appended.
 */
export function frameEvent(
  source: Uint8Array,
  { start, end }: EventSpan,
  suffix: Uint8Array,
  suffixBytes: number,
  target: Uint8Array,
  at: number,
): number {
  target[at++] = eventsTag;
  at = writeVarint(target, at, end - start + suffixBytes);
  at = copy(source, start, end, target, at);
  return copy(suffix, 0, suffixBytes, target, at);
}

const loopBytesMax = 64;

/** Copies [start, end) and answers where the copy ends. For few bytes a loop beats the native copy. */
function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  if (end - start > loopBytesMax) target.set(source.subarray(start, end), at);
  else for (let from = start, to = at; from < end; from++, to++) target[to] = source[from] as number;
  return at + end - start;
}

const positionTag = 12 << 3;
const commitTimeTag = (13 << 3) | 2;
const secondsTag = 1 << 3;
const nanosTag = 2 << 3;
/** Tag and 10 bytes of position; tag, length, tag and 10 bytes of seconds, tag and 5 bytes of nanoseconds. */
export const suffixBytesMax = 1 + 10 + 1 + 1 + 1 + 10 + 1 + 5;

/** Writes the fields `position` and `commit_time` of RecordedEvent, and answers where they end. */
export function writeSuffix(target: Uint8Array, start: number, position: bigint, timeNanos: bigint): number {
  target[start] = positionTag;
  let at = writeBigVarint(target, start + 1, position);
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
