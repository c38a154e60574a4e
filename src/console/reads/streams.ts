import { call, stream } from '../wire/connect';
import type { RecordedEvent, StreamSummary } from '../wire/messages';
import { pageBytesMax, sizeOf } from './collect';

/** A stream of a listing; `lastType` is known only of some. */
export interface ListedStream extends StreamSummary {
  lastType?: string | undefined;
}

export interface Listing {
  readonly streams: readonly ListedStream[];
  /** False: there are more. */
  readonly complete: boolean;
}

/** How many streams are sorted by their newest commit; of more, only those of the newest events are known. */
export const sortedStreamsMax = 2_000;

const tokens = /^[A-Za-z0-9_:@=+~-]+(\.[A-Za-z0-9_:@=+~-]+)*$/;

/** What a prefix can select: whether a stream can begin with it. */
export function isPrefix(prefix: string): boolean {
  return prefix === '' || tokens.test(prefix.replace(/\.$/, ''));
}

/** The streams whose names begin with a prefix, by name, after a name. */
export async function listStreams(
  { prefix, after, count }: { prefix: string; after: string; count: number },
  signal: AbortSignal,
): Promise<Listing> {
  const found: ListedStream[] = [];
  if (prefix !== '' && after === '' && !prefix.endsWith('.')) found.push(...(await exactly(prefix, signal)));
  const whole = prefix.endsWith('.');
  const request = {
    pattern: whole ? `${prefix}>` : undefined,
    after: after !== '' ? after : whole || prefix === '' ? undefined : prefix,
    maxCount: (count + 1).toString(),
    includeDeleted: true,
    permittedOnly: true,
  };
  for await (const { streams = [] } of stream('EventStoreService/ListStreams', request, signal)) {
    for (const summary of streams) {
      if (!(summary.stream ?? '').startsWith(prefix)) return { streams: found, complete: true };
      if (found.length >= count) return { streams: found, complete: false };
      found.push(summary);
    }
  }
  return { streams: found, complete: true };
}

/** A listing after a name does not have that name itself. */
async function exactly(name: string, signal: AbortSignal): Promise<ListedStream[]> {
  const request = { pattern: name, includeDeleted: true, permittedOnly: true };
  for await (const { streams = [] } of stream('EventStoreService/ListStreams', request, signal))
    return streams;
  return [];
}

/** The streams of the newest events, the newest first, from before a position. */
export async function recentStreams(
  { prefix, before, count }: { prefix: string; before: string | undefined; count: number },
  signal: AbortSignal,
): Promise<Listing & { readonly before: string | undefined }> {
  const found = new Map<string, ListedStream>();
  let bytes = 0;
  let last: string | undefined;
  const request = {
    patterns: prefix.endsWith('.') ? [`${prefix}>`] : undefined,
    direction: 'DIRECTION_BACKWARD' as const,
    afterPosition: before,
    maxCount: '5000',
    page: { eventsMax: 200 },
    permittedOnly: true,
    skipUnreadable: true,
  };
  for await (const { events = [] } of stream('EventStoreService/ReadAll', request, signal)) {
    for (const event of events) {
      last = event.position;
      bytes += sizeOf(event);
      const { stream: name = '' } = event;
      if (name.startsWith(prefix) && !found.has(name)) found.set(name, recent(event));
    }
    if (found.size >= count || bytes > pageBytesMax) {
      return { streams: [...found.values()], complete: false, before: last };
    }
  }
  return { streams: [...found.values()], complete: true, before: undefined };
}

function recent(event: RecordedEvent): ListedStream {
  const { stream: name, version, position, commitTime, type } = event;
  return { stream: name, version, position, commitTime, lastType: type, state: 'STREAM_STATE_ACTIVE' };
}

/** The type of the last event of a stream; undefined: none can be read. */
export async function lastType(name: string, signal: AbortSignal): Promise<string | undefined> {
  const request = { stream: name, direction: 'DIRECTION_BACKWARD' as const, maxCount: '1' };
  for await (const { events = [] } of stream('EventStoreService/ReadStream', request, signal)) {
    return events[0]?.type;
  }
  return undefined;
}

/** Each costs a request. */
export const categoriesMax = 24;

/** The first tokens of the names of all streams, in byte order, at most `categoriesMax` and one more. */
export async function categories(signal: AbortSignal): Promise<string[]> {
  const found = new Set<string>();
  let after = '';
  while (found.size <= categoriesMax) {
    const request = { after: after === '' ? undefined : after, maxCount: '1', permittedOnly: true };
    let name: string | undefined;
    for await (const { streams = [] } of stream('EventStoreService/ListStreams', request, signal)) {
      name = streams[0]?.stream;
    }
    if (name === undefined) break;
    const [first = ''] = name.split('.', 1);
    found.add(first);
    // After all names that begin with this token and a dot: "~" is the last character that a name can have.
    after = name === first ? first : `${first}.`.padEnd(200, '~');
  }
  return [...found];
}

/** Whether a stream exists, for a jump to it. */
export async function streamExists(name: string, signal: AbortSignal): Promise<boolean> {
  const { version } = await call('EventStoreService/GetVersion', { stream: name }, signal);
  return version !== undefined;
}
