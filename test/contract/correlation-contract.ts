import type { DeepPartial, Event } from '../../generated/sluice/v1/event';
import { problemOf, type ContractStore } from './contract-store';
import { plainEvents, put, range, recorded, type GivenEvent } from './events';
import type { OpenContract } from './open';

/** Reads of all events with one correlation id, over all streams. */
export function correlationContract(store: () => ContractStore, open: OpenContract): void {
  overStreams(store);
  conditions(store);
  atOnce(store);
  many(store);

  test('of an empty store is empty', async () => {
    await using empty = await open();
    const nothing = { position: 0n, events: [], end: 'complete' };
    expect(await empty.correlation({ correlationId: 'anything' })).toEqual(nothing);
  });

  test('needs a correlation id', async () => {
    for (const correlationId of ['', 'ä', 'a b', 'c'.repeat(129)]) {
      const call = store().correlation({ correlationId });
      expect(await problemOf(call)).toEqual({ reason: 'INVALID_REQUEST', fields: ['correlation_id'] });
    }
    const call = store().correlation({ correlationId: '', eventTypes: [''] });
    expect(await problemOf(call)).toMatchObject({ fields: ['correlation_id', 'event_types[0]'] });
  });
}

function of(correlationId: string, id: string, type = 'T'): GivenEvent {
  return { id, type, correlationId };
}

function overStreams(store: () => ContractStore): void {
  test('gives them in position order, with what was written, and nothing else', async () => {
    const [a, b, c] = ['correlation.a', 'correlation.b', 'correlation.c'];
    const rich: GivenEvent = {
      ...of('family', 'rich', 'Größe'),
      causationId: 'command',
      payload: { $case: 'text', value: '{"é":1}' },
      contentType: 'application/json',
      tags: ['x', 'x'],
      metadata: new Map([['__proto__', 'kept']]),
    };
    await put(store(), b, plainEvents(2));
    const one = await put(store(), b, [of('family', '1'), of('other', '2'), of('family', '3')]);
    await put(store(), c, [
      of('Family', '4'),
      of('famil', '5'),
      of('family2', '6'),
      { id: 'family', type: 'T' },
    ]);
    const two = await put(store(), a, [rich]);
    const three = await put(store(), b, [of('other', '7'), of('family', '8')]);
    const four = await put(store(), c, [of('other', '9')]);
    const { events, end, position } = await store().correlation({ correlationId: 'family' });
    expect(events).toEqual([
      recorded(b, 3n, of('family', '1'), one),
      recorded(b, 5n, of('family', '3'), one),
      // The event's own id, where nothing was given.
      expect.objectContaining({ stream: c, version: 4n, id: 'family' }) as object,
      recorded(a, 1n, rich, two),
      recorded(b, 7n, of('family', '8'), three),
    ]);
    expect(end).toBe('complete');
    expect(position).toBeGreaterThanOrEqual(four.position);
  });

  test('of nothing is empty', async () => {
    const { position } = await put(store(), 'correlation.last', plainEvents(1));
    const nothing = await store().correlation({ correlationId: 'never' });
    expect(nothing).toEqual({ position: nothing.position, events: [], end: 'complete' });
    expect(nothing.position).toBeGreaterThanOrEqual(position);
  });
}

function conditions(store: () => ContractStore): void {
  test('takes types and a count', async () => {
    const correlationId = 'conditions';
    const append = (stream: string, ...types: string[]): Promise<unknown> =>
      store().append({ stream, events: types.map((type) => ({ type, correlationId })) });
    await append('conditions.1', 'A', 'B', 'A');
    await append('conditions.2', 'B');
    await store().append({
      stream: 'conditions.2',
      events: [{ type: 'A' }, { type: 'A', correlationId: 'no' }],
    });
    await append('conditions.1', 'C', 'A');
    const read = async (more: object): Promise<unknown> => {
      const { events, end } = await store().correlation({ correlationId, ...more });
      return [events.map(({ stream, version }) => `${stream.slice(-1)}:${version}`).join(' '), end];
    };
    expect(await read({})).toEqual(['1:1 1:2 1:3 2:1 1:4 1:5', 'complete']);
    expect(await read({ eventTypes: ['A'] })).toEqual(['1:1 1:3 1:5', 'complete']);
    expect(await read({ eventTypes: ['C', 'B', 'never'] })).toEqual(['1:2 2:1 1:4', 'complete']);
    expect(await read({ eventTypes: ['a'] })).toEqual(['', 'complete']);
    expect(await read({ maxCount: 1n })).toEqual(['1:1', 'maxCount']);
    expect(await read({ maxCount: 5n })).toEqual(['1:1 1:2 1:3 2:1 1:4', 'maxCount']);
    expect(await read({ maxCount: 6n })).toEqual(['1:1 1:2 1:3 2:1 1:4 1:5', 'maxCount']);
    expect(await read({ maxCount: 7n })).toEqual(['1:1 1:2 1:3 2:1 1:4 1:5', 'complete']);
    expect(await read({ eventTypes: ['A'], maxCount: 2n })).toEqual(['1:1 1:3', 'maxCount']);
    expect(await read({ page: { eventsMax: 2 } })).toEqual(['1:1 1:2 1:3 2:1 1:4 1:5', 'complete']);
  });
}

function atOnce(store: () => ContractStore): void {
  test('sees every append that was acknowledged', async () => {
    const correlationId = 'at-once';
    for (const number of range(1, 30)) {
      const stream = `at-once.${number % 3}`;
      await store().append({ stream, events: [of(correlationId, `e-${number}`)] });
      const { events } = await store().correlation({ correlationId });
      expect(events.map(({ id }) => id)).toEqual(range(1, number).map((seen) => `e-${seen}`));
    }
  });

  test('sees a repeated commit once, and a refused one not at all', async () => {
    const correlationId = 'repeated';
    const stream = 'correlation.repeated';
    const commitId = '0190f3a1-2222-7000-8000-000000000001';
    const append = (id: string, expectedVersion?: bigint): Promise<unknown> =>
      store().append({ stream, events: [of(correlationId, id)], commitId, expectedVersion });
    await append('e-1');
    await append('e-1');
    await problemOf(append('e-2', 7n));
    const { events } = await store().correlation({ correlationId });
    expect(events.map(({ id }) => id)).toEqual(['e-1']);
  });
}

function many(store: () => ContractStore): void {
  test('is complete over thousands of commits, many groups and many streams', async () => {
    const groups = range(0, 6);
    const eventsOf = (commit: number): DeepPartial<Event>[] =>
      [commit, commit + 1].map((group, index) => ({
        id: `many-${commit}-${index}`,
        type: 'T',
        correlationId: `many-${group % groups.length}`,
      }));
    const commits = range(1, 1_200);
    for (let from = 0; from < commits.length; from += 400) {
      await Promise.all(
        commits
          .slice(from, from + 400)
          .map((commit) => store().append({ stream: `many.${commit % 50}`, events: eventsOf(commit) })),
      );
    }
    for (const group of groups) {
      const { events, end } = await store().correlation({ correlationId: `many-${group}` });
      const ids = commits.flatMap(eventsOf).filter(({ correlationId }) => correlationId === `many-${group}`);
      expect(events.map(({ id }) => id).sort()).toEqual(ids.map(({ id }) => id).sort());
      const positions = events.map(({ position }) => position);
      expect(positions).toEqual(positions.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      expect(end).toBe('complete');
    }
  });
}
