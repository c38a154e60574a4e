import { Direction, type ReadAllRequest } from '../../generated/sluice/v1/event_store_service';
import type { DeepPartial } from '../../generated/sluice/v1/event';
import { problemOf, timestamp, type ContractStore, type StoredEvent } from './contract-store';
import { plainEvents, put, range, recorded, type Taken } from './events';
import type { OpenContract } from './open';

const backward = { direction: Direction.BACKWARD };

function idsOf(events: readonly StoredEvent[]): string[] {
  return events.map(({ id }) => id);
}

/** Reads of the whole store, or of the streams that match patterns. */
export function readAllContract(store: () => ContractStore, open: OpenContract): void {
  order(store, open);
  patterns(store);
  bounds(store);
  counts(store);
  filters(store);
  refusals(store);
}

function order(store: () => ContractStore, open: OpenContract): void {
  test('of an empty store is empty, both ways', async () => {
    await using empty = await open();
    const nothing = { position: 0n, events: [], end: 'complete', resume: 0n };
    expect(await empty.all({})).toEqual(nothing);
    expect(await empty.all(backward)).toEqual(nothing);
    expect(await empty.all({ fromTime: timestamp(1n) })).toEqual(nothing);
    expect(await empty.all({ afterPosition: 7n })).toEqual({ ...nothing, resume: 7n });
  });

  test('gives the events of all streams in position order, complete as they were written', async () => {
    await using fresh = await open();
    const expected: StoredEvent[] = [];
    for (const index of range(0, 11)) {
      const stream = `all.${index % 3}.${index % 2}`;
      const events = plainEvents(1 + (index % 4), `n${index}`);
      const taken = await put(fresh, stream, events);
      expected.push(
        ...events.map((event, at) => recorded(stream, taken.firstVersion + BigInt(at), event, taken)),
      );
    }
    const last = expected.at(-1)?.position ?? 0n;
    expect(await fresh.all({})).toEqual({ position: last, events: expected, end: 'complete', resume: last });
    const reversed = await fresh.all(backward);
    expect(reversed.events).toEqual(expected.toReversed());
    expect(reversed.end).toBe('complete');
  });
}

function patterns(store: () => ContractStore): void {
  test('takes the streams that match one of the patterns, each once', async () => {
    const names = ['p.a', 'p.a.b', 'p.b', 'p.b.c', 'p.bb', 'pp.a', 'p.a+b'];
    for (const name of names) await put(store(), name, plainEvents(2, name));
    const matching = async (...wanted: string[]): Promise<string[]> => {
      const { events } = await store().all({ patterns: wanted });
      const reversed = await store().all({ patterns: wanted, ...backward });
      expect(reversed.events).toEqual(events.toReversed());
      expect(events.every(({ version }) => version > 0n)).toBe(true);
      return idsOf(events).filter((id) => id.endsWith('-1'));
    };
    expect(await matching('p.*')).toEqual(['p.a-1', 'p.b-1', 'p.bb-1', 'p.a+b-1']);
    expect(await matching('p.>')).toEqual(['p.a-1', 'p.a.b-1', 'p.b-1', 'p.b.c-1', 'p.bb-1', 'p.a+b-1']);
    expect(await matching('p.b')).toEqual(['p.b-1']);
    expect(await matching('p.a+b', 'p.b')).toEqual(['p.b-1', 'p.a+b-1']);
    expect(await matching('pp.*', 'p.a', 'p.b.>')).toEqual(['p.a-1', 'p.b.c-1', 'pp.a-1']);
    expect(await matching('p.nobody.*')).toEqual([]);
  });

  test('that match nothing come to the end of the store all the same', async () => {
    const { position } = await put(store(), 'p.end', plainEvents(1));
    const { position: head, resume, events, end } = await store().all({ patterns: ['p.nobody.>'] });
    expect({ events, end }).toEqual({ events: [], end: 'complete' });
    expect(head).toBeGreaterThanOrEqual(position);
    expect(resume).toBe(head);
  });
}

interface Written {
  readonly taken: readonly (Taken & { readonly firstVersion: bigint })[];
  readonly pattern: string;
}

/** Ten commits of one to three events over three streams, with others between them. */
async function write(store: ContractStore, prefix: string): Promise<Written> {
  const taken = [];
  for (const index of range(0, 9)) {
    await put(store, `elsewhere.${prefix}`, plainEvents(1));
    taken.push(
      await put(
        store,
        `${prefix}.${index % 3}`,
        plainEvents(1 + (index % 3), `${index}`, `Type${index % 2}`),
      ),
    );
  }
  return { taken, pattern: `${prefix}.*` };
}

function bounds(store: () => ContractStore): void {
  test('begins after a position and ends with one, both ways', async () => {
    const { taken, pattern } = await write(store(), 'bounds');
    const numbers = async (more: DeepPartial<ReadAllRequest>): Promise<number[]> => {
      const { events } = await store().all({ patterns: [pattern], ...more });
      return [...new Set(events.map(({ id }) => Number(id.split('-')[0])))];
    };
    const at = (index: number): bigint => taken[index]?.position ?? 0n;
    expect(await numbers({ afterPosition: at(3) })).toEqual(range(4, 9));
    expect(await numbers({ afterPosition: at(3) - 1n })).toEqual(range(3, 9));
    expect(await numbers({ toPosition: at(3) })).toEqual(range(0, 3));
    expect(await numbers({ afterPosition: at(3), toPosition: at(5) })).toEqual([4, 5]);
    expect(await numbers({ afterPosition: at(3), toPosition: at(3) })).toEqual([]);
    expect(await numbers({ ...backward, afterPosition: at(3) })).toEqual([2, 1, 0]);
    expect(await numbers({ ...backward, toPosition: at(7) })).toEqual([9, 8, 7]);
    expect(await numbers({ ...backward, afterPosition: at(8), toPosition: at(6) })).toEqual([7, 6]);
    expect(await numbers({ ...backward, afterPosition: 10n ** 18n, toPosition: at(8) })).toEqual([9, 8]);
    expect(await numbers({ afterPosition: 10n ** 18n })).toEqual([]);
    expect(await numbers({ ...backward, afterPosition: 0n })).toEqual([]);
  });

  test('that contain nothing yet leave the rest to a read that goes on from there, both ways', async () => {
    const { position: last } = await put(store(), 'bounds.rest', plainEvents(1));
    const patterns = ['bounds.rest'];
    const end = { patterns, ...backward, toPosition: last + 1_000n };
    const nothing = await store().all(end);
    expect(nothing).toMatchObject({ events: [], end: 'complete', resume: last + 1_000n });
    const earlier = await store().all({ patterns, ...backward, afterPosition: nothing.resume });
    expect(earlier.events.map(({ position }) => position)).toEqual([last]);
    const later = await store().all({ patterns, afterPosition: last + 1_000n });
    expect(later).toMatchObject({ events: [], end: 'complete', resume: last + 1_000n });
  });

  test('by commit time includes both ends, both ways', async () => {
    const { taken, pattern } = await write(store(), 'times');
    const [from, to] = [taken[2], taken[6]];
    const request = {
      patterns: [pattern],
      fromTime: timestamp(from?.commitTime ?? 0n),
      toTime: timestamp(to?.commitTime ?? 0n),
    };
    const forward = await store().all(request);
    expect(forward.events[0]).toMatchObject({ position: from?.position });
    expect(forward.events.at(-1)).toMatchObject({ position: to?.position });
    expect((await store().all({ ...request, ...backward })).events).toEqual(forward.events.toReversed());
    const late = timestamp((taken.at(-1)?.commitTime ?? 0n) + 10n ** 15n);
    expect(await store().all({ patterns: [pattern], fromTime: late })).toMatchObject({
      events: [],
      end: 'complete',
    });
    expect((await store().all({ patterns: [pattern], toTime: timestamp(1n), ...backward })).events).toEqual(
      [],
    );
  });
}

function counts(store: () => ContractStore): void {
  test('ends before the commit that would make it too many, unless that is the first', async () => {
    const { pattern } = await write(store(), 'counts'); // 1, 2, 3, 1, 2, 3, ... events
    const countOf = async (maxCount: bigint, more = {}): Promise<[number, string]> => {
      const { events, end } = await store().all({ patterns: [pattern], maxCount, ...more });
      return [events.length, end];
    };
    expect(await countOf(1n)).toEqual([1, 'maxCount']);
    expect(await countOf(2n)).toEqual([1, 'maxCount']);
    expect(await countOf(3n)).toEqual([3, 'maxCount']);
    expect(await countOf(5n)).toEqual([3, 'maxCount']);
    expect(await countOf(1_000n)).toEqual([19, 'complete']);
    expect(await countOf(1n, backward)).toEqual([1, 'maxCount']);
    expect(await countOf(2n, backward)).toEqual([1, 'maxCount']);
    expect(await countOf(4n, backward)).toEqual([4, 'maxCount']);
  });

  test.each([
    ['forward', {}],
    ['backward', backward],
  ])('goes on %s from where it ended', async (_name, direction) => {
    const { pattern } = await write(store(), `resume-${_name}`);
    const request = { patterns: [pattern], ...direction };
    const whole = await store().all(request);
    const pieces: StoredEvent[] = [];
    let last = await store().all({ ...request, maxCount: 3n });
    pieces.push(...last.events);
    while (last.end === 'maxCount') {
      last = await store().all({ ...request, maxCount: 3n, afterPosition: last.resume });
      pieces.push(...last.events);
    }
    expect(pieces).toEqual(whole.events);
  });
}

function filters(store: () => ContractStore): void {
  test('by type and by the beginning of the type', async () => {
    const types = ['OrderPlaced', 'OrderPaid', 'Order', 'InvoiceSent', 'orderPlaced'];
    await put(
      store(),
      'types.1',
      types.map((type, index) => ({ id: `t${index}`, type })),
    );
    const wanted = async (eventTypes: string[], eventTypePrefixes: string[]): Promise<string[]> => {
      const { events } = await store().all({ patterns: ['types.*'], eventTypes, eventTypePrefixes });
      return events.map(({ type }) => type);
    };
    expect(await wanted(['OrderPaid'], [])).toEqual(['OrderPaid']);
    expect(await wanted([], ['Order'])).toEqual(['OrderPlaced', 'OrderPaid', 'Order']);
    expect(await wanted(['InvoiceSent'], ['OrderPl', 'Zzz'])).toEqual(['OrderPlaced', 'InvoiceSent']);
    expect(await wanted(['Nothing'], ['Nothing'])).toEqual([]);
  });
}

function refusals(store: () => ContractStore): void {
  test('names every field at fault', async () => {
    const wrong: DeepPartial<ReadAllRequest> = {
      patterns: ['ok.>', 'a b', ''],
      eventTypes: [''],
      eventTypePrefixes: ['x'.repeat(201)],
      direction: JSON.parse('7') as Direction,
      afterPosition: 9n,
      toPosition: 3n,
      fromTime: { seconds: 5n },
      toTime: { seconds: 4n },
    };
    expect(await problemOf(store().all(wrong))).toEqual({
      reason: 'INVALID_REQUEST',
      fields: [
        'event_type_prefixes[0]',
        'patterns[1]',
        'patterns[2]',
        'event_types[0]',
        'direction',
        'to_position',
        'to_time',
      ],
    });
    const many = { patterns: Array.from({ length: 17 }, (_, index) => `p${index}`) };
    expect(await problemOf(store().all(many))).toMatchObject({ fields: ['patterns'] });
    const reversed = { ...backward, afterPosition: 3n, toPosition: 4n };
    expect(await problemOf(store().all(reversed))).toMatchObject({ fields: ['to_position'] });
  });
}
