import type { DeepPartial, Event } from '../../generated/sluice/v1/event';
import type { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import type { Appended, ContractStore, Head, StoredEvent } from './contract-store';

/** An event to append whose id is known. */
export type GivenEvent = DeepPartial<Event> & { readonly id: string; readonly type: string };

/** Where and when a commit was stored. */
export type Taken = Head & { readonly commitTime: bigint };

/** Events with nothing but an id and a type; the ids begin with `prefix`. */
export function plainEvents(count: number, prefix = 'e', type = 'Happened'): GivenEvent[] {
  return Array.from({ length: count }, (_, index) => ({ id: `${prefix}-${index + 1}`, type }));
}

/** Appends and asks for the commit time. */
export async function put(
  store: ContractStore,
  stream: string,
  events: readonly DeepPartial<Event>[],
  more: DeepPartial<AppendRequest> = {},
): Promise<Appended & Taken> {
  const appended = await store.append({ stream, events: [...events], withCommitTime: true, ...more });
  const { commitTime } = appended;
  if (commitTime === undefined) throw new Error('the commit time was asked for and did not come');
  return { ...appended, commitTime };
}

/** The event as the contract promises to give it back. */
export function recorded(
  stream: string,
  version: bigint,
  event: GivenEvent,
  { position, commitTime }: Taken,
): StoredEvent {
  return {
    id: event.id,
    stream,
    version,
    type: event.type,
    payload: event.payload as StoredEvent['payload'],
    contentType: event.contentType ?? '',
    correlationId: event.correlationId ?? event.id,
    causationId: event.causationId ?? event.id,
    tags: [...(event.tags ?? [])],
    metadata: new Map(event.metadata as Map<string, string> | undefined),
    position,
    commitTime,
    erased: false,
  };
}

/** What is left of an event that was erased. */
export function stub({ id, stream, version, type, position, commitTime }: StoredEvent): StoredEvent {
  const nothing = { payload: undefined, contentType: '', correlationId: '', causationId: '', tags: [] };
  return {
    ...{ id, stream, version, type, position, commitTime },
    ...nothing,
    metadata: new Map(),
    erased: true,
  };
}

export function versionsOf(events: readonly Pick<StoredEvent, 'version'>[]): number[] {
  return events.map(({ version }) => Number(version));
}

/** The whole numbers from one through another, up or down. */
export function range(from: number, to: number): number[] {
  const increment = from <= to ? 1 : -1;
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, index) => from + increment * index);
}
