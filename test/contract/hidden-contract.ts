import { Direction } from '../../generated/sluice/v1/event_store_service';
import { problemOf, type StoredEvent } from './contract-store';
import { plainEvents, put, range, versionsOf } from './events';
import { Follower } from './follower';
import type { OpenContract, OpenedContract } from './open';

/** What readers of many streams get of streams of which a part is hidden. */
export function hiddenContract(open: OpenContract): void {
  readers(open);
  withinCommits(open);
  followers(open);
  live(open);
}

function keys(events: readonly StoredEvent[]): string[] {
  return events.map(({ stream, version }) => `${stream} ${version}`);
}

/** What is left of the streams of `filled`, in order. */
const left = ['b 2', 'd 1', 'd 2', 'a 4', 'a 5', 'c 4', 'a 6', 'd 3'];

const correlationId = 'hidden';

/** a: truncated before 4; b: at most one event; c: deleted after 3; d: whole; e: tombstoned. */
async function filled(open: OpenContract): Promise<OpenedContract> {
  const store = await open();
  const append = (stream: string, count: number) =>
    put(
      store,
      stream,
      plainEvents(count, stream).map((event) => ({ ...event, correlationId })),
    );
  await append('a', 2);
  await append('c', 3);
  await append('e', 1);
  await append('b', 2);
  await append('d', 2);
  await store.remove({ stream: 'c' });
  await append('a', 3);
  await append('c', 1);
  await append('a', 1);
  await store.retain({ stream: 'b', retention: { maxCount: 1n } });
  await append('d', 1);
  await store.truncate({ stream: 'a', beforeVersion: 4n });
  await store.tombstone({ stream: 'e' });
  return store;
}

function readers(open: OpenContract): void {
  test('a read of all streams skips what is hidden', async () => {
    await using store = await filled(open);
    const { position: end } = await store.describe('e');
    const whole = await store.all({});
    expect(keys(whole.events)).toEqual(left);
    expect(whole).toMatchObject({ end: 'complete', position: end, resume: end });
    const backward = { direction: Direction.BACKWARD };
    expect(keys((await store.all(backward)).events)).toEqual(left.toReversed());
    expect(keys((await store.all({ patterns: ['a', 'c', 'e'] })).events)).toEqual([
      'a 4',
      'a 5',
      'c 4',
      'a 6',
    ]);
    expect((await store.all({ patterns: ['e'] })).events).toEqual([]);
    expect(keys((await store.all({ eventTypes: ['Happened'] })).events)).toEqual(left);
    for (const direction of [Direction.FORWARD, Direction.BACKWARD]) {
      const { events } = await store.all({ direction });
      const collected: string[] = [];
      let afterPosition: bigint | undefined;
      for (let again = 0; again < 20; again++) {
        const part = await store.all({ direction, maxCount: 1n, afterPosition });
        collected.push(...keys(part.events));
        afterPosition = part.resume;
        if (part.end === 'complete') break;
      }
      expect(collected).toEqual(keys(events));
    }
    // What is hidden does not count.
    expect(keys((await store.all({ maxCount: 3n })).events)).toEqual(left.slice(0, 3));
    const some = await store.all({ maxCount: 4n });
    expect([keys(some.events), some.end]).toEqual([left.slice(0, 3), 'maxCount']);
    const first = whole.events[0] as StoredEvent;
    const upTo = await store.all({ toPosition: first.position });
    expect([keys(upTo.events), upTo.resume]).toEqual([['b 2'], first.position]);
  });

  test('a read by correlation id skips what is hidden', async () => {
    await using store = await filled(open);
    const { events, end, position } = await store.correlation({ correlationId });
    expect([keys(events), end]).toEqual([left, 'complete']);
    expect(position).toBe((await store.describe('e')).position);
    const some = await store.correlation({ correlationId, maxCount: 3n });
    expect([keys(some.events), some.end]).toEqual([left.slice(0, 3), 'maxCount']);
  });
}

function withinCommits(open: OpenContract): void {
  test('a count within a commit counts what can be read of it, as a consumer counts what it got', async () => {
    await using store = await open();
    const { position } = await put(store, 'a', plainEvents(6));
    const rest = async (count: number, direction = Direction.FORWARD): Promise<number[]> => {
      const request = { afterPosition: position, afterCount: BigInt(count) };
      const { events } = await store.all({ ...request, direction });
      if (direction === Direction.FORWARD) {
        await using follower = new Follower(store, request);
        expect(await follower.take(events.length)).toEqual(events);
        await follower.until('caughtUp');
      }
      return versionsOf(events);
    };
    expect(await rest(2)).toEqual([3, 4, 5, 6]);
    await store.truncate({ stream: 'a', beforeVersion: 4n });
    expect(await rest(0)).toEqual([4, 5, 6]);
    expect(await rest(1)).toEqual([5, 6]);
    expect(await rest(3)).toEqual([]);
    expect(await rest(1, Direction.BACKWARD)).toEqual([5, 4]);
    expect(await rest(3, Direction.BACKWARD)).toEqual([]);
  });
}

function followers(open: OpenContract): void {
  test('a subscription that is behind does not get what is hidden, and its position goes on', async () => {
    await using store = await filled(open);
    const { position: end } = await store.describe('e');
    const all = (await store.all({})).events;
    await using follower = new Follower(store, {});
    expect(await follower.take(left.length)).toEqual(all);
    expect((await follower.until('caughtUp')).position).toBe(end);
    const of = async (request: object, count: number): Promise<string[]> => {
      await using one = new Follower(store, request);
      const events = await one.take(count);
      const { position } = await one.until('caughtUp');
      expect(position).toBe(end);
      return keys(events);
    };
    expect(await of({ stream: 'a' }, 3)).toEqual(['a 4', 'a 5', 'a 6']);
    expect(await of({ stream: 'a', afterVersion: 1n }, 3)).toEqual(['a 4', 'a 5', 'a 6']);
    expect(await of({ stream: 'a', afterVersion: 4n }, 2)).toEqual(['a 5', 'a 6']);
    expect(await of({ stream: 'b' }, 1)).toEqual(['b 2']);
    expect(await of({ stream: 'c', afterVersion: 2n }, 1)).toEqual(['c 4']);
    expect(await of({ stream: 'e' }, 0)).toEqual([]);
    expect(await of({ stream: 'e', afterVersion: 1n, startMustExist: true }, 0)).toEqual([]);
    const late = new Follower(store, { stream: 'e', afterVersion: 2n, startMustExist: true });
    expect(await problemOf(late.next())).toEqual({ reason: 'INVALID_REQUEST', fields: ['after_version'] });
  });
}

function live(open: OpenContract): void {
  test('a subscription gets live what is appended to a deleted or a retained stream', async () => {
    await using store = await open();
    await put(store, 'a', plainEvents(1));
    await store.retain({ stream: 'a', retention: { maxCount: 1n } });
    await using follower = new Follower(store, { fromNow: true });
    await follower.until('caughtUp');
    // Retention hides all but the last one for a reader that begins later.
    await put(store, 'a', plainEvents(3));
    expect(keys(await follower.take(3))).toEqual(['a 2', 'a 3', 'a 4']);
    expect(keys((await store.all({})).events)).toEqual(['a 4']);
    await store.remove({ stream: 'a' });
    for (const round of range(5, 6)) {
      await put(store, 'a', plainEvents(1));
      expect(keys(await follower.take(1))).toEqual([`a ${round}`]);
    }
    await store.tombstone({ stream: 'a' });
    await put(store, 'b', plainEvents(1));
    expect(keys(await follower.take(1))).toEqual(['b 1']);
  });
}
