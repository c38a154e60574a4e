import { eventsTag, type EventSpan } from '../../protobuf/commit-record';
import { fieldBytes, writeVarint } from '../../protobuf/varint';

const positionTag = 12 << 3;
const commitTimeTag = (13 << 3) | 2;
const secondsTag = 1 << 3;
const nanosTag = 2 << 3;
/** Tag and 10 bytes of position; tag, length, tag and 10 bytes of seconds, tag and 5 bytes of nanoseconds. */
const suffixBytesMax = 1 + 10 + 1 + 1 + 1 + 10 + 1 + 5;

/** Up to this length a loop copies faster than the native copy. */
const loopBytesMax = 64;

/** The suffix of one commit at a time, since a buffer for each commit would cost more than to write the suffix again. */
const suffix = new Uint8Array(suffixBytesMax);
let suffixOwner: EventFramer | undefined;

/**
 * Frames the events of a commit as they are sent. A protobuf message is the merge of its concatenated parts, so each event is
 * copied as it is stored, and a suffix is appended: the fields `position` and `commit_time`, which only the store knows.
 */
export class EventFramer {
  private readonly suffixBytes: number;

  constructor(
    readonly position: bigint,
    readonly timeNanos: bigint,
  ) {
    this.suffixBytes = takeSuffix(this);
  }

  /** The bytes of a framed event. */
  framedBytes({ start, end }: EventSpan): number {
    return fieldBytes(end - start + this.suffixBytes);
  }

  /** Writes an event of `source` into `target`; returns where it ends. */
  write(source: Uint8Array, { start, end }: EventSpan, target: Uint8Array, frame: number): number {
    if (suffixOwner !== this) takeSuffix(this);
    const { suffixBytes } = this;
    const length = end - start;
    target[frame] = eventsTag;
    const at = writeVarint(target, frame + 1, length + suffixBytes);
    if (length > loopBytesMax) target.set(source.subarray(start, end), at);
    else for (let from = start, to = at; from < end; from++, to++) target[to] = source[from] as number;
    const suffixAt = at + length;
    for (let from = 0; from < suffixBytes; from++) target[suffixAt + from] = suffix[from] as number;
    return suffixAt + suffixBytes;
  }
}

/** Makes the suffix that of a commit; returns its bytes. */
function takeSuffix(framer: EventFramer): number {
  suffixOwner = framer;
  return writeSuffix(suffix, framer.position, framer.timeNanos);
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
