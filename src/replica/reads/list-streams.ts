import type { CallContext, ListStreamsQuery, StreamSummary } from '../../store/event-store';
import { streamMatcher, type StreamSelection } from '../../store/patterns';
import { position, unixNanos, version, type StreamName } from '../../store/values';
import type { IndexEntry } from '../index/index-keys';
import type { ReplicaIndex } from '../index/replica-index';
import { lifecycleOf, shownLifecycle } from './stream-lifecycle';
import type { ReadableReplica } from './readable-replica';
import { yieldThread } from './yield-thread';

/** Names looked up before other calls run. */
const namesMax = 256;

/** Lists streams by name in byte order, in pages, each stream with its head. */
export async function* listStreams(
  replica: ReadableReplica,
  query: ListStreamsQuery,
  call: CallContext,
): AsyncGenerator<readonly StreamSummary[], void> {
  await replica.catchUp('leader', call);
  // Kept for all pages: after a rebuild, the index may not be filled.
  const { index } = replica.files;
  const matches = streamMatcher(query);
  const prefixes = prefixesOf(query);
  let last = query.after;
  let left = Number(query.maxCount ?? Infinity);
  while (prefixes.length > 0 && left > 0) {
    const page: StreamSummary[] = [];
    for (let lookups = 0; lookups < namesMax && page.length < left; lookups++) {
      const [prefix] = prefixes;
      if (prefix === undefined) break;
      const next = index.nextStream(last, prefix);
      if (next?.stream.startsWith(prefix) !== true) {
        prefixes.shift();
        continue;
      }
      last = next.stream;
      if (!matches(last)) continue;
      const summary = summaryOf(index, last, next.entry);
      if (query.includeDeleted || isActive(summary)) page.push(summary);
    }
    left -= page.length;
    if (page.length > 0) yield page;
    if (prefixes.length > 0) await yieldThread(call);
  }
}

/** Every selected name begins with one of these. They are in byte order, and none begins with another. */
function prefixesOf({ patterns, visible = ['>'] }: StreamSelection): string[] {
  const asked = distinctPrefixes(patterns);
  const seen = distinctPrefixes(visible);
  return [
    ...seen.filter((prefix) => asked.some((other) => prefix.startsWith(other))),
    ...asked.filter((prefix) => seen.some((other) => prefix !== other && prefix.startsWith(other))),
  ].sort();
}

/** Names are ASCII, so the order of sort() is byte order. */
function distinctPrefixes(patterns: readonly string[]): string[] {
  const sorted = patterns.map((pattern) => pattern.slice(0, /[*>]|$/.exec(pattern)?.index)).sort();
  let last: string | undefined;
  return sorted.filter((prefix) => {
    if (last !== undefined && prefix.startsWith(last)) return false;
    last = prefix;
    return true;
  });
}

/** What a deletion hides is not listed; what cannot be read is. */
function isActive({ lifecycle }: StreamSummary): boolean {
  return lifecycle === undefined || lifecycle.state === 'active';
}

function summaryOf(
  index: ReplicaIndex,
  stream: string,
  { kind, position: at, timeNanos, version: head }: IndexEntry,
): StreamSummary {
  const unreadable = kind === 'damage';
  const summary = {
    stream: stream as StreamName,
    version: version(unreadable ? 0n : head),
    position: position(at),
    commitTime: unixNanos(timeNanos),
    unreadable,
  };
  return { ...summary, lifecycle: unreadable ? undefined : shownLifecycle(lifecycleOf(index, stream, head)) };
}
