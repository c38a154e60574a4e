import { CallError } from '../wire/call-error';
import { call, stream } from '../wire/connect';
import type { ReadAllRequest, RecordedEvent } from '../wire/messages';
import type { Commands } from './commands';
import { readCommit, readCorrelated, readTagged } from './commit';

export const searchKinds = ['correlation', 'commit', 'event', 'position', 'tag'] as const;
export type SearchKind = (typeof searchKinds)[number];

export interface Found {
  readonly events: readonly RecordedEvent[];
  readonly cut: 'no' | 'count' | 'bytes';
  /** Whether events of other streams may have been left out. */
  readonly limited: boolean;
  /** What to say if there is nothing. */
  readonly nothing: string;
}

/** The events that are meant. Throws CallError. */
export async function search(kind: SearchKind, text: string, signal: AbortSignal): Promise<Found> {
  switch (kind) {
    case 'correlation': {
      const { events, cut, header } = await readCorrelated(text, signal);
      return {
        events,
        cut,
        limited: header?.limitedToGrants === true,
        nothing: 'No event has this correlation id.',
      };
    }
    case 'commit':
      return byCommitId(text, signal);
    case 'event':
      return byEventId(text, signal);
    case 'position':
      return atPosition(text, signal);
    case 'tag': {
      const { events, cut } = await readTagged(text, signal);
      return { events, cut, limited: false, nothing: 'No event that you may read has this tag.' };
    }
  }
}

async function atPosition(text: string, signal: AbortSignal): Promise<Found> {
  const digits = text.replaceAll(/[ ,_]/g, '');
  if (!/^[1-9]\d{0,15}$/.test(digits))
    throw new CallError('invalid_argument', 'a position is a number from 1 on');
  const { events, cut } = await readCommit(digits, signal);
  return {
    events,
    cut,
    limited: false,
    nothing: 'No commit that you may read has this position: positions have gaps.',
  };
}

async function byCommitId(commitId: string, signal: AbortSignal): Promise<Found> {
  const { position, streams = [] } = await call('EventStoreService/GetCommit', { commitId }, signal);
  if (position === undefined)
    return { events: [], cut: 'no', limited: false, nothing: 'No commit that you may read has this id.' };
  const { events, cut } = await readCommit(position, signal);
  const names = streams.map((one) => one.stream ?? '').join(', ');
  return { events, cut, limited: false, nothing: `No event of this commit can be read. It is on: ${names}` };
}

/** How far the clock that made an id may be from that of the store. */
const clocksDifferMs = 60_000;
/** Events that a search looks at. */
const searchedEventsMax = 10_000;

/**
 * The store has no index of event ids. An event without a correlation id has its own id as that; and a UUID v7 has the time at which it
 * was made, so that the events stored about then are looked at.
 */
async function byEventId(text: string, signal: AbortSignal): Promise<Found> {
  const correlated = await readCorrelated(text, signal);
  const limited = correlated.header?.limitedToGrants === true;
  const known = correlated.events.filter(({ id }) => id === text);
  if (known.length > 0) return { events: known, cut: 'no', limited, nothing: '' };
  const madeMs = timeOf(text);
  if (madeMs === undefined) {
    const nothing =
      'No event with this id begins a correlation, and only a UUID v7 tells when to look for others.';
    return { events: [], cut: 'no', limited, nothing };
  }
  const { event, isCut } = await findAround(text, madeMs, signal);
  const nothing = isCut
    ? `None of the first ${searchedEventsMax.toString()} events about the time of this id has it.`
    : 'No event that you may read has this id and was stored within a minute of its time.';
  return { events: event === undefined ? [] : [event], cut: 'no', limited, nothing };
}

/** In milliseconds since 1970; undefined: it is not a UUID v7. */
function timeOf(id: string): number | undefined {
  if (!/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i.test(id)) return undefined;
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

async function findAround(
  id: string,
  madeMs: number,
  signal: AbortSignal,
): Promise<{ readonly event: RecordedEvent | undefined; readonly isCut: boolean }> {
  const request: ReadAllRequest = {
    fromTime: new Date(madeMs - clocksDifferMs).toISOString(),
    toTime: new Date(madeMs + clocksDifferMs).toISOString(),
    maxCount: searchedEventsMax.toString(),
    permittedOnly: true,
  };
  let isCut = false;
  for await (const { events = [], end } of stream('EventStoreService/ReadAll', request, signal)) {
    const event = events.find((one) => one.id === id);
    if (event !== undefined) return { event, isCut: false };
    isCut = end?.reason === 'READ_END_REASON_MAX_COUNT';
  }
  return { event: undefined, isCut };
}

/** The commands of a search. */
export function searchCommands(kind: SearchKind, text: string): Commands {
  switch (kind) {
    case 'position': {
      const after = /^[1-9]\d{0,15}$/.test(text) ? (BigInt(text) - 1n).toString() : '0';
      const request = { afterPosition: after, toPosition: text };
      return {
        method: 'EventStoreService/ReadAll',
        request,
        sluice: ['tail', '--from', text, '--max-count', '1'],
      };
    }
    case 'tag': {
      const request = {
        query: { items: [{ tags: [text] }] },
        direction: 'DIRECTION_BACKWARD',
        maxCount: '100',
      };
      return { method: 'EventStoreService/ReadAll', request, sluice: undefined };
    }
    case 'commit':
      return {
        method: 'EventStoreService/GetCommit',
        request: { commitId: text },
        sluice: ['commit', text],
      };
    default: {
      const request = { correlationId: text };
      return { method: 'EventStoreService/ReadByCorrelation', request, sluice: ['correlation', text] };
    }
  }
}
