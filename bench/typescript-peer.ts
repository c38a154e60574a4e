import { connect, type NewEvent } from '../src/client/client';
import type { Event } from '../generated/sluice/v1/event';
import { newEvents } from './events';
import type { Peer } from './peer';

/** The gateway through the TypeScript client of Sluice. */
export function typescriptPeer(address: string): Peer {
  const client = connect(address);
  return {
    async append(stream, events, version) {
      await client.append(stream, toNewEvents(events), { expectedVersion: version });
    },
    read(stream, range) {
      if (range === 'all') return count(client.readStream(stream));
      if ('from' in range) return count(client.readStream(stream, { fromVersion: range.from }));
      return count(client.readStream(stream, { direction: 'backward', maxCount: range.last }));
    },
    version: async (stream) => Number((await client.getVersion(stream)).version),
    async appendMulti(streams, version) {
      const appends = streams.map((stream) => ({
        stream,
        events: toNewEvents(newEvents(1)),
        expectedVersion: version,
      }));
      await client.appendMulti(appends);
    },
    correlation: (id) => count(client.readByCorrelation(id)),
    catchUp: () => Promise.reject(new Error('measured through the generated client')),
    follow: () => Promise.reject(new Error('measured through the generated client')),
  };
}

/** The same, with all appends of the process in one session. */
export function sessionPeer(address: string): Peer {
  const session = connect(address).appendSession();
  return {
    ...typescriptPeer(address),
    async append(stream, events, version) {
      await session.append(stream, toNewEvents(events), { expectedVersion: version });
    },
  };
}

export function toNewEvents(events: readonly Event[]): NewEvent[] {
  return events.map(({ id, type, payload, contentType, correlationId, causationId }) => {
    return { id, type, data: payload?.value, contentType, correlationId, causationId };
  });
}

async function count(events: AsyncIterable<unknown>): Promise<number> {
  let found = 0;
  for await (const event of events) found += event === undefined ? 0 : 1;
  return found;
}
