import type { DeepPartial } from '../../generated/sluice/v1/event';
import {
  Direction,
  type ReadStreamRequest,
  type SubscribeRequest,
} from '../../generated/sluice/v1/event_store_service';
import { problemOf, timestamp, type ContractStore, type StoredEvent } from './contract-store';
import { plainEvents, put, range, recorded, stub, versionsOf, type GivenEvent } from './events';
import { Follower } from './follower';
import type { OpenContract } from './open';

const backward = Direction.BACKWARD;
const reason = 'asked for by ticket 4711';

/** What an erasure takes away, and what stays. */
export function eraseContract(store: () => ContractStore, open: OpenContract): void {
  erased(store);
  wholeCommits(store);
  repeated(store);
  hidden(store);
  appendsAfter(store);
  readers(open);
  races(store);
}

/** An event with everything that an event can have. */
function fullEvent(number: number, correlationId: string): GivenEvent {
  return {
    id: `e-${number}`,
    type: number % 2 === 0 ? 'Even' : 'Odd',
    payload: { $case: 'text', value: `payload ${number}` },
    contentType: 'text/plain',
    correlationId,
    causationId: `cause-${number}`,
    tags: ['tag'],
    metadata: new Map([['key', 'value']]),
  };
}

function fullEvents(from: number, to: number, correlationId: string): GivenEvent[] {
  return range(from, to).map((number) => fullEvent(number, correlationId));
}

/** A stream of three commits, with the versions 1 and 2, 3, and 4 to 6; all have their stream as correlation id. */
async function filled(store: ContractStore, stream: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (const [from, to] of [
    [1, 2],
    [3, 3],
    [4, 6],
  ] as const) {
    const given = fullEvents(from, to, stream);
    const taken = await put(store, stream, given);
    events.push(...given.map((event, index) => recorded(stream, BigInt(from + index), event, taken)));
  }
  return events;
}

async function read(
  store: ContractStore,
  stream: string,
  request: DeepPartial<ReadStreamRequest> = {},
): Promise<readonly StoredEvent[]> {
  return (await store.read({ stream, ...request })).events;
}

/** The events, with stubs for those of some versions. */
function without(events: readonly StoredEvent[], from: number, to: number): StoredEvent[] {
  return events.map((event) =>
    event.version >= BigInt(from) && event.version <= BigInt(to) ? stub(event) : event,
  );
}

function erased(store: () => ContractStore): void {
  test('an erased event is a stub for every read of its stream', async () => {
    const stream = 'erase.stub';
    const events = await filled(store(), stream);
    expect(await read(store(), stream)).toEqual(events);
    const before = await store().describe(stream);
    expect(before.erased).toEqual([]);
    const range = { fromVersion: 1n, toVersion: 3n };
    const { stream: after, ...answer } = await store().erase({ stream, ...range, reason });
    expect(answer).toMatchObject({ changed: true, replayed: false });
    expect(answer.commitId).toMatch(/^[0-9a-f-]{36}$/);
    const { position, commitTime } = after;
    expect(position).toBeGreaterThan(before.position);
    const record = { ...range, reason, principal: '', position, commitTime };
    expect(after).toEqual({ ...before, position, commitTime, controlPosition: position, erased: [record] });
    expect(await store().describe(stream)).toEqual(after);
    expect(await store().version(stream)).toEqual({
      ...{ version: 6n, position, commitTime, lifecycle: undefined },
    });

    const left = without(events, 1, 3);
    expect(await read(store(), stream)).toEqual(left);
    expect(await read(store(), stream, { direction: backward })).toEqual(left.toReversed());
    expect(await read(store(), stream, { fromVersion: 2n, toVersion: 4n })).toEqual(left.slice(1, 4));
    expect(await read(store(), stream, { maxCount: 2n })).toEqual(left.slice(0, 2));
    expect(await read(store(), stream, { eventTypes: ['Even'] })).toEqual(
      left.filter(({ type }) => type === 'Even'),
    );
    const time = timestamp(left[2]?.commitTime ?? 0n);
    expect(await read(store(), stream, { toTime: time })).toEqual(left.slice(0, 3));
    expect(await read(store(), stream, { fromTime: time })).toEqual(left.slice(2));
  });

  test('an erased event has no correlation id any more', async () => {
    const stream = 'erase.correlation';
    const events = await filled(store(), stream);
    const own = { id: 'erase-own', type: 'Happened' };
    await put(store(), stream, [own]);
    const found = async (correlationId: string): Promise<number[]> =>
      versionsOf((await store().correlation({ correlationId })).events);
    expect(await found(stream)).toEqual(range(1, 6));
    await store().erase({ stream, fromVersion: 3n, toVersion: 3n, reason });
    expect(await found(stream)).toEqual([1, 2, 4, 5, 6]);
    expect(
      versionsOf((await store().correlation({ correlationId: stream, eventTypes: ['Odd'] })).events),
    ).toEqual([1, 5]);
    expect((await store().correlation({ correlationId: stream, maxCount: 3n })).end).toBe('maxCount');
    await store().erase({ stream, fromVersion: 1n, toVersion: 7n, reason });
    expect([await found(stream), await found('erase-own')].flat()).toEqual([]);
    expect((await read(store(), stream)).slice(0, 6)).toEqual(without(events, 1, 6));
  });

  test('of a transaction, the events of one stream are erased', async () => {
    const [one, other] = ['erase.multi.one', 'erase.multi.other'] as const;
    const appends = [one, other].map((stream) => ({ stream, events: fullEvents(1, 2, stream) }));
    const commitId = '0190f3a1-7777-7000-8000-000000000001';
    const stored = await store().appendMulti({ appends, commitId });
    const before = [await read(store(), one), await read(store(), other)] as const;
    await store().erase({ stream: other, fromVersion: 1n, toVersion: 2n, reason });
    expect(await read(store(), one)).toEqual(before[0]);
    expect(await read(store(), other)).toEqual(without(before[1], 1, 2));
    expect(await store().appendMulti({ appends, commitId })).toEqual({ ...stored, replayed: true });
  });

  test('of the erasures of a stream, the newest hundred are described', async () => {
    const stream = 'erase.many';
    for (const number of range(1, 102)) await put(store(), stream, [fullEvent(number, stream)]);
    for (const number of range(1, 102)) {
      const version = BigInt(number);
      await store().erase({ stream, fromVersion: version, toVersion: version, reason: `number ${number}` });
    }
    const { erased } = await store().describe(stream);
    expect(erased.map(({ fromVersion, reason: why }) => [Number(fromVersion), why])).toEqual(
      range(3, 102).map((number) => [number, `number ${number}`]),
    );
    expect((await read(store(), stream)).every((event) => event.erased)).toBe(true);
  });
}

function wholeCommits(store: () => ContractStore): void {
  test('an erasure that would split a commit is refused, and says what it would have to cover', async () => {
    const stream = 'erase.split';
    const events = await filled(store(), stream);
    const refused = async (from: number, to: number, whole: readonly [number, number]): Promise<void> => {
      const range = { fromVersion: BigInt(from), toVersion: BigInt(to) };
      const [fromVersion, toVersion] = whole.map(BigInt);
      expect(await problemOf(store().erase({ stream, ...range, reason }))).toEqual({
        ...{ reason: 'ERASE_SPLITS_COMMIT', stream, fromVersion, toVersion },
      });
    };
    await refused(2, 2, [1, 2]);
    await refused(1, 1, [1, 2]);
    await refused(2, 3, [1, 3]);
    await refused(3, 4, [3, 6]);
    await refused(2, 5, [1, 6]);
    await refused(5, 5, [4, 6]);
    expect(await read(store(), stream)).toEqual(events);
    expect((await store().describe(stream)).controlPosition).toBe(0n);
  });

  test('an erasure of what does not exist is refused', async () => {
    const stream = 'erase.none';
    const range = { fromVersion: 1n, toVersion: 3n, reason };
    const never = { reason: 'STREAM_NOT_FOUND', stream };
    expect(await problemOf(store().erase({ stream, ...range }))).toEqual(never);
    expect(await problemOf(store().erase({ stream, ...range, expectedVersion: 0n }))).toEqual(never);
    await put(store(), stream, plainEvents(2));
    const afterEnd = (asked: bigint) => ({ reason: 'VERSION_BEYOND_END', stream, asked, actual: 2n });
    expect(await problemOf(store().erase({ stream, ...range }))).toEqual(afterEnd(3n));
    expect(await problemOf(store().erase({ stream, ...range, fromVersion: 2n }))).toEqual(afterEnd(3n));
    const last = 2n ** 64n - 1n;
    expect(await problemOf(store().erase({ stream, reason, fromVersion: last, toVersion: last }))).toEqual(
      afterEnd(last),
    );
    expect(await problemOf(store().erase({ stream, ...range, expectedVersion: 1n }))).toEqual({
      ...{ reason: 'VERSION_CONFLICT', stream, expected: 1n, actual: 2n },
    });
    expect((await store().describe(stream)).erased).toEqual([]);
  });

  test('bad requests are refused', async () => {
    const stream = 'erase.bad';
    await put(store(), stream, plainEvents(1));
    const bad = async (request: object, ...fields: string[]): Promise<void> => {
      const good = { stream, fromVersion: 1n, toVersion: 1n, reason };
      expect(await problemOf(store().erase({ ...good, ...request }))).toEqual({
        ...{ reason: 'INVALID_REQUEST', fields },
      });
    };
    await bad({ fromVersion: 0n }, 'from_version');
    await bad({ toVersion: 0n }, 'to_version');
    await bad({ fromVersion: 2n }, 'to_version');
    await bad({ toVersion: 10_001n }, 'to_version');
    await bad({ toVersion: 2n ** 64n - 1n }, 'to_version');
    await bad({ reason: '' }, 'reason');
    await bad({ reason: 'x'.repeat(257) }, 'reason');
    await bad({ reason: 'é'.repeat(129) }, 'reason');
    await bad({ reason: 'a\nb' }, 'reason');
    await bad({ reason: 'a\u0085b' }, 'reason');
    await bad({ stream: 'a.*', commitId: 'x' }, 'stream', 'commit_id');
    const most = { stream, fromVersion: 1n, reason };
    expect(await problemOf(store().erase({ ...most, toVersion: 10_000n }))).toMatchObject({
      reason: 'VERSION_BEYOND_END',
    });
    const long = 'é'.repeat(128);
    const { stream: after } = await store().erase({ stream, fromVersion: 1n, toVersion: 1n, reason: long });
    expect(after.erased).toMatchObject([{ reason: long }]);
  });
}

function repeated(store: () => ContractStore): void {
  test('what is erased already is not erased again', async () => {
    const stream = 'erase.again';
    const events = await filled(store(), stream);
    const commitId = '0190f3a1-7777-7000-8000-000000000010';
    await store().erase({ stream, fromVersion: 1n, toVersion: 3n, reason });
    const before = await store().describe(stream);
    for (const [fromVersion, toVersion] of [
      [1n, 3n],
      [1n, 2n],
      [3n, 3n],
    ] as const) {
      const request = { stream, fromVersion, toVersion, reason: 'another reason', commitId };
      expect(await store().erase(request)).toEqual({
        ...{ stream: before, changed: false, replayed: false, commitId: '' },
      });
    }
    // So that the id is free, also for a range of which a part is erased.
    const all = { stream, fromVersion: 1n, toVersion: 6n, reason, commitId };
    const { stream: after, ...answer } = await store().erase({ ...all, expectedVersion: 6n });
    expect(answer).toEqual({ changed: true, replayed: false, commitId });
    expect(after.erased.map(({ toVersion }) => toVersion)).toEqual([3n, 6n]);
    expect(await read(store(), stream)).toEqual(without(events, 1, 6));
  });

  test('a repetition changes nothing, and a commit id belongs to one erasure', async () => {
    const stream = 'erase.replay';
    await filled(store(), stream);
    const commitId = '0190f3a1-7777-7000-8000-00000000ABCD';
    const erasure = { stream, fromVersion: 3n, toVersion: 3n, reason, commitId };
    const { stream: after } = await store().erase({ ...erasure, expectedVersion: 6n });
    const appended = await put(store(), stream, plainEvents(1));
    for (const expectedVersion of [undefined, 6n]) {
      const { stream: now, ...rest } = await store().erase({ ...erasure, expectedVersion });
      expect(rest).toEqual({ changed: true, replayed: true, commitId: commitId.toLowerCase() });
      expect(now).toEqual({
        ...after,
        ...{ version: 7n, position: appended.position, commitTime: appended.commitTime },
      });
    }
    const reuse = {
      ...{ reason: 'COMMIT_ID_REUSE', commitId: commitId.toLowerCase(), stream, position: after.position },
    };
    expect(await problemOf(store().erase({ ...erasure, reason: 'another' }))).toEqual(reuse);
    expect(await problemOf(store().erase({ ...erasure, fromVersion: 1n }))).toEqual(reuse);
    expect(await problemOf(store().truncate({ stream, beforeVersion: 2n, commitId }))).toEqual(reuse);
    expect(await problemOf(store().append({ stream, events: plainEvents(1), commitId }))).toEqual(reuse);
  });
}

function hidden(store: () => ContractStore): void {
  test('hidden events are erased as well', async () => {
    const stream = 'erase.hidden';
    const events = await filled(store(), stream);
    await store().truncate({ stream, beforeVersion: 2n });
    await store().retain({ stream, retention: { maxCount: 2n } });
    const { stream: after } = await store().erase({ stream, fromVersion: 1n, toVersion: 3n, reason });
    expect(after).toMatchObject({ firstVersion: 5n, truncatedBefore: 2n, maxCount: 2n });
    expect(await read(store(), stream)).toEqual(events.slice(4));
    await store().retain({ stream });
    expect(await read(store(), stream)).toEqual(without(events, 1, 3).slice(1));
    await store().truncate({ stream, beforeVersion: 3n });
    expect((await store().describe(stream)).erased).toEqual(after.erased);
  });

  test('a stream that was deleted or tombstoned can be erased, and stays so', async () => {
    for (const end of ['remove', 'tombstone'] as const) {
      const stream = `erase.${end}`;
      await filled(store(), stream);
      const { stream: ended } = await store()[end]({ stream });
      const { stream: after, changed } = await store().erase({
        ...{ stream, fromVersion: 1n, toVersion: 6n, reason, expectedVersion: 6n },
      });
      expect(changed).toBe(true);
      const { position, commitTime, erased } = after;
      expect(after).toEqual({ ...ended, position, commitTime, controlPosition: position, erased });
      expect(erased).toMatchObject([{ fromVersion: 1n, toVersion: 6n }]);
      expect(await read(store(), stream)).toEqual([]);
      expect((await store().correlation({ correlationId: stream })).events).toEqual([]);
    }
    const over = { reason: 'STREAM_TOMBSTONED', stream: 'erase.tombstone' };
    const append = (stream: string) => store().append({ stream, events: plainEvents(1) });
    expect(await problemOf(append('erase.tombstone'))).toEqual(over);
    expect(await append('erase.remove')).toMatchObject({ firstVersion: 7n });
    expect((await store().version('erase.remove')).lifecycle).toEqual({ state: 'active', firstVersion: 7n });
  });
}

function appendsAfter(store: () => ContractStore): void {
  test('an append builds on an erasure, and one whose commit was erased is still a repetition', async () => {
    const stream = 'erase.appends';
    const commitId = '0190f3a1-7777-7000-8000-000000000020';
    const first = { stream, events: fullEvents(1, 2, stream), commitId };
    const taken = await put(store(), stream, first.events, { commitId });
    await put(store(), stream, plainEvents(1));
    await store().erase({ stream, fromVersion: 1n, toVersion: 2n, reason });
    const { version, firstVersion, position } = taken;
    for (const expectation of [{}, { expectedVersion: 0n }])
      expect(await store().append({ ...first, events: [...first.events], ...expectation })).toMatchObject({
        ...{ version, firstVersion, position, replayed: true },
      });
    // Only ids and types can be compared.
    const others = first.events.map((event) => ({ id: event.id, type: event.type }));
    expect(await store().append({ ...first, events: others })).toMatchObject({ version, replayed: true });
    const reuse = { reason: 'COMMIT_ID_REUSE', stream, position };
    for (const events of [
      others.slice(0, 1),
      others.map((event) => ({ ...event, type: 'Other' })),
      others.map(({ id, type }) => ({ id: `${id}-other`, type })),
    ])
      expect(await problemOf(store().append({ ...first, events }))).toMatchObject(reuse);
    expect(
      await problemOf(store().append({ ...first, events: [...first.events], expectedVersion: 1n })),
    ).toMatchObject({ reason: 'VERSION_CONFLICT', actual: 3n });
    expect(await problemOf(store().append({ stream: `${stream}.other`, events: plainEvents(1), commitId })))
      // The error says where the commit is, as before.
      .toMatchObject({ reason: 'COMMIT_ID_REUSE', stream, position });
    const next = await put(store(), stream, plainEvents(1), { expectedVersion: 3n });
    expect(next).toMatchObject({ version: 4n, replayed: false });
    expect(versionsOf(await read(store(), stream))).toEqual(range(1, 4));
  });
}

function readers(open: OpenContract): void {
  test('readers of many streams get stubs, which count and match as the events did', async () => {
    await using store = await open();
    const a = await filled(store, 'a');
    const b = await filled(store, 'b');
    await using live = new Follower(store, { fromNow: true });
    await live.until('caughtUp');
    await store.erase({ stream: 'a', fromVersion: 4n, toVersion: 6n, reason });
    const { stream: after } = await store.erase({ stream: 'b', fromVersion: 1n, toVersion: 2n, reason });
    const left = [...without(a, 4, 6), ...without(b, 1, 2)];
    const whole = await store.all({});
    expect(whole).toMatchObject({ events: left, end: 'complete', position: after.position });
    expect((await store.all({ direction: backward })).events).toEqual(left.toReversed());
    expect((await store.all({ eventTypes: ['Odd'] })).events).toEqual(
      left.filter(({ type }) => type === 'Odd'),
    );
    expect((await store.all({ eventTypePrefixes: ['Ev'], patterns: ['a'] })).events).toEqual(
      left.filter(({ type, stream }) => type === 'Even' && stream === 'a'),
    );
    // The third commit of a has three events, and two of them were read.
    const [third] = left.slice(3) as [StoredEvent];
    const within = { afterPosition: third.position, afterCount: 2n };
    expect((await store.all(within)).events).toEqual(left.slice(5));
    const ofB = left.filter(({ type, stream }) => type === 'Odd' && stream === 'b');
    const subscriptions: [DeepPartial<SubscribeRequest>, StoredEvent[]][] = [
      [{}, left],
      [{ stream: 'a' }, left.slice(0, 6)],
      [{ stream: 'a', afterVersion: 4n }, left.slice(4, 6)],
      [within, left.slice(5)],
      [{ patterns: ['b'], eventTypes: ['Odd'] }, ofB],
    ];
    for (const [request, events] of subscriptions) {
      await using follower = new Follower(store, request);
      expect(await follower.take(events.length)).toEqual(events);
      expect((await follower.until('caughtUp')).position).toBe(after.position);
    }
    // Nothing is delivered again because it was erased.
    await put(store, 'c', plainEvents(1));
    expect((await live.take(1)).map(({ stream }) => stream)).toEqual(['c']);
    expect((await store.list({})).map(({ stream, version, hasControls }) => [stream, version, hasControls]))
      // What an erasure takes away is no part of the list.
      .toEqual([
        ['a', 6n, true],
        ['b', 6n, true],
        ['c', 1n, false],
      ]);
  });
}

function races(store: () => ContractStore): void {
  test('of an erasure and appends and reads at once, a read has each event or its stub, and no part of one', async () => {
    for (const round of range(1, 3)) {
      const stream = `erase.race.${round}`;
      const events = await filled(store(), stream);
      const appends = range(1, 10).map(() => store().append({ stream, events: plainEvents(1) }));
      const reads = range(1, 10).map(() => read(store(), stream, { toVersion: 6n }));
      const erasure = store().erase({ stream, fromVersion: 1n, toVersion: 6n, reason });
      for (const seen of await Promise.all(reads)) {
        const commits = [seen.slice(0, 2), seen.slice(2, 3), seen.slice(3, 6)];
        for (const commit of commits) expect(new Set(commit.map((event) => event.erased)).size).toBe(1);
        const stubs = seen.filter((event) => event.erased);
        expect(seen.length).toBe(6);
        expect(stubs).toEqual(events.filter((_, index) => seen[index]?.erased).map(stub));
        expect(seen.filter((event) => !event.erased)).toEqual(
          events.filter((_, index) => seen[index]?.erased === false),
        );
      }
      const { stream: after } = await erasure;
      expect(after.erased).toMatchObject([{ fromVersion: 1n, toVersion: 6n }]);
      expect(await read(store(), stream, { toVersion: 6n })).toEqual(events.map(stub));
      await Promise.all(appends);
      expect(versionsOf(await read(store(), stream))).toEqual(range(1, 16));
    }
  });
}
