import type { CallContext, ListStreamsQuery, StreamSummary } from '../../store/event-store';
import { patternMatcher } from '../../store/patterns';
import { position, unixNanos, version, type StreamName } from '../../store/values';
import type { IndexEntry } from '../index/index-keys';
import type { ReadableReplica } from './readable-replica';
import { yieldThread } from './yield-thread';

/** Names looked up before other calls run. */
const namesMax = 256;

/** Lists streams by name in byte order, in pages, each stream with its head. */
export async function* listStreams(
  replica: ReadableReplica,
  { pattern, after, maxCount }: ListStreamsQuery,
  call: CallContext,
): AsyncGenerator<readonly StreamSummary[], void> {
  await replica.catchUp('leader', call);
  // Kept for all pages: after a rebuild, the index may not be filled.
  const { index } = replica.files;
  const matches = patternMatcher([pattern]);
  const prefix = pattern.slice(0, /[*>]|$/.exec(pattern)?.index);
  let last = after;
  let left = Number(maxCount ?? Infinity);
  for (let isAtEnd = false; !isAtEnd && left > 0;) {
    const page: StreamSummary[] = [];
    for (let lookups = 0; lookups < namesMax && page.length < left; lookups++) {
      const next = index.nextStream(last, prefix);
      isAtEnd = next === undefined || !next.stream.startsWith(prefix);
      if (next === undefined || isAtEnd) break;
      last = next.stream;
      if (matches(last)) page.push(summaryOf(last, next.entry));
    }
    left -= page.length;
    if (page.length > 0) yield page;
    if (!isAtEnd) await yieldThread(call);
  }
}

function summaryOf(
  stream: string,
  { count, position: at, timeNanos, version: head }: IndexEntry,
): StreamSummary {
  const unreadable = count === 0;
  return {
    stream: stream as StreamName,
    version: version(unreadable ? 0n : head),
    position: position(at),
    commitTime: unixNanos(timeNanos),
    unreadable,
  };
}
