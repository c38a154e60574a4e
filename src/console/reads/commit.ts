import { stream } from '../wire/connect';
import type { ReadAllHeader, ReadByCorrelationHeader, RecordedEvent } from '../wire/messages';
import { collect, type Events } from './collect';

/** The events of the commit at a position, over all streams that the caller may read. */
export function readCommit(position: string, signal: AbortSignal): Promise<Events<ReadAllHeader>> {
  const request = {
    afterPosition: (BigInt(position) - 1n).toString(),
    toPosition: position,
    permittedOnly: true,
  };
  return collect(stream('EventStoreService/ReadAll', request, signal));
}

export const correlatedEventsMax = 1_000;

export function readCorrelated(
  correlationId: string,
  signal: AbortSignal,
): Promise<Events<ReadByCorrelationHeader>> {
  const request = { correlationId, maxCount: correlatedEventsMax.toString() };
  return collect(stream('EventStoreService/ReadByCorrelation', request, signal));
}

/** The newest events that have a tag. */
export function readTagged(tag: string, signal: AbortSignal): Promise<Events<ReadAllHeader>> {
  const request = {
    query: { items: [{ tags: [tag] }] },
    direction: 'DIRECTION_BACKWARD' as const,
    maxCount: '100',
    permittedOnly: true,
  };
  return collect(stream('EventStoreService/ReadAll', request, signal));
}

/** One event; undefined: the stream has no such version, or it is hidden. */
export async function readEvent(
  name: string,
  version: string,
  signal: AbortSignal,
): Promise<RecordedEvent | undefined> {
  const request = { stream: name, fromVersion: version, toVersion: version };
  const { events } = await collect(stream('EventStoreService/ReadStream', request, signal));
  return events[0];
}
