import { RecordedEvent } from '../../generated/sluice/v1/event';
import { problemOf, type ContractStore } from './contract-store';
import { plainEvents, put, range, recorded, versionsOf, type GivenEvent } from './events';
import type { OpenContract } from './open';

export const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What an append assigns and answers, its check of the version, and what it refuses. */
export function appendContract(store: () => ContractStore, open: OpenContract): void {
  assigned(store);
  kept(store);
  expectedVersion(store);
  withoutEvents(store);
  concurrent(store);
  refused(store, open);
}

function assigned(store: () => ContractStore): void {
  test('numbers the events of a stream without gaps, and its commits in order over all streams', async () => {
    const one = await store().append({ stream: 'assigned.1', events: plainEvents(1) });
    const two = await store().append({ stream: 'assigned.1', events: plainEvents(3) });
    const other = await store().append({ stream: 'assigned.2', events: plainEvents(2) });
    const three = await store().append({ stream: 'assigned.1', events: plainEvents(2) });
    expect(one).toEqual({
      version: 1n,
      firstVersion: 1n,
      position: expect.any(BigInt) as bigint,
      commitTime: undefined,
      replayed: false,
      commitId: expect.stringMatching(uuidV7) as string,
    });
    expect(one.position).toBeGreaterThan(0n);
    expect(two).toMatchObject({ version: 4n, firstVersion: 2n, replayed: false });
    expect(two.position).toBeGreaterThan(one.position);
    expect(other).toMatchObject({ version: 2n, firstVersion: 1n, replayed: false });
    expect(other.position).toBeGreaterThan(two.position);
    expect(three).toMatchObject({ version: 6n, firstVersion: 5n, replayed: false });
    expect(three.position).toBeGreaterThan(other.position);
    expect(new Set([one, two, other, three].map(({ commitId }) => commitId)).size).toBe(4);
  });

  test('tells the commit time if it is asked to, by the clock of the store', async () => {
    const stream = 'assigned.time';
    const beforeMs = Date.now();
    const one = await put(store(), stream, plainEvents(2));
    const two = await put(store(), stream, plainEvents(1));
    const { events, ...head } = await store().read({ stream });
    expect(events.map(({ commitTime }) => commitTime)).toEqual([
      one.commitTime,
      one.commitTime,
      two.commitTime,
    ]);
    expect(two.commitTime).toBeGreaterThan(one.commitTime);
    expect(head).toEqual({
      version: 3n,
      position: two.position,
      commitTime: two.commitTime,
      end: 'complete',
    });
    const toMs = (time: bigint): number => Number(time / 1_000_000n);
    expect(toMs(one.commitTime)).toBeGreaterThanOrEqual(beforeMs - 1);
    expect(toMs(two.commitTime)).toBeLessThanOrEqual(Date.now() + 1);
  });

  test("fills in an id for an event without one, and the event's own id for what groups and causes it", async () => {
    const stream = 'assigned.ids';
    await store().append({
      stream,
      events: [
        { type: 'A' },
        { type: 'A' },
        { id: 'own', type: 'B' },
        { id: 'e-3', type: 'C', correlationId: 'group', causationId: 'command-7' },
        { type: 'D', correlationId: 'group' },
        { type: 'E', causationId: 'own' },
      ],
    });
    const { events } = await store().read({ stream });
    const [first, second, third, fourth, fifth, sixth] = events.map(({ id, correlationId, causationId }) => ({
      id,
      correlationId,
      causationId,
    }));
    expect(first?.id).toMatch(uuidV7);
    expect(first).toEqual({ id: first?.id, correlationId: first?.id, causationId: first?.id });
    expect(second?.id).toMatch(uuidV7);
    expect(second?.id).not.toBe(first?.id);
    expect(third).toEqual({ id: 'own', correlationId: 'own', causationId: 'own' });
    expect(fourth).toEqual({ id: 'e-3', correlationId: 'group', causationId: 'command-7' });
    expect(fifth?.id).toMatch(uuidV7);
    expect(fifth).toEqual({ id: fifth?.id, correlationId: 'group', causationId: fifth?.id });
    expect(sixth).toEqual({ id: sixth?.id, correlationId: sixth?.id, causationId: 'own' });
  });
}

/** Every kind of event, with the values that are easily lost on the way. */
const kinds: readonly GivenEvent[] = [
  { id: 'binary', type: 'T', payload: { $case: 'binary', value: Buffer.from(range(0, 255)) } },
  { id: 'binary-empty', type: 'T', payload: { $case: 'binary', value: Buffer.alloc(0) } },
  { id: 'text', type: 'T', payload: { $case: 'text', value: '{"name":"Zoë 👩‍🚀","zero":"\0"}' } },
  { id: 'text-empty', type: 'T', payload: { $case: 'text', value: '' } },
  { id: 'none', type: 'T' },
  { id: '!~{}', type: 'Größe geändert 👍', contentType: 'application/json; charset="utf-8"' },
  { id: 'tags', type: 'T', tags: ['b', 'a', 'b', 'ü', 'b'] },
  {
    id: 'metadata',
    type: 'T',
    metadata: new Map([
      ['z', 'last letter first'],
      ['__proto__', 'kept'],
      ['constructor', 'kept too'],
      ['empty', ''],
      ['ключ', 'значение\n'],
      ['a', '1'],
    ]),
  },
  {
    id: 'everything',
    type: 'T.U/V',
    payload: { $case: 'text', value: 'x'.repeat(1_000) },
    contentType: 'text/plain',
    correlationId: 'c'.repeat(128),
    causationId: '!',
    tags: Array.from({ length: 16 }, () => 't'.repeat(128)),
    metadata: new Map(range(1, 64).map((number) => [`key-${number}`, 'v'.repeat(1_000)])),
  },
];

function kept(store: () => ContractStore): void {
  test('keeps every event as it was written', async () => {
    const commit = await put(store(), 'kept.1', kinds);
    const { events } = await store().read({ stream: 'kept.1' });
    expect(events).toEqual(kinds.map((event, index) => recorded('kept.1', BigInt(index + 1), event, commit)));
    // Equality of maps does not look at the order.
    expect([...(events[7]?.metadata.keys() ?? [])]).toEqual([
      'z',
      '__proto__',
      'constructor',
      'empty',
      'ключ',
      'a',
    ]);
  });

  test('keeps thousands of events of one commit in order', async () => {
    const stream = 'kept.many';
    const given = plainEvents(10_000);
    expect(await store().append({ stream, events: given })).toMatchObject({
      version: 10_000n,
      firstVersion: 1n,
    });
    const { events, end } = await store().read({ stream });
    expect(versionsOf(events)).toEqual(range(1, 10_000));
    expect(events.map(({ id }) => id)).toEqual(given.map(({ id }) => id));
    expect(new Set(events.map(({ position }) => position)).size).toBe(1);
    expect(end).toBe('complete');
  });
}

function expectedVersion(store: () => ContractStore): void {
  const conflict = (stream: string, expected: bigint | 'exists', actual: bigint): object => ({
    reason: 'VERSION_CONFLICT',
    stream,
    expected,
    actual,
  });

  test('that expects the version of the stream is stored', async () => {
    const stream = 'expected.right';
    const append = (count: number, expected?: bigint): Promise<object> =>
      store().append({ stream, events: plainEvents(count), expectedVersion: expected });
    expect(await append(2, 0n)).toMatchObject({ version: 2n, firstVersion: 1n });
    expect(await append(1, 2n)).toMatchObject({ version: 3n, firstVersion: 3n });
    expect(await append(1)).toMatchObject({ version: 4n, firstVersion: 4n });
    expect(await append(3, 4n)).toMatchObject({ version: 7n, firstVersion: 5n });
  });

  test.each([0n, 1n, 2n, 4n, 5n, 2n ** 63n, 2n ** 64n - 1n])(
    'that expects %s of a stream at version 3 is a conflict and stores nothing',
    async (expected) => {
      const stream = `expected.wrong.${expected}`;
      await store().append({ stream, events: plainEvents(1) });
      await store().append({ stream, events: plainEvents(2) });
      const before = await store().read({ stream });
      for (const count of [1, 2, 0]) {
        const call = store().append({ stream, events: plainEvents(count), expectedVersion: expected });
        expect(await problemOf(call)).toEqual(conflict(stream, expected, 3n));
      }
      expect(await store().read({ stream })).toEqual(before);
      // The next one is not misled by the conflict.
      const next = store().append({ stream, events: plainEvents(1), expectedVersion: 3n });
      expect(await next).toMatchObject({ version: 4n, firstVersion: 4n });
    },
  );

  test('that expects a stream to exist is stored at any version, but not as the first commit', async () => {
    const stream = 'expected.exists';
    const append = (count: number): Promise<object> =>
      store().append({ stream, events: plainEvents(count), mustExist: true });
    for (const count of [1, 0])
      expect(await problemOf(append(count))).toEqual(conflict(stream, 'exists', 0n));
    expect(await store().version(stream)).toMatchObject({ version: 0n, position: 0n });
    await store().append({ stream, events: plainEvents(1), expectedVersion: 0n });
    expect(await append(2)).toMatchObject({ version: 3n, firstVersion: 2n });
    expect(await append(0)).toMatchObject({ version: 3n, firstVersion: 0n });
    await store().append({ stream, events: plainEvents(4) });
    expect(await append(1)).toMatchObject({ version: 8n, firstVersion: 8n });
  });

  test('that expects a stream to exist never fails beside others', async () => {
    const stream = 'expected.exists-beside';
    await store().append({ stream, events: plainEvents(1) });
    await Promise.all(
      range(1, 20).map((number) =>
        store().append({ stream, events: plainEvents(1, `e${number}`), mustExist: number % 2 === 0 }),
      ),
    );
    expect(await store().version(stream)).toMatchObject({ version: 21n });
  });

  test.each([0n, 1n])('that expects version %s and a stream that exists is refused', async (expected) => {
    const stream = `expected.both.${expected}`;
    const call = store().append({
      stream,
      events: plainEvents(1),
      expectedVersion: expected,
      mustExist: true,
    });
    expect(await problemOf(call)).toEqual({ reason: 'INVALID_REQUEST', fields: ['must_exist'] });
  });

  test.each([1n, 2n ** 64n - 1n])('that expects %s of a new stream is a conflict', async (expected) => {
    const stream = `expected.new.${expected}`;
    for (const count of [1, 0]) {
      const call = store().append({ stream, events: plainEvents(count), expectedVersion: expected });
      expect(await problemOf(call)).toEqual(conflict(stream, expected, 0n));
    }
    expect(await store().version(stream)).toEqual({ version: 0n, position: 0n, commitTime: undefined });
  });
}

function withoutEvents(store: () => ContractStore): void {
  const nothing = { firstVersion: 0n, replayed: false, commitId: '' };
  const commitId = '0190f3a1-0000-7000-8000-0000000000ee';

  test('of no events answers the version of the stream and stores nothing', async () => {
    const stream = 'empty.1';
    const none = { ...nothing, version: 0n, position: 0n, commitTime: undefined };
    expect(await store().append({ stream })).toEqual(none);
    expect(await store().append({ stream, expectedVersion: 0n, withCommitTime: true })).toEqual(none);
    const { version, position, commitTime } = await put(store(), stream, plainEvents(2));
    const some = { ...nothing, version, position };
    for (const expected of [undefined, 2n]) {
      const request = { stream, expectedVersion: expected, commitId };
      expect(await store().append(request)).toEqual({ ...some, commitTime: undefined });
      expect(await store().append({ ...request, withCommitTime: true })).toEqual({ ...some, commitTime });
    }
    expect(versionsOf((await store().read({ stream })).events)).toEqual([1, 2]);
  });

  test('of no events does not take the commit id', async () => {
    await store().append({ stream: 'empty.2', commitId });
    const stored = await store().append({ stream: 'empty.2', events: plainEvents(1), commitId });
    expect(stored).toMatchObject({ version: 1n, firstVersion: 1n, replayed: false, commitId });
  });
}

function concurrent(store: () => ContractStore): void {
  test('that expects nothing never fails beside others, and no version is taken twice', async () => {
    const stream = 'concurrent.any';
    const all = await Promise.all(
      range(1, 50).map((number) => store().append({ stream, events: plainEvents(2, `e${number}`) })),
    );
    const firsts = all.map(({ firstVersion }) => Number(firstVersion)).sort((a, b) => a - b);
    expect(firsts).toEqual(range(0, 49).map((number) => 2 * number + 1));
    const { events } = await store().read({ stream });
    expect(versionsOf(events)).toEqual(range(1, 100));
    for (const [index, { firstVersion }] of all.entries()) {
      const own = events.slice(Number(firstVersion) - 1, Number(firstVersion) + 1);
      expect(own.map(({ id }) => id)).toEqual([`e${index + 1}-1`, `e${index + 1}-2`]);
    }
  });

  test('that expects one version has one winner', async () => {
    const stream = 'concurrent.one';
    await store().append({ stream, events: plainEvents(1) });
    const outcomes = await Promise.all(
      range(1, 20).map((number) =>
        store()
          .append({ stream, events: plainEvents(1, `e${number}`), expectedVersion: 1n })
          .then(
            () => 'stored',
            (problem: unknown) => problemOf(Promise.reject(problem as Error)),
          ),
      ),
    );
    const winners = outcomes.flatMap((outcome, index) => (outcome === 'stored' ? [index] : []));
    expect(winners).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome !== 'stored')).toEqual(
      Array.from({ length: 19 }, () => ({
        reason: 'VERSION_CONFLICT',
        stream,
        expected: 1n,
        actual: 2n,
      })),
    );
    const { events } = await store().read({ stream });
    expect(events.map(({ id }) => id)).toEqual(['e-1', `e${(winners[0] as number) + 1}-1`]);
  });
}

/** An event that takes this many bytes when it is stored, without its version. */
function eventOfBytes(stream: string, id: string, bytes: number): GivenEvent {
  const event = (payloadBytes: number): GivenEvent => ({
    id,
    type: 'Sized',
    payload: { $case: 'binary', value: Buffer.alloc(payloadBytes) },
  });
  const stored = (payloadBytes: number): number => {
    const fields = { ...event(payloadBytes), stream, correlationId: id, causationId: id };
    return RecordedEvent.encode(RecordedEvent.fromPartial(fields)).finish().length;
  };
  const payloadBytes = 2 * bytes - stored(bytes);
  if (stored(payloadBytes) !== bytes) throw new Error('the length of the length changed');
  return event(payloadBytes);
}

function refused(store: () => ContractStore, open: OpenContract): void {
  test('that is wrong in many ways names every field at fault and stores nothing', async () => {
    const call = store().append({
      stream: 'refused..1',
      commitId: 'no-uuid',
      events: [
        { id: 'fine', type: 'Fine' },
        { id: 'with space', type: '' },
        { id: 'fine', type: 'T', correlationId: 'ä', causationId: 'b\n', tags: ['t', ''] },
        { type: 'T', metadata: new Map([['', 'no key']]), contentType: 'c'.repeat(201) },
      ],
    });
    expect(await problemOf(call)).toEqual({
      reason: 'INVALID_REQUEST',
      fields: [
        'stream',
        'commit_id',
        'events[1].type',
        'events[1].id',
        'events[2].correlation_id',
        'events[2].causation_id',
        'events[2].tags[1]',
        'events[2].id',
        'events[3].content_type',
        'events[3].metadata',
      ],
    });
    const half = store().append({ stream: 'refused.1', events: [{ type: 'Fine' }, { type: '' }] });
    expect(await problemOf(half)).toEqual({ reason: 'INVALID_REQUEST', fields: ['events[1].type'] });
    expect((await store().version('refused.1')).version).toBe(0n);
  });

  test('is bounded by the bytes of an event and of all events, as stored', async () => {
    await using bounded = await open({ eventBytesMax: 2_000, appendBytesMax: 6_000 });
    const stream = 'refused.2';
    const sized = (...bytes: number[]): GivenEvent[] =>
      bytes.map((count, index) => eventOfBytes(stream, `e-${index}`, count));
    const fieldsOf = async (events: GivenEvent[]): Promise<unknown> =>
      problemOf(bounded.append({ stream, events }));
    expect(await bounded.append({ stream, events: sized(2_000) })).toMatchObject({ version: 1n });
    expect(await fieldsOf(sized(100, 2_001, 100))).toEqual({
      reason: 'INVALID_REQUEST',
      fields: ['events[1]'],
    });
    // Framing and version count with 17 bytes each.
    expect(await bounded.append({ stream, events: sized(1_983, 1_983, 1_983) })).toMatchObject({
      version: 4n,
    });
    expect(await fieldsOf(sized(1_983, 1_983, 1_984))).toEqual({
      reason: 'INVALID_REQUEST',
      fields: ['events'],
    });
    expect(await fieldsOf(sized(2_001, 2_001, 1_983))).toEqual({
      reason: 'INVALID_REQUEST',
      fields: ['events[0]', 'events[1]', 'events'],
    });
    expect(versionsOf((await bounded.read({ stream })).events)).toEqual([1, 2, 3, 4]);
  });
}
