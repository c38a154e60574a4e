import type { DeepPartial } from '../../generated/sluice/v1/event';
import { Direction, type ReadAllRequest } from '../../generated/sluice/v1/event_store_service';
import { problemOf, type StoredEvent } from './contract-store';
import { plainEvents, put, range } from './events';
import { Follower } from './follower';
import type { OpenContract } from './open';

type Filter = Pick<DeepPartial<ReadAllRequest>, 'patterns' | 'eventTypes' | 'eventTypePrefixes'>;

const large = { $case: 'text' as const, value: 'x'.repeat(40_000) };
const filters: [string, Filter][] = [
  ['all events', {}],
  ['some streams', { patterns: ['in.a', 'in.c'] }],
  ['one stream', { patterns: ['in.b'] }],
  ['some types', { eventTypes: ['Even'] }],
  ['some types of some streams', { patterns: ['in.>'], eventTypePrefixes: ['Od'] }],
];

/** Reads and subscriptions that begin within a commit. */
export function withinCommitContract(open: OpenContract): void {
  describe.each(filters)('of %s', (_name, filter) => {
    test('a read has what follows a number of events, in both directions', async () => {
      await using store = await filled(open);
      for (const direction of [Direction.FORWARD, Direction.BACKWARD]) {
        const { events } = await store.all({ ...filter, direction });
        for (const { position, count, index } of cursorsOf(events)) {
          const request = { ...filter, direction, afterPosition: position, afterCount: count };
          expect(keys((await store.all(request)).events)).toEqual(keys(events.slice(index)));
          const { events: rest, end } = await store.all({ ...request, maxCount: 1n });
          const first = events[index];
          const ofFirst = events.slice(index).filter((event) => event.position === first?.position);
          expect([keys(rest), end]).toEqual([keys(ofFirst), ofFirst.length === 0 ? 'complete' : 'maxCount']);
        }
      }
    });

    test('a subscription has what follows a number of events', async () => {
      await using store = await filled(open);
      const { events } = await store.all(filter);
      for (const { position, count, index } of cursorsOf(events)) {
        await using follower = new Follower(store, {
          ...filter,
          afterPosition: position,
          afterCount: count,
        });
        const first = await follower.next();
        expect(first).toMatchObject({ kind: 'checkpoint', position: undefined });
        expect(keys(await follower.take(events.length - index))).toEqual(keys(events.slice(index)));
        const caughtUp = await follower.until('caughtUp');
        expect(caughtUp.position).toBeGreaterThanOrEqual(position);
      }
    });
  });

  test('a position that no commit has skips nothing', async () => {
    await using store = await open();
    const one = await put(store, 'in.a', plainEvents(3));
    // Nothing has its position: of a transaction only the last one is a position.
    await store.appendMulti({
      appends: ['in.b', 'in.c'].map((stream) => ({ stream, events: plainEvents(2, stream) })),
    });
    const { events } = await store.all({ afterPosition: one.position });
    const [{ position }] = events as [StoredEvent];
    for (let at = one.position + 1n; at < position; at++) {
      expect((await store.all({ afterPosition: at, afterCount: 2n })).events).toEqual(events);
      await using follower = new Follower(store, { afterPosition: at, afterCount: 2n });
      expect(await follower.take(4)).toEqual(events);
    }
    const all = await store.all({});
    for (const afterCount of [0n, 1n])
      expect(await store.all({ afterPosition: 0n, afterCount })).toEqual(all);
    const past = { afterPosition: position + 1n, afterCount: 1n };
    expect(await store.all(past)).toMatchObject({ events: [], end: 'complete', resume: position });
    const backward = { direction: Direction.BACKWARD, afterPosition: position + 5n, afterCount: 1n };
    expect((await store.all(backward)).events).toEqual(all.events.toReversed());
  });

  test('a count without a position is refused', async () => {
    await using store = await open();
    const refused = { reason: 'INVALID_REQUEST', fields: ['after_count'] };
    expect(await problemOf(store.all({ afterCount: 1n }))).toEqual(refused);
    await using follower = new Follower(store, { afterCount: 0n });
    expect(await problemOf(follower.next())).toEqual(refused);
  });
}

/** Small commits, transactions over several streams, and a commit that takes several response messages. */
async function filled(open: OpenContract): ReturnType<OpenContract> {
  const store = await open();
  const typed = (count: number, prefix: string): ReturnType<typeof plainEvents> =>
    plainEvents(count, prefix).map((event, index) => ({ ...event, type: index % 2 === 0 ? 'Even' : 'Odd' }));
  await put(store, 'in.a', typed(3, 'first'));
  await store.appendMulti({
    appends: ['in.b', 'in.a', 'in.c'].map((stream, index) => ({
      stream,
      events: typed(index + 2, `multi-${stream}`),
    })),
  });
  const many = typed(20, 'large').map((event) => ({ ...event, payload: large }));
  await store.append({ stream: 'in.b', events: many });
  await store.appendMulti({
    appends: ['in.c', 'out.d'].map((stream) => ({ stream, events: typed(3, `other-${stream}`) })),
  });
  await put(store, 'in.a', typed(1, 'last'));
  return store;
}

interface CommitCursor {
  readonly position: bigint;
  readonly count: bigint;
  /** Of the first event that follows. */
  readonly index: number;
}

/** Every place within and after each commit, also with a count that is too large. */
function cursorsOf(events: readonly StoredEvent[]): CommitCursor[] {
  const positions = [...new Set(events.map(({ position }) => position))];
  return positions.flatMap((position) => {
    const first = events.findIndex((event) => event.position === position);
    const { length } = events.filter((event) => event.position === position);
    const counts = length > 8 ? [0, 1, 7, length - 1, length] : range(0, length);
    const known = counts.map((count) => ({ position, count: BigInt(count), index: first + count }));
    return [...known, { position, count: 2n ** 64n - 1n, index: first + length }];
  });
}

function keys(events: readonly StoredEvent[]): string[] {
  return events.map(({ position, stream, version }) => `${position} ${stream} ${version}`);
}
