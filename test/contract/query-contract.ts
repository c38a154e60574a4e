import type { DeepPartial, QueryItem } from '../../generated/sluice/v1/event';
import { Direction, type ReadAllRequest } from '../../generated/sluice/v1/event_store_service';
import { problemOf, type ContractStore, type StoredEvent } from './contract-store';
import { plainEvents, put, range, type GivenEvent } from './events';
import { Follower } from './follower';
import type { OpenContract } from './open';

const backward = { direction: Direction.BACKWARD };

function idsOf(events: readonly StoredEvent[]): string[] {
  return events.map(({ id }) => id);
}

function tagged(id: string, type: string, ...tags: string[]): GivenEvent {
  return { id, type, tags };
}

function query(...items: DeepPartial<QueryItem>[]): DeepPartial<ReadAllRequest> {
  return { query: { items } };
}

/** Queries by types and tags, in reads and subscriptions. */
export function queryContract(store: () => ContractStore, open: OpenContract): void {
  selected(store, open);
  walked(open);
  followed(open);
  withErased(store);
  refused(store);
}

function selected(store: () => ContractStore, open: OpenContract): void {
  test('an item selects events with one of its types and all of its tags, and a query those of any item', async () => {
    await using fresh = await open();
    await put(fresh, 'q.1', [
      tagged('e1', 'Made', 'c:1'),
      tagged('e2', 'Joined', 'c:1', 's:1'),
      tagged('e3', 'Joined', 's:1', 'c:1', 'c:2', 's:1'),
      { id: 'e4', type: 'Joined' },
    ]);
    await put(fresh, 'q.2', [tagged('e5', 'Left', 'c:1', 's:2'), tagged('e6', 'Made', 'c:2')]);
    const found = async (...items: DeepPartial<QueryItem>[]): Promise<string[]> => {
      const { events, end } = await fresh.all(query(...items));
      const reversed = await fresh.all({ ...query(...items), ...backward });
      expect(reversed.events).toEqual(events.toReversed());
      expect([end, reversed.end]).toEqual(['complete', 'complete']);
      return idsOf(events);
    };
    expect(await found({ tags: ['c:1'] })).toEqual(['e1', 'e2', 'e3', 'e5']);
    expect(await found({ tags: ['s:1', 'c:1'] })).toEqual(['e2', 'e3']);
    expect(await found({ tags: ['c:2', 'c:1'] })).toEqual(['e3']);
    expect(await found({ tags: ['c:1'], eventTypes: ['Made', 'Left'] })).toEqual(['e1', 'e5']);
    expect(await found({ eventTypes: ['Joined'] })).toEqual(['e2', 'e3', 'e4']);
    expect(await found({ tags: ['s:2'] }, { tags: ['c:2'], eventTypes: ['Made'] })).toEqual(['e5', 'e6']);
    expect(await found({ eventTypes: ['Left'] }, { tags: ['c:1', 's:1'] })).toEqual(['e2', 'e3', 'e5']);
    expect(await found({ tags: ['c:1', 'c:1'] }, { tags: ['c:1'] })).toEqual(['e1', 'e2', 'e3', 'e5']);
    expect(await found({ tags: ['c:3'] })).toEqual([]);
    expect(await found({ tags: ['c:'] })).toEqual([]);
    expect(await found({ tags: ['c:1', 'none'] })).toEqual([]);
  });

  test('a query goes together with the other filters and bounds of a read', async () => {
    const mine = 'and:1';
    const first = await put(store(), 'and.a.1', [tagged('a1', 'A', mine), tagged('a2', 'B', mine)]);
    await put(store(), 'and.b.1', [tagged('b1', 'A', mine)]);
    const third = await put(store(), 'and.a.2', [tagged('a3', 'A', mine), tagged('a4', 'AB', mine)]);
    const found = async (more: DeepPartial<ReadAllRequest>): Promise<string[]> =>
      idsOf((await store().all({ ...query({ tags: [mine] }), ...more })).events);
    expect(await found({ patterns: ['and.a.*'] })).toEqual(['a1', 'a2', 'a3', 'a4']);
    expect(await found({ eventTypes: ['B'], eventTypePrefixes: ['AB'] })).toEqual(['a2', 'a4']);
    expect(await found({ afterPosition: first.position })).toEqual(['b1', 'a3', 'a4']);
    expect(await found({ afterPosition: third.position })).toEqual([]);
    expect(await found({ toPosition: first.position })).toEqual(['a1', 'a2']);
    expect(await found({ afterPosition: first.position, afterCount: 1n, maxCount: 2n })).toEqual([
      'a2',
      'b1',
    ]);
    expect(await found({ ...backward, maxCount: 3n })).toEqual(['a4', 'a3', 'b1']);
    expect(await found({ ...backward, afterPosition: third.position })).toEqual(['b1', 'a2', 'a1']);
  });

  test('the position of the header is the end of the store, also where nothing is found', async () => {
    const { position } = await put(store(), 'end.1', plainEvents(1));
    const { events, ...read } = await store().all(query({ tags: ['nobody has this'] }));
    expect(events).toEqual([]);
    expect(read).toEqual({ position, end: 'complete', resume: position });
  });
}

function walked(open: OpenContract): void {
  test('of a transaction its events are found by their tags, whole and at one position', async () => {
    await using fresh = await open();
    const before = await put(fresh, 'tx.0', [tagged('t0', 'T', 'x')]);
    const appends = range(1, 4).map((number) => ({
      stream: `tx.${number}`,
      events: [tagged(`t${number}`, 'T', number % 2 === 0 ? 'even' : 'odd', 'x')],
    }));
    const { position } = await fresh.appendMulti({ appends });
    await put(fresh, 'tx.9', [tagged('t9', 'T', 'even')]);
    const even = await fresh.all(query({ tags: ['even', 'x'] }));
    expect(idsOf(even.events)).toEqual(['t2', 't4']);
    expect(even.events.map((event) => event.position)).toEqual([position, position]);
    const one = await fresh.all({ ...query({ tags: ['x'] }), afterPosition: before.position, maxCount: 1n });
    expect(idsOf(one.events)).toEqual(['t1', 't2', 't3', 't4']);
    const rest = { afterPosition: position, afterCount: 3n };
    expect(idsOf((await fresh.all({ ...query({ tags: ['x'] }), ...rest })).events)).toEqual(['t4']);
    expect(idsOf((await fresh.all({ ...query({ tags: ['x'] }), ...backward })).events)).toEqual(
      ['t0', 't1', 't2', 't3', 't4'].toReversed(),
    );
  });

  test('of many events the few with rare tags are found, also where other tags are on all of them', async () => {
    await using fresh = await open();
    const has = (number: number): string[] => [
      'all',
      ...(number % 2 === 0 ? ['two'] : []),
      ...(number % 97 === 0 ? ['rare'] : []),
    ];
    const numbers = range(0, 599);
    for (const from of range(0, 59)) {
      const some = numbers.slice(10 * from, 10 * from + 10);
      await put(
        fresh,
        `many.${from % 7}`,
        some.map((number) => tagged(`m${number}`, 'M', ...has(number))),
      );
    }
    const wanted = async (...tags: string[]): Promise<void> => {
      const expected = numbers.filter((number) => tags.every((tag) => has(number).includes(tag)));
      const ids = expected.map((number) => `m${number}`);
      expect(idsOf((await fresh.all(query({ tags }))).events)).toEqual(ids);
      expect(idsOf((await fresh.all({ ...query({ tags }), ...backward })).events)).toEqual(ids.toReversed());
    };
    await wanted('all');
    await wanted('two', 'all');
    await wanted('all', 'two', 'rare');
    await wanted('rare', 'all');
  });
}

function followed(open: OpenContract): void {
  test('a subscription sends what a query selects: what is stored, and then what comes', async () => {
    await using fresh = await open();
    await put(fresh, 'f.1', [tagged('f1', 'A', 'c:1'), tagged('f2', 'A', 'c:2'), tagged('f3', 'B')]);
    await using byTag = new Follower(fresh, query({ tags: ['c:1'] }));
    await using byType = new Follower(fresh, query({ eventTypes: ['B'] }, { tags: ['c:2'] }));
    expect(idsOf(await byTag.take(1))).toEqual(['f1']);
    expect(idsOf(await byType.take(2))).toEqual(['f2', 'f3']);
    await put(fresh, 'f.2', [tagged('f4', 'A', 'c:3'), tagged('f5', 'B', 'c:1', 'c:2')]);
    expect(idsOf(await byTag.take(1))).toEqual(['f5']);
    expect(idsOf(await byType.take(1))).toEqual(['f5']);
  });
}

function withErased(store: () => ContractStore): void {
  test('an erased event has a type and no tags', async () => {
    await put(store(), 'qe.1', [tagged('qe1', 'QueryErased', 'qe'), tagged('qe2', 'QueryErased', 'qe')]);
    await put(store(), 'qe.1', [tagged('qe3', 'QueryErased', 'qe')]);
    await store().erase({ stream: 'qe.1', fromVersion: 1n, toVersion: 2n, reason: 'asked for' });
    const found = async (item: DeepPartial<QueryItem>): Promise<string[]> =>
      idsOf((await store().all(query(item))).events);
    const byType = { eventTypes: ['QueryErased'] };
    expect(await found({ tags: ['qe'] })).toEqual(['qe3']);
    expect(await found({ ...byType, tags: ['qe'] })).toEqual(['qe3']);
    expect(await found(byType)).toEqual(['qe1', 'qe2', 'qe3']);
    await using follower = new Follower(store(), query({ tags: ['qe'] }));
    expect(idsOf(await follower.take(1))).toEqual(['qe3']);
  });
}

function refused(store: () => ContractStore): void {
  const type = 'T';
  test.each<[string, DeepPartial<ReadAllRequest>, string[]]>([
    ['without items', query(), ['query.items']],
    ['with an empty item', query({ tags: ['a'] }, {}), ['query.items[1]']],
    ['with 65 items', query(...range(1, 65).map(() => ({ tags: ['a'] }))), ['query.items']],
    ['with 17 tags', query({ tags: range(1, 17).map(String) }), ['query.items[0].tags']],
    [
      'with a tag that is too long, and others that are no tags',
      query({ tags: ['x'.repeat(129), 'é'.repeat(65), '', 'a\u0007'] }),
      range(0, 3).map((index) => `query.items[0].tags[${index}]`),
    ],
    [
      'with types that are no types',
      query({ eventTypes: ['', 'x'.repeat(201)] }),
      ['query.items[0].event_types[0]', 'query.items[0].event_types[1]'],
    ],
  ])('a query %s is refused', async (_, request, fields) => {
    expect(await problemOf(store().all(request))).toEqual({ reason: 'INVALID_REQUEST', fields });
    await using follower = new Follower(store(), request);
    expect(await problemOf(follower.next())).toEqual({ reason: 'INVALID_REQUEST', fields });
  });

  test.each<[string, string[], string[]]>([
    ['17', range(1, 17).map(String), ['events[0].tags']],
    ['longer', ['x'.repeat(128), 'x'.repeat(129)], ['events[0].tags[1]']],
    ['wrong', ['', 'line\nbreak', '\u0085'], ['events[0].tags[0]', 'events[0].tags[1]', 'events[0].tags[2]']],
  ])('an event with %s tags is refused, and nothing is stored', async (name, tags, fields) => {
    const stream = `refused.${name}`;
    const problem = await problemOf(store().append({ stream, events: [{ type, tags }] }));
    expect(problem).toEqual({ reason: 'INVALID_REQUEST', fields });
    expect(await store().version(stream)).toMatchObject({ version: 0n });
  });
}
