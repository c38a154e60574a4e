import type { DeepPartial } from '../../generated/sluice/v1/event';
import {
  Direction,
  type AppendMultiRequest,
  type AppendMultiResponse,
} from '../../generated/sluice/v1/event_store_service';
import { problemOf, type ContractStore, type StoredEvent } from './contract-store';
import { plainEvents, put, range, versionsOf } from './events';
import { Follower } from './follower';
import type { OpenContract } from './open';

let ids = 0;

/** A commit id that no other test uses. */
function newCommitId(): string {
  ids++;
  return `0190f3a1-2222-7000-8000-${ids.toString(16).padStart(12, '0')}`;
}

type StreamAppend = NonNullable<NonNullable<DeepPartial<AppendMultiRequest>['appends']>[number]>;

/** An append of plain events to a stream, whose ids begin with its name. */
function to(stream: string, count: number, expectedVersion?: bigint): StreamAppend {
  return { stream, events: plainEvents(count, stream), expectedVersion };
}

function idsOf(events: readonly StoredEvent[]): string[] {
  return events.map(({ id }) => id);
}

/** Transactions over several streams. */
export function multiContract(store: () => ContractStore, open: OpenContract): void {
  stored(store, open);
  conflicts(store);
  repeated(store);
  readWhole(open);
  followedWhole(store);
  concurrent(store, open);
  refused(store);
}

function stored(store: () => ContractStore, open: OpenContract): void {
  test('stores all of it at one position, under one commit id', async () => {
    await using fresh = await open();
    const before = await put(fresh, 'multi.b', plainEvents(2));
    const commitId = newCommitId();
    const appends = [to('multi.a', 3, 0n), to('multi.b', 1), to('multi.c', 2, 0n)];
    const checks = [
      { stream: 'multi.nobody', expectedVersion: 0n },
      { stream: 'multi', expectedVersion: 0n },
    ];
    const result = await fresh.appendMulti({ appends, checks, commitId });
    const { position } = result;
    expect(position).toBeGreaterThan(before.position);
    expect(result).toEqual({
      position,
      commitId,
      replayed: false,
      streams: [
        { stream: 'multi.a', version: 3n, firstVersion: 1n },
        { stream: 'multi.b', version: 3n, firstVersion: 3n },
        { stream: 'multi.c', version: 2n, firstVersion: 1n },
      ],
    });
    for (const { stream, version } of result.streams) {
      expect(await fresh.version(stream)).toMatchObject({ version, position });
      const { events } = await fresh.read({ stream });
      expect(versionsOf(events)).toEqual(range(1, Number(version)));
      expect(events.at(-1)).toMatchObject({
        id: `${stream}-${appends.find((one) => one.stream === stream)?.events?.length}`,
        position,
      });
    }
    const after = await put(fresh, 'multi.a', plainEvents(1), { expectedVersion: 3n });
    expect(after).toMatchObject({ version: 4n });
    expect(after.position).toBeGreaterThan(position);
    const names = (await fresh.list({})).map(({ stream }) => stream);
    expect(names).toEqual(['multi.a', 'multi.b', 'multi.c']);
  });

  test('fills in a commit id, and ids for events', async () => {
    const appends = [
      { stream: 'multi.ids.1', events: [{ type: 'A' }] },
      { stream: 'multi.ids.2', events: [{ type: 'B' }] },
    ];
    const { commitId } = await store().appendMulti({ appends });
    expect(commitId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const { events } = await store().read({ stream: 'multi.ids.2' });
    expect(events[0]?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  test('is found by correlation', async () => {
    const event = (id: string) => ({ id, type: 'T', correlationId: 'multi-correlation' });
    await store().appendMulti({
      appends: [
        { stream: 'multi.correlation.1', events: [event('one'), { type: 'Other' }] },
        { stream: 'multi.correlation.2', events: [event('two')] },
      ],
      checks: [{ stream: 'multi.correlation.3', expectedVersion: 0n }],
    });
    const { events } = await store().correlation({ correlationId: 'multi-correlation' });
    expect(idsOf(events)).toEqual(['one', 'two']);
  });
}

function conflicts(store: () => ContractStore): void {
  test('tells of every stream that is not as expected, and stores nothing', async () => {
    const name = (number: number): string => `multi.conflict.${number}`;
    for (const number of [1, 2, 3]) await put(store(), name(number), plainEvents(number));
    const call = store().appendMulti({
      appends: [to(name(1), 1, 1n), to(name(2), 1, 1n), to(name(4), 1), to(name(5), 1, 9n)],
      checks: [
        { stream: name(3), expectedVersion: 0n },
        { stream: name(6), expectedVersion: 0n },
      ],
    });
    expect(await problemOf(call)).toEqual({
      reason: 'VERSION_CONFLICT',
      stream: name(2),
      expected: 1n,
      actual: 2n,
      others: [
        { stream: name(5), expected: 9n, actual: 0n },
        { stream: name(3), expected: 0n, actual: 3n },
      ],
    });
    for (const number of range(1, 6)) {
      expect((await store().version(name(number))).version).toBe(number <= 3 ? BigInt(number) : 0n);
    }
  });

  test('expects streams to exist, those that it writes and those that it checks', async () => {
    const name = (number: number): string => `multi.exists.${number}`;
    const call = (): Promise<AppendMultiResponse> =>
      store().appendMulti({
        appends: [{ ...to(name(1), 1), mustExist: true }],
        checks: [{ stream: name(2), mustExist: true }],
      });
    expect(await problemOf(call())).toEqual({
      reason: 'VERSION_CONFLICT',
      ...{ stream: name(1), expected: 'exists', actual: 0n },
      others: [{ stream: name(2), expected: 'exists', actual: 0n }],
    });
    await put(store(), name(1), plainEvents(2));
    expect(await problemOf(call())).toMatchObject({ stream: name(2), expected: 'exists', actual: 0n });
    await put(store(), name(2), plainEvents(3));
    expect(await call()).toMatchObject({ streams: [{ version: 3n, firstVersion: 3n }] });
    await put(store(), name(2), plainEvents(1));
    expect(await call()).toMatchObject({ streams: [{ version: 4n, firstVersion: 4n }] });
    expect((await store().version(name(2))).version).toBe(4n);
  });

  test('is refused by a check alone', async () => {
    const call = (expectedVersion: bigint): Promise<AppendMultiResponse> =>
      store().appendMulti({
        appends: [to('multi.check.1', 1)],
        checks: [{ stream: 'multi.check.2', expectedVersion }],
      });
    expect(await call(0n)).toMatchObject({ replayed: false });
    await put(store(), 'multi.check.2', plainEvents(2));
    const conflict = { reason: 'VERSION_CONFLICT', stream: 'multi.check.2', expected: 0n, actual: 2n };
    expect(await problemOf(call(0n))).toEqual(conflict);
    expect(await call(2n)).toMatchObject({ streams: [{ version: 2n }] });
  });
}

function repeated(store: () => ContractStore): void {
  test.each([
    ['with an expected version', 1n, false],
    ['without an expected version', undefined, false],
    ['with a stream that must exist', undefined, true],
  ])('is stored once, with one result, when it is repeated %s', async (_name, expected, mustExist) => {
    const name = (number: number): string =>
      `multi.again.${expected ?? (mustExist ? 'exists' : 'any')}.${number}`;
    await put(store(), name(1), plainEvents(1));
    const request = {
      appends: [to(name(2), 2), { ...to(name(1), 3, expected), mustExist }],
      checks: [{ stream: name(3), expectedVersion: 0n }],
      commitId: newCommitId(),
    };
    const first = await store().appendMulti(request);
    expect(first).toMatchObject({ replayed: false, streams: [{ version: 2n }, { version: 4n }] });
    const again = { ...first, replayed: true };
    expect(await store().appendMulti(request)).toEqual(again);
    for (const number of [1, 2, 3]) await put(store(), name(number), plainEvents(2, 'later'));
    expect(await store().appendMulti(request)).toEqual(again);
    expect((await store().version(name(2))).version).toBe(4n);
  });

  test('is not what another transaction, or an append to one of its streams, is', async () => {
    const name = (number: number): string => `multi.reuse.${number}`;
    const commitId = newCommitId();
    const { position } = await store().appendMulti({
      appends: [to(name(1), 1, 0n), to(name(2), 1, 0n)],
      commitId,
    });
    const reuse = { reason: 'COMMIT_ID_REUSE', commitId, stream: name(1), position };
    const others = [
      [to(name(1), 1, 0n), to(name(2), 2, 0n)],
      [to(name(1), 1, 0n), to(name(3), 1, 0n)],
      [to(name(1), 1, 0n)],
    ];
    for (const appends of others) {
      const problem = await problemOf(store().appendMulti({ appends, commitId }));
      expect(['COMMIT_ID_REUSE', 'VERSION_CONFLICT']).toContain(problem.reason);
    }
    const elsewhere = store().appendMulti({ appends: [to(name(4), 1), to(name(5), 1)], commitId });
    expect(await problemOf(elsewhere)).toEqual(reuse);
    const alone = store().append({ ...to(name(4), 1), commitId });
    expect(await problemOf(alone)).toEqual(reuse);
    expect((await store().version(name(4))).version).toBe(0n);
  });

  test('of one stream is what Append is', async () => {
    const request = to('multi.alone', 2, 0n);
    const commitId = newCommitId();
    const one = await store().append({ ...request, commitId });
    const two = await store().appendMulti({ appends: [request], commitId });
    expect(two).toEqual({
      position: one.position,
      commitId,
      replayed: true,
      streams: [{ stream: 'multi.alone', version: 2n, firstVersion: 1n }],
    });
  });
}

function readWhole(open: OpenContract): void {
  test('is read whole or not at all, forward and backward, wherever the read begins and ends', async () => {
    await using fresh = await open();
    await put(fresh, 'whole.z', plainEvents(1, 'before'));
    const transaction = await fresh.appendMulti({
      appends: [to('whole.a', 2), to('other.b', 1), to('whole.c', 2)],
      checks: [{ stream: 'whole.d', expectedVersion: 0n }],
    });
    const last = await put(fresh, 'whole.z', plainEvents(1, 'after'));
    const mine = ['whole.a-1', 'whole.a-2', 'other.b-1', 'whole.c-1', 'whole.c-2'];
    const all = ['before-1', ...mine, 'after-1'];
    const backward = { direction: Direction.BACKWARD };
    const forwardAll = await fresh.all({});
    expect(idsOf(forwardAll.events)).toEqual(all);
    expect(idsOf((await fresh.all(backward)).events)).toEqual(all.toReversed());
    for (const { stream } of transaction.streams) {
      const { events } = await fresh.read({ stream });
      expect(forwardAll.events.filter((event) => event.stream === stream)).toEqual(events);
    }
    const patterns = ['whole.*'];
    const some = all.filter((id) => id !== 'other.b-1');
    expect(idsOf((await fresh.all({ patterns })).events)).toEqual(some);
    expect(idsOf((await fresh.all({ patterns, ...backward })).events)).toEqual(some.toReversed());
    // As far as positions go that are within it.
    const filters: { patterns?: string[] }[] = [
      {},
      { patterns },
      { patterns: ['whole.a'] },
      { patterns: ['other.b'] },
      { patterns: ['whole.z', 'other.>', 'whole.a'] },
    ];
    for (const request of filters) {
      const matching = idsOf((await fresh.all(request)).events);
      const transactions = mine.filter((id) => matching.includes(id));
      for (let at = 1n; at <= last.position; at++) {
        const whole = async (range: object): Promise<string[]> =>
          idsOf((await fresh.all({ ...request, ...range })).events).filter((id) => mine.includes(id));
        const isBefore = at < transaction.position;
        expect([at, ...(await whole({ afterPosition: at }))]).toEqual([
          at,
          ...(isBefore ? transactions : []),
        ]);
        expect([at, ...(await whole({ toPosition: at }))]).toEqual([at, ...(isBefore ? [] : transactions)]);
        const down = transactions.toReversed();
        expect(await whole({ ...backward, afterPosition: at })).toEqual(
          at <= transaction.position ? [] : down,
        );
        expect(await whole({ ...backward, toPosition: at })).toEqual(at <= transaction.position ? down : []);
      }
      for (const count of range(1, matching.length)) {
        const { events, resume } = await fresh.all({ ...request, maxCount: BigInt(count) });
        const taken = idsOf(events);
        expect([0, transactions.length]).toContain(taken.filter((id) => mine.includes(id)).length);
        const rest = await fresh.all({ ...request, afterPosition: resume });
        expect([...taken, ...idsOf(rest.events)]).toEqual(matching);
      }
    }
  });
}

function followedWhole(store: () => ContractStore): void {
  test.each([
    ['stored', false],
    ['new', true],
  ])('that is %s comes to a subscriber in one piece', async (name, isNew) => {
    const prefix = `multi.followed.${name}`;
    const append = (): Promise<AppendMultiResponse> =>
      store().appendMulti({
        appends: [to(`${prefix}.a`, 2), to(`elsewhere.${prefix}`, 1), to(`${prefix}.b`, 1)],
        checks: [{ stream: `${prefix}.c`, expectedVersion: 0n }],
      });
    await put(store(), `${prefix}.a`, plainEvents(1, 'first'));
    const early = isNew ? undefined : await append();
    await using follower = new Follower(store(), { patterns: [`${prefix}.>`] });
    const begun = isNew ? await follower.take(1) : undefined;
    if (isNew) await follower.until('caughtUp');
    const { position } = early ?? (await append());
    const events = [...(begun ?? []), ...(await follower.take(isNew ? 3 : 4))];
    expect(idsOf(events)).toEqual(['first-1', `${prefix}.a-1`, `${prefix}.a-2`, `${prefix}.b-1`]);
    expect(events.slice(1).map((event) => event.position)).toEqual([position, position, position]);
    const next = await put(store(), `${prefix}.b`, plainEvents(1, 'next'));
    if (!isNew) await follower.until('caughtUp').catch(() => undefined);
    await using resumed = new Follower(store(), { patterns: [`${prefix}.>`], afterPosition: position });
    expect((await resumed.take(1))[0]).toMatchObject({ id: 'next-1', position: next.position });
  });
}

function concurrent(store: () => ContractStore, open: OpenContract): void {
  test('beside others on the same streams takes no version twice, and is never seen in part', async () => {
    await using fresh = await open();
    const names = range(1, 6).map((number) => `at-once.${number}`);
    const one = (seed: number): Promise<AppendMultiResponse> => {
      const chosen = names.filter((_, index) => (seed >> (index % 5)) % 2 === 0 || index === seed % 6);
      const id = `s${seed}`;
      return fresh.appendMulti({
        appends: chosen.map((stream) => ({ stream, events: [{ id: `${id}.${stream}`, type: id }] })),
      });
    };
    const singles = range(1, 30).map((number) =>
      fresh.append({ stream: names[number % 6] as string, events: plainEvents(1, `single-${number}`) }),
    );
    const transactions = await Promise.all(range(1, 30).map((seed) => one(seed)));
    await Promise.all(singles);
    const { events } = await fresh.all({});
    for (const { streams, position } of transactions) {
      const own = events.filter((event) => event.position === position);
      expect(own.map(({ stream, version }) => [stream, version])).toEqual(
        streams.map(({ stream, version }) => [stream, version]),
      );
    }
    for (const stream of names) {
      const versions = versionsOf(events.filter((event) => event.stream === stream));
      expect(versions).toEqual(range(1, versions.length));
    }
  });

  test('waits for its turn when many are sent at once', async () => {
    const transactions = await Promise.all(
      range(1, 60).map((number) =>
        store().appendMulti({
          appends: [to(`multi.turn.${number}.a`, 1, 0n), to(`multi.turn.${number}.b`, 1, 0n)],
        }),
      ),
    );
    expect(new Set(transactions.map(({ position }) => position)).size).toBe(60);
  });

  test('that expects the same version has one winner', async () => {
    const [a, b] = ['multi.winner.a', 'multi.winner.b'];
    const outcomes = await Promise.allSettled(
      range(1, 12).map((number) =>
        store().appendMulti({
          appends: number % 2 === 0 ? [to(a, 1, 0n), to(b, 1, 0n)] : [to(b, 1, 0n), to(a, 1, 0n)],
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await store().version(a)).version).toBe(1n);
    expect((await store().version(b)).version).toBe(1n);
  });
}

function refused(store: () => ContractStore): void {
  test('that is wrong in many ways names every field at fault and stores nothing', async () => {
    const fieldsOf = async (request: DeepPartial<AppendMultiRequest>): Promise<unknown> =>
      (await problemOf(store().appendMulti(request))).fields;
    expect(await fieldsOf({})).toEqual(['appends']);
    const fields = await fieldsOf({
      appends: [
        { stream: 'multi.refused', events: [{ type: 'Fine' }] },
        { stream: 'multi..refused', events: [{ type: '' }] },
        { stream: 'multi.refused', events: [] },
      ],
      checks: [
        { stream: '', mustExist: true },
        { stream: 'multi.refused', expectedVersion: 1n },
        { stream: 'multi.unexpected' },
        { stream: 'multi.both', expectedVersion: 0n, mustExist: true },
      ],
      commitId: 'no-uuid',
    });
    expect(fields).toEqual([
      'commit_id',
      'appends[1].stream',
      'appends[1].events[0].type',
      'appends[2].stream',
      'appends[2].events',
      'checks[0].stream',
      'checks[1].stream',
      'checks[2].expected_version',
      'checks[3].must_exist',
    ]);
    const names = range(1, 101).map((number) => `multi.refused.${number}`);
    const many = names.map((name) => to(name, 1));
    expect(await fieldsOf({ appends: many })).toEqual(['appends']);
    expect(
      await fieldsOf({
        appends: [to('multi.refused', 1)],
        checks: names.map((stream) => ({ stream, expectedVersion: 0n })),
      }),
    ).toEqual(['checks']);
    expect((await store().version('multi.refused')).version).toBe(0n);
  });

  test('takes as many streams as it may', async () => {
    const name = (kind: string, number: number): string => `multi.most.${kind}.${number}`;
    const { streams } = await store().appendMulti({
      appends: range(1, 100).map((number) => to(name('write', number), 2, 0n)),
      checks: range(1, 100).map((number) => ({ stream: name('check', number), expectedVersion: 0n })),
    });
    expect(streams.map(({ version }) => version)).toEqual(Array.from({ length: 100 }, () => 2n));
    const { events } = await store().all({ patterns: ['multi.most.>'] });
    expect(events).toHaveLength(200);
  });
}
