import { eventSpans, eventsTag, type EventSpan } from '../store/commit-record';
import type { PageSize } from '../store/commands';
import type { CommitSlice } from '../store/event-store';
import { fieldBytes, writeVarint } from '../store/varint';

/**
 * Puts stored events into response messages without decoding them. A protobuf message is the merge of its
 * concatenated parts, so each event is copied as it is stored, and its `position` and `commit_time`, which only the
 * store knows, are appended. The events are field 1 of every response that carries events.
 */

/** Encoded fields that a response has beside its events; empty if it has none. */
export interface Surroundings {
  /** For the first message of the page. */
  readonly header: Uint8Array;
  /** For the last message of the page. */
  readonly end: Uint8Array;
}

/** Events [from, to) of a commit. */
interface Run {
  readonly source: Uint8Array;
  readonly spans: readonly EventSpan[];
  readonly from: number;
  readonly to: number;
  /** What is appended to each event: [start, end) of the page's suffixes. */
  readonly suffix: { readonly start: number; readonly end: number };
}

const none = new Uint8Array(0);

/**
 * The messages of a page, at most `size` each but for one larger event; none if there is nothing to say. They are
 * made one by one, as the caller takes them. Throws MalformedRecordError.
 */
export function* reframe(
  page: { readonly commits: readonly CommitSlice[] },
  size: PageSize,
  { header, end }: Surroundings,
): Generator<Buffer, void> {
  let before = header;
  let runs: Run[] = [];
  let events = 0;
  let bytes = 0;
  // One buffer for all: each of its own would cost more than all the rest.
  const suffixes = new Uint8Array(page.commits.length * suffixBytesMax);
  let suffixEnd = 0;
  for (const commit of page.commits) {
    const source = commit.events;
    const suffix = { start: suffixEnd, end: writeSuffix(suffixes, suffixEnd, commit) };
    suffixEnd = suffix.end;
    const spans = eventSpans(source);
    let from = 0;
    for (let index = 0; index < spans.length; index++) {
      const framed = framedBytes(spans[index] as EventSpan, suffix.end - suffix.start);
      if (events > 0 && (events >= size.eventsMax || bytes + framed > size.bytesMax)) {
        runs.push({ source, spans, from, to: index, suffix });
        yield write(runs, suffixes, bytes, before, none);
        [before, runs, events, bytes, from] = [none, [], 0, 0, index];
      }
      events++;
      bytes += framed;
    }
    runs.push({ source, spans, from, to: spans.length, suffix });
  }
  if (bytes + before.length + end.length > 0) yield write(runs, suffixes, bytes, before, end);
}

function write(
  runs: readonly Run[],
  suffixes: Uint8Array,
  eventBytes: number,
  header: Uint8Array,
  end: Uint8Array,
): Buffer {
  const target = Buffer.allocUnsafe(eventBytes + header.length + end.length);
  let at = 0;
  for (const { source, spans, from, to, suffix } of runs) {
    for (let index = from; index < to; index++) {
      const span = spans[index] as EventSpan;
      target[at++] = eventsTag;
      at = writeVarint(target, at, span.end - span.start + suffix.end - suffix.start);
      at = copy(source, span.start, span.end, target, at);
      at = copy(suffixes, suffix.start, suffix.end, target, at);
    }
  }
  at = copy(header, 0, header.length, target, at);
  copy(end, 0, end.length, target, at);
  return target;
}

const loopBytesMax = 64;

/** Copies [start, end) and answers where the copy ends. For few bytes a loop beats the native copy. */
function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  if (end - start > loopBytesMax) target.set(source.subarray(start, end), at);
  else for (let from = start, to = at; from < end; from++, to++) target[to] = source[from] as number;
  return at + end - start;
}

function framedBytes({ start, end }: EventSpan, suffixBytes: number): number {
  return fieldBytes(end - start + suffixBytes);
}

const positionTag = 12 << 3;
const commitTimeTag = (13 << 3) | 2;
const secondsTag = 1 << 3;
const nanosTag = 2 << 3;
/** Tag and 10 bytes of position; tag, length, tag and 10 bytes of seconds, tag and 5 bytes of nanoseconds. */
const suffixBytesMax = 1 + 10 + 1 + 1 + 1 + 10 + 1 + 5;

/** Writes the fields `position` and `commit_time` of RecordedEvent, and answers where they end. */
function writeSuffix(target: Uint8Array, start: number, { position, commitTime }: CommitSlice): number {
  target[start] = positionTag;
  let at = writeBigVarint(target, start + 1, position);
  target[at] = commitTimeTag;
  const lengthAt = at + 1;
  target[at + 2] = secondsTag;
  const seconds = commitTime / 1_000_000_000n;
  at = writeBigVarint(target, at + 3, seconds);
  target[at] = nanosTag;
  at = writeVarint(target, at + 1, Number(commitTime - seconds * 1_000_000_000n));
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
