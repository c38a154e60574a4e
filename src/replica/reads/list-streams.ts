import type { CallContext, ListStreamsQuery, StreamSummary } from '../../store/event-store';
import { patternMatcher } from '../../store/patterns';
import { position, unixNanos, version, type StreamName } from '../../store/values';
import { turn } from './read-stream';
import type { ReadableReplica } from './readable-replica';

/** Names looked at before others go on. */
const namesMax = 256;

/** Streams by name in byte order, in pages, each with its head. */
export async function* listStreams(
  replica: ReadableReplica,
  { pattern, after, maxCount }: ListStreamsQuery,
  call: CallContext,
): AsyncGenerator<readonly StreamSummary[], void> {
  await replica.catchUp('leader', call);
  // Those of now: others in their place may not be filled.
  const { index } = replica.files;
  const matches = patternMatcher([pattern]);
  const prefix = pattern.slice(0, /[*>]|$/.exec(pattern)?.index);
  let last = after;
  let left = maxCount ?? Infinity;
  for (let isAtEnd = false; !isAtEnd && left > 0;) {
    const page: StreamSummary[] = [];
    for (let looked = 0; looked < namesMax && left > 0; looked++) {
      const next = index.nextStream(last, prefix);
      isAtEnd = next === undefined || !next.stream.startsWith(prefix);
      if (next === undefined || isAtEnd) break;
      last = next.stream;
      if (!matches(last)) continue;
      const { count, position: at, timeNanos, version: head } = next.entry;
      page.push({
        stream: last as StreamName,
        version: version(count === 0 ? 0n : head),
        position: position(at),
        commitTime: unixNanos(timeNanos),
        unreadable: count === 0,
      });
      left = Number(left) - 1;
    }
    if (page.length > 0) yield page;
    if (!isAtEnd) await turn(call);
  }
}
