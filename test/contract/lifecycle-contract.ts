import type { DeepPartial } from '../../generated/sluice/v1/event';
import { Direction, type ReadStreamRequest } from '../../generated/sluice/v1/event_store_service';
import { problemOf, timestamp, type ContractStore } from './contract-store';
import { plainEvents, put, range, versionsOf } from './events';
import type { OpenContract } from './open';

const backward = Direction.BACKWARD;

/** What truncations, retention, deletions and tombstones do to a stream and to its readers. */
export function lifecycleContract(store: () => ContractStore, open: OpenContract): void {
  described(store);
  truncated(store);
  retained(store);
  aged(store);
  deleted(store, open);
  tombstoned(store);
}

/** The versions that a read of a stream has. */
async function read(
  store: ContractStore,
  stream: string,
  request: DeepPartial<ReadStreamRequest> = {},
): Promise<number[]> {
  return versionsOf((await store.read({ stream, ...request })).events);
}

function described(store: () => ContractStore): void {
  test('a stream is described as it is', async () => {
    const stream = 'life.described';
    const never = { reason: 'STREAM_NOT_FOUND', stream };
    expect(await problemOf(store().describe(stream))).toEqual(never);
    for (const call of ['truncate', 'retain', 'remove', 'tombstone'] as const)
      expect(await problemOf(store()[call]({ stream, beforeVersion: 1n }))).toEqual(never);
    const { position, commitTime } = await put(store(), stream, plainEvents(3));
    const whole = {
      ...{ stream, state: 'active', version: 3n, firstVersion: 1n, position, commitTime },
      ...{ truncatedBefore: 1n, maxCount: undefined, maxAge: undefined, controlPosition: 0n },
      erased: [],
    };
    expect(await store().describe(stream)).toEqual(whole);

    const truncation = await store().truncate({ stream, beforeVersion: 2n });
    const { position: at, commitTime: time } = truncation.stream;
    expect(truncation).toMatchObject({
      changed: true,
      replayed: false,
      stream: {
        ...whole,
        position: at,
        commitTime: time,
        firstVersion: 2n,
        truncatedBefore: 2n,
        controlPosition: at,
      },
    });
    expect(truncation.commitId).toMatch(/^[0-9a-f-]{36}$/);
    expect(at).toBeGreaterThan(position);
    expect(time).toBeGreaterThanOrEqual(commitTime);
    expect(await store().describe(stream)).toEqual(truncation.stream);

    const retention = { maxCount: 1n, maxAge: { seconds: 3_600n, nanos: 7_000_000 } };
    const { stream: bounded } = await store().retain({ stream, retention });
    expect(bounded).toMatchObject({
      ...{ version: 3n, firstVersion: 3n, truncatedBefore: 2n, state: 'active' },
      ...{ maxCount: 1n, maxAge: 3_600_007_000_000n, controlPosition: bounded.position },
    });
    const later = await put(store(), stream, plainEvents(2));
    expect(later.version).toBe(5n);
    expect(await store().describe(stream)).toEqual({
      ...bounded,
      ...{ version: 5n, firstVersion: 5n, position: later.position, commitTime: later.commitTime },
    });
  });

  test('a control has the commit id and the expected version of its caller, and leaves the version as it is', async () => {
    const stream = 'life.expected';
    await put(store(), stream, plainEvents(3));
    const conflict = { reason: 'VERSION_CONFLICT', stream, expected: 2n, actual: 3n };
    const truncate = { stream, beforeVersion: 2n };
    expect(await problemOf(store().truncate({ ...truncate, expectedVersion: 2n }))).toEqual(conflict);
    expect(await problemOf(store().retain({ stream, expectedVersion: 2n }))).toEqual(conflict);
    expect(await problemOf(store().remove({ stream, expectedVersion: 2n }))).toEqual(conflict);
    expect(await problemOf(store().tombstone({ stream, expectedVersion: 2n }))).toEqual(conflict);
    expect(await problemOf(store().remove({ stream: 'life.none', expectedVersion: 1n }))).toMatchObject({
      ...{ reason: 'VERSION_CONFLICT', actual: 0n },
    });
    const none = { reason: 'STREAM_NOT_FOUND', stream: 'life.none' };
    expect(await problemOf(store().remove({ stream: 'life.none', expectedVersion: 0n }))).toEqual(none);
    const commitId = '0190f3a1-6666-7000-8000-00000000ABCD';
    const done = await store().truncate({ ...truncate, expectedVersion: 3n, commitId });
    expect(done).toMatchObject({ changed: true, replayed: false, commitId: commitId.toLowerCase() });
    const { version, position } = await store().version(stream);
    expect({ version, position }).toEqual({ version: 3n, position: done.stream.position });
    const appended = await put(store(), stream, plainEvents(1), { expectedVersion: 3n });
    expect(appended).toMatchObject({ version: 4n, firstVersion: 4n });
    // A repetition changes nothing, whatever has followed, and describes the stream as it is now.
    const again = { ...truncate, commitId };
    for (const expectedVersion of [undefined, 3n]) {
      const { stream: now, ...rest } = await store().truncate({ ...again, expectedVersion });
      expect(rest).toEqual({ changed: true, replayed: true, commitId: commitId.toLowerCase() });
      expect(now).toEqual(await store().describe(stream));
      expect(now).toMatchObject({ version: 4n, position: appended.position });
    }
  });

  test('a commit id belongs to one commit, control or not', async () => {
    const stream = 'life.ids';
    const ofEvents = '0190f3a1-6666-7000-8000-00000000001a';
    const ofControl = '0190f3a1-6666-7000-8000-00000000001b';
    const { position: appended } = await put(store(), stream, plainEvents(3), { commitId: ofEvents });
    const { stream: after } = await store().truncate({ stream, beforeVersion: 3n, commitId: ofControl });
    const reuse = (commitId: string, position: bigint) => ({
      ...{ reason: 'COMMIT_ID_REUSE', commitId, stream, position },
    });
    const other = { stream, commitId: ofEvents };
    expect(await problemOf(store().truncate({ ...other, beforeVersion: 2n }))).toEqual(
      reuse(ofEvents, appended),
    );
    expect(await problemOf(store().remove(other))).toEqual(reuse(ofEvents, appended));
    const taken = { stream, commitId: ofControl };
    const ofAfter = reuse(ofControl, after.position);
    expect(await problemOf(store().truncate({ ...taken, beforeVersion: 2n }))).toEqual(ofAfter);
    expect(await problemOf(store().retain(taken))).toEqual(ofAfter);
    expect(await problemOf(store().append({ ...taken, events: plainEvents(1) }))).toEqual(ofAfter);
    const appends = [{ stream, events: plainEvents(1) }];
    expect(await problemOf(store().appendMulti({ appends, commitId: ofControl }))).toEqual(ofAfter);
    await put(store(), 'life.ids.other', plainEvents(1));
    const elsewhere = { stream: 'life.ids.other', commitId: ofControl };
    expect(await problemOf(store().truncate({ ...elsewhere, beforeVersion: 2n }))).toEqual(ofAfter);
    expect(await problemOf(store().remove(elsewhere))).toEqual(ofAfter);
    expect(await store().describe(stream)).toEqual(after);
  });

  test('a control that would change nothing stores nothing', async () => {
    const stream = 'life.same';
    await put(store(), stream, plainEvents(4));
    const same = async (call: Promise<unknown>): Promise<void> => {
      const before = await store().describe(stream);
      expect(await call).toEqual({ stream: before, changed: false, replayed: false, commitId: '' });
      expect((await store().version(stream)).position).toBe(before.position);
    };
    await same(store().truncate({ stream, beforeVersion: 1n }));
    await same(store().retain({ stream }));
    await same(store().retain({ stream, retention: { maxCount: 0n } }));
    await store().truncate({ stream, beforeVersion: 3n });
    await same(store().truncate({ stream, beforeVersion: 3n }));
    await same(store().truncate({ stream, beforeVersion: 2n, expectedVersion: 4n }));
    const commitId = '0190f3a1-6666-7000-8000-000000000020';
    await same(store().truncate({ stream, beforeVersion: 2n, commitId }));
    // So that the id is free.
    await put(store(), stream, plainEvents(1), { commitId });
    await store().retain({ stream, retention: { maxCount: 3n } });
    await same(store().retain({ stream, retention: { maxCount: 3n } }));
    await store().remove({ stream });
    await same(store().remove({ stream }));
    await same(store().truncate({ stream, beforeVersion: 6n }));
    await store().tombstone({ stream });
    await same(store().tombstone({ stream }));
    await same(store().tombstone({ stream, expectedVersion: 5n }));
    expect(await problemOf(store().tombstone({ stream, expectedVersion: 4n }))).toMatchObject({
      reason: 'VERSION_CONFLICT',
    });
  });
}

function truncated(store: () => ContractStore): void {
  test('a truncated stream begins later for every read', async () => {
    const stream = 'life.truncated';
    const first = await put(store(), stream, plainEvents(3));
    const second = await put(store(), stream, plainEvents(4));
    expect((await store().read({ stream })).lifecycle).toBeUndefined();
    // Within the second commit.
    const { stream: after } = await store().truncate({ stream, beforeVersion: 5n });
    const { events, end, ...head } = await store().read({ stream });
    expect(head).toEqual({
      ...{ version: 7n, position: after.position, commitTime: after.commitTime },
      lifecycle: { state: 'active', firstVersion: 5n },
    });
    expect([versionsOf(events), end]).toEqual([range(5, 7), 'complete']);
    expect(events.map(({ position }) => position)).toEqual([5, 6, 7].map(() => second.position));
    const reads: [DeepPartial<ReadStreamRequest>, number[]][] = [
      [{ fromVersion: 1n }, [5, 6, 7]],
      [{ fromVersion: 6n }, [6, 7]],
      [{ fromVersion: 1n, toVersion: 4n }, []],
      [{ toVersion: 5n }, [5]],
      [{ direction: backward }, [7, 6, 5]],
      [{ direction: backward, toVersion: 2n }, [7, 6, 5]],
      [{ direction: backward, fromVersion: 6n }, [6, 5]],
      [{ direction: backward, fromVersion: 4n }, []],
      [{ maxCount: 2n }, [5, 6]],
      [{ maxCount: 3n, direction: backward }, [7, 6, 5]],
      [{ maxCount: 2n, fromVersion: 1n, toVersion: 6n }, [5, 6]],
      [{ fromTime: timestamp(first.commitTime) }, [5, 6, 7]],
      [{ toTime: timestamp(second.commitTime) }, [5, 6, 7]],
      [{ toTime: timestamp(first.commitTime) }, []],
      [{ eventTypes: ['Happened'] }, [5, 6, 7]],
      [{ eventTypes: ['Other'] }, []],
    ];
    for (const [request, versions] of reads)
      expect([request, await read(store(), stream, request)]).toEqual([request, versions]);
    expect(await read(store(), stream, { eventTypes: ['Happened'], maxCount: 1n })).toEqual([5]);
  });

  test('a truncation up to the end hides all events, and one after it is refused', async () => {
    const stream = 'life.emptied';
    await put(store(), stream, plainEvents(3));
    const afterEnd = { reason: 'VERSION_BEYOND_END', stream, asked: 5n, actual: 3n };
    expect(await problemOf(store().truncate({ stream, beforeVersion: 5n }))).toEqual(afterEnd);
    const most = { stream, beforeVersion: 2n ** 64n - 1n };
    expect(await problemOf(store().truncate(most))).toMatchObject({ reason: 'VERSION_BEYOND_END' });
    const { stream: after } = await store().truncate({ stream, beforeVersion: 4n });
    expect(after).toMatchObject({ state: 'active', version: 3n, firstVersion: 4n, truncatedBefore: 4n });
    expect(await store().read({ stream })).toMatchObject({
      ...{ events: [], end: 'complete', version: 3n },
      lifecycle: { state: 'active', firstVersion: 4n },
    });
    expect((await store().list({ pattern: stream })).map(({ lifecycle }) => lifecycle)).toEqual([
      { state: 'active', firstVersion: 4n },
    ]);
    expect((await put(store(), stream, plainEvents(2))).firstVersion).toBe(4n);
    expect(await read(store(), stream)).toEqual([4, 5]);
    expect(await read(store(), stream, { direction: backward })).toEqual([5, 4]);
  });

  test('as of a time before, a stream has the version of then and what can be read now', async () => {
    const stream = 'life.as-of';
    const first = await put(store(), stream, plainEvents(2));
    const second = await put(store(), stream, plainEvents(2));
    const { stream: after } = await store().truncate({ stream, beforeVersion: 4n });
    const lifecycle = { state: 'active', firstVersion: 4n };
    const asOf = (time: bigint) => store().version(stream, time);
    expect(await asOf(first.commitTime)).toEqual({
      ...{ version: 2n, position: first.position, commitTime: first.commitTime, lifecycle },
    });
    expect(await asOf(after.commitTime - 1n)).toMatchObject({
      version: 4n,
      position: second.position,
      lifecycle,
    });
    expect(await asOf(after.commitTime)).toEqual({
      ...{ version: 4n, position: after.position, commitTime: after.commitTime, lifecycle },
    });
    expect(await asOf(first.commitTime - 1n)).toMatchObject({ version: 0n, position: 0n });
  });

  test('bad requests are refused', async () => {
    const bad = async (call: Promise<unknown>, ...fields: string[]): Promise<void> => {
      expect(await problemOf(call)).toEqual({ reason: 'INVALID_REQUEST', fields });
    };
    const stream = 'life.bad';
    const id = { commitId: 'x' };
    await bad(store().truncate({ stream }), 'before_version');
    await bad(
      store().truncate({ stream: 'a..b', beforeVersion: 0n, ...id }),
      'before_version',
      'stream',
      'commit_id',
    );
    await bad(store().remove({ stream: '', ...id }), 'stream', 'commit_id');
    await bad(store().tombstone({ stream: 'a.*', ...id }), 'stream', 'commit_id');
    await bad(store().describe('>'), 'stream');
    for (const maxAge of [
      {},
      { nanos: 999_000_000 },
      { seconds: -1n },
      { seconds: 1n, nanos: 1 },
      { seconds: 1n, nanos: -1_000_000 },
      { seconds: 3_155_760_000n, nanos: 1_000_000 },
      { seconds: 300n * 31_557_600n },
      { seconds: 2n ** 63n - 1n },
    ])
      await bad(store().retain({ stream, retention: { maxAge } }), 'retention.max_age');
    for (const maxCount of [2n ** 53n, 2n ** 64n - 1n])
      await bad(store().retain({ stream, retention: { maxCount } }), 'retention.max_count');
    await put(store(), stream, plainEvents(1));
    const most = { maxCount: 2n ** 53n - 1n, maxAge: { seconds: 3_155_760_000n } };
    expect((await store().retain({ stream, retention: most })).stream).toMatchObject({
      ...{ maxCount: 2n ** 53n - 1n, maxAge: 3_155_760_000_000_000_000n, firstVersion: 1n },
    });
    expect(await read(store(), stream)).toEqual([1]);
    const least = { maxCount: 1n, maxAge: { seconds: 1n } };
    expect((await store().retain({ stream, retention: least })).stream).toMatchObject({
      maxAge: 1_000_000_000n,
    });
  });
}

function retained(store: () => ContractStore): void {
  test('retention by count keeps the newest events, as the stream grows', async () => {
    const stream = 'life.count';
    await put(store(), stream, plainEvents(2));
    await store().retain({ stream, retention: { maxCount: 3n } });
    expect((await store().read({ stream })).lifecycle).toBeUndefined();
    expect(await read(store(), stream)).toEqual([1, 2]);
    await put(store(), stream, plainEvents(4));
    expect(await read(store(), stream)).toEqual([4, 5, 6]);
    expect(await read(store(), stream, { direction: backward })).toEqual([6, 5, 4]);
    expect(await read(store(), stream, { fromVersion: 1n, maxCount: 1n })).toEqual([4]);
    await put(store(), stream, plainEvents(1));
    expect(await read(store(), stream)).toEqual([5, 6, 7]);
    expect((await store().version(stream)).lifecycle).toEqual({ state: 'active', firstVersion: 5n });
  });

  test('what retention has hidden comes back if it is widened, what a truncation has hidden does not', async () => {
    const stream = 'life.widened';
    await put(store(), stream, plainEvents(6));
    await store().truncate({ stream, beforeVersion: 3n });
    await store().retain({ stream, retention: { maxCount: 1n } });
    expect(await read(store(), stream)).toEqual([6]);
    await store().retain({ stream, retention: { maxCount: 3n } });
    expect(await read(store(), stream)).toEqual([4, 5, 6]);
    await store().retain({ stream, retention: { maxCount: 100n } });
    expect(await read(store(), stream)).toEqual([3, 4, 5, 6]);
    await store().retain({ stream, retention: { maxCount: 1n } });
    await store().truncate({ stream, beforeVersion: 4n });
    expect(await read(store(), stream)).toEqual([6]);
    const { stream: after } = await store().retain({ stream });
    expect(after).toMatchObject({ firstVersion: 4n, maxCount: undefined });
    expect(await read(store(), stream)).toEqual([4, 5, 6]);
  });

  test('retention stays when a stream is deleted', async () => {
    const stream = 'life.kept';
    await put(store(), stream, plainEvents(2));
    await store().retain({ stream, retention: { maxCount: 2n } });
    expect((await store().remove({ stream })).stream).toMatchObject({ maxCount: 2n, truncatedBefore: 3n });
    await put(store(), stream, plainEvents(3));
    expect(await read(store(), stream)).toEqual([4, 5]);
    await store().retain({ stream });
    expect(await read(store(), stream)).toEqual([3, 4, 5]);
  });
}

const nowNanos = (): bigint => BigInt(Date.now()) * 1_000_000n;
const msNanos = 1_000_000n;

function aged(store: () => ContractStore): void {
  test('retention by age hides whole commits, judged when a read begins', async () => {
    const stream = 'life.age';
    const times = new Map<number, bigint>();
    const grow = async (): Promise<void> => {
      const { version, commitTime } = await put(store(), stream, plainEvents(2));
      for (const one of [version - 1n, version]) times.set(Number(one), commitTime);
    };
    await grow();
    const [first] = [...times.values()];
    while (nowNanos() < (first ?? 0n) + 1_600n * msNanos) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await grow();
    }
    await store().truncate({ stream, beforeVersion: 2n });
    // Only events that are old enough before the read are missing, and all that are when it has ended.
    const maxAge = { seconds: 1n };
    await store().retain({ stream, retention: { maxAge } });
    for (const direction of [Direction.FORWARD, backward]) {
      await grow();
      const beganNanos = nowNanos();
      const found = new Set(await read(store(), stream, { direction }));
      const endedNanos = nowNanos() + msNanos;
      const isOld = (now: bigint) => (version: number) => (times.get(version) ?? 0n) < now - 1_000n * msNanos;
      const versions = [...times.keys()].filter((version) => version >= 2);
      const gone = versions.filter((version) => !found.has(version));
      expect(gone.length).toBeGreaterThan(2);
      expect(gone.every(isOld(endedNanos))).toBe(true);
      expect([...found].some(isOld(beganNanos))).toBe(false);
    }
    expect((await store().describe(stream)).firstVersion).toBeGreaterThan(3n);
    await store().retain({ stream, retention: { maxAge: { seconds: 3_600n } } });
    expect((await store().version(stream)).lifecycle).toEqual({ state: 'active', firstVersion: 2n });
    expect(await read(store(), stream)).toEqual(range(2, times.size));
  });
}

function deleted(store: () => ContractStore, open: OpenContract): void {
  test('a deleted stream reads as empty, and goes on with the next version', async () => {
    const stream = 'life.deleted';
    await put(store(), stream, plainEvents(3));
    const { stream: after } = await store().remove({ stream });
    expect(after).toMatchObject({ state: 'deleted', version: 3n, firstVersion: 4n, truncatedBefore: 4n });
    const head = {
      ...{ version: 3n, position: after.position, commitTime: after.commitTime },
      lifecycle: { state: 'deleted', firstVersion: 4n },
    };
    expect(await store().version(stream)).toEqual(head);
    expect(await store().read({ stream })).toEqual({ ...head, events: [], end: 'complete' });
    expect(await store().read({ stream, direction: backward, maxCount: 1n })).toEqual({
      ...{ ...head, events: [], end: 'complete' },
    });
    const append = (expectedVersion: bigint) =>
      store().append({ stream, events: plainEvents(1), expectedVersion });
    expect(await problemOf(append(0n))).toEqual({
      ...{ reason: 'VERSION_CONFLICT', stream, expected: 0n, actual: 3n },
    });
    expect(await store().append({ stream, expectedVersion: 3n, events: [] })).toMatchObject({ version: 3n });
    expect(await append(3n)).toMatchObject({ version: 4n, firstVersion: 4n });
    expect((await store().version(stream)).lifecycle).toEqual({ state: 'active', firstVersion: 4n });
    expect(await read(store(), stream)).toEqual([4]);
    // Truncated up to its end, it is empty, and not deleted.
    const { stream: emptied } = await store().truncate({ stream, beforeVersion: 5n });
    expect(emptied).toMatchObject({ state: 'active', firstVersion: 5n });
    expect((await store().remove({ stream })).stream).toMatchObject({ state: 'deleted', firstVersion: 5n });
    const must = { stream, events: plainEvents(1), mustExist: true };
    expect(await store().append(must)).toMatchObject({ version: 5n });
  });

  test('a deleted stream is listed only if it is asked for', async () => {
    await using fresh = await open();
    for (const stream of ['a', 'b', 'c', 'd']) await put(fresh, stream, plainEvents(2));
    await fresh.remove({ stream: 'b' });
    await fresh.tombstone({ stream: 'c' });
    await fresh.truncate({ stream: 'd', beforeVersion: 3n });
    const names = async (request: object): Promise<string[]> =>
      (await fresh.list(request)).map(({ stream }) => stream);
    expect(await names({})).toEqual(['a', 'd']);
    expect(await names({ maxCount: 2n })).toEqual(['a', 'd']);
    expect(await names({ pattern: 'b' })).toEqual([]);
    const all = await fresh.list({ includeDeleted: true });
    expect(all.map(({ stream, version, lifecycle }) => [stream, version, lifecycle?.state])).toEqual([
      ['a', 2n, undefined],
      ['b', 2n, 'deleted'],
      ['c', 2n, 'tombstoned'],
      ['d', 2n, 'active'],
    ]);
    expect(all.map(({ lifecycle }) => lifecycle?.firstVersion)).toEqual([undefined, 3n, 3n, 3n]);
    expect(all.map(({ hasControls }) => hasControls)).toEqual([false, true, true, true]);
    expect(await names({ includeDeleted: true, maxCount: 2n, after: 'a' })).toEqual(['b', 'c']);
    await fresh.retain({ stream: 'a', retention: { maxCount: 10n } });
    expect((await fresh.list({ pattern: 'a' }))[0]).toMatchObject({
      hasControls: true,
      lifecycle: undefined,
    });
    await put(fresh, 'b', plainEvents(1));
    expect(await names({})).toEqual(['a', 'b', 'd']);
  });
}

function tombstoned(store: () => ContractStore): void {
  test('a tombstoned stream takes nothing more', async () => {
    const stream = 'life.tombstoned';
    const commitId = '0190f3a1-6666-7000-8000-000000000030';
    const first = { stream, events: plainEvents(2), commitId };
    await put(store(), stream, first.events, { commitId });
    const ending = { stream, commitId: '0190f3a1-6666-7000-8000-000000000031' };
    const { stream: after } = await store().tombstone({ ...ending, expectedVersion: 2n });
    expect(after).toMatchObject({ state: 'tombstoned', version: 2n, firstVersion: 3n, truncatedBefore: 3n });
    expect(await store().read({ stream })).toMatchObject({
      ...{ version: 2n, events: [], end: 'complete' },
      lifecycle: { state: 'tombstoned', firstVersion: 3n },
    });
    const over = { reason: 'STREAM_TOMBSTONED', stream };
    const more = { stream, events: plainEvents(1) };
    for (const expectation of [{}, { expectedVersion: 2n }, { mustExist: true }])
      expect(await problemOf(store().append({ ...more, ...expectation }))).toEqual(over);
    expect(await problemOf(store().append({ ...more, expectedVersion: 0n }))).toEqual({
      ...{ reason: 'VERSION_CONFLICT', stream, expected: 0n, actual: 2n },
    });
    expect(await store().append({ ...first, events: [...first.events] })).toMatchObject({
      ...{ replayed: true, version: 2n },
    });
    expect(await store().append({ stream, events: [], expectedVersion: 2n })).toMatchObject({ version: 2n });
    expect(await problemOf(store().truncate({ stream, beforeVersion: 2n }))).toEqual(over);
    expect(await problemOf(store().retain({ stream, retention: { maxCount: 1n } }))).toEqual(over);
    expect(await problemOf(store().retain({ stream }))).toEqual(over);
    expect(await problemOf(store().remove({ stream }))).toEqual(over);
    expect(await store().tombstone(ending)).toMatchObject({ changed: true, replayed: true });
    expect(await store().describe(stream)).toEqual(after);
  });

  test('a transaction writes to no tombstoned stream, and checks the version of one', async () => {
    const [ended, removed, other] = ['ended', 'removed', 'other'].map((name) => `life.multi.${name}`) as [
      ...[string, string, string],
    ];
    for (const stream of [ended, removed]) await put(store(), stream, plainEvents(2));
    const commitId = '0190f3a1-6666-7000-8000-000000000040';
    const both = [ended, other].map((stream) => ({ stream, events: plainEvents(1) }));
    const stored = await store().appendMulti({ appends: both, commitId });
    await store().tombstone({ stream: ended });
    await store().remove({ stream: removed });
    const over = { reason: 'STREAM_TOMBSTONED', stream: ended };
    expect(await problemOf(store().appendMulti({ appends: both }))).toEqual(over);
    const conflicting = both.map((append) => ({ ...append, expectedVersion: 1n }));
    expect(await problemOf(store().appendMulti({ appends: conflicting }))).toEqual({
      ...{ reason: 'VERSION_CONFLICT', stream: ended, expected: 1n, actual: 3n },
    });
    expect((await store().version(other)).version).toBe(1n);
    expect(await store().appendMulti({ appends: both, commitId })).toEqual({ ...stored, replayed: true });
    const appends = [{ stream: other, events: plainEvents(1) }];
    const checks = [
      { stream: ended, expectedVersion: 3n },
      { stream: removed, expectedVersion: 2n },
    ];
    expect(await store().appendMulti({ appends, checks })).toMatchObject({ replayed: false });
    const wrong = checks.map((check) => ({ ...check, expectedVersion: 0n }));
    expect(await problemOf(store().appendMulti({ appends, checks: wrong }))).toEqual({
      ...{ reason: 'VERSION_CONFLICT', stream: ended, expected: 0n, actual: 3n },
      others: [{ stream: removed, expected: 0n, actual: 2n }],
    });
    const again = [removed, other].map((stream) => ({ stream, events: plainEvents(1) }));
    const { streams } = await store().appendMulti({ appends: again });
    expect(streams.map(({ version }) => version)).toEqual([3n, 3n]);
  });

  test('of appends and tombstones at once, no event follows a tombstone', async () => {
    for (const round of range(1, 3)) {
      const stream = `life.race.${round}`;
      await put(store(), stream, plainEvents(1));
      const appends = range(1, 20).map(() => store().append({ stream, events: plainEvents(1) }));
      const [ending, ...outcomes] = await Promise.allSettled([store().tombstone({ stream }), ...appends]);
      expect(ending).toMatchObject({ status: 'fulfilled', value: { changed: true } });
      const stored = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      for (const one of outcomes)
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ reason: 'STREAM_TOMBSTONED' });
      const { version, position, controlPosition } = await store().describe(stream);
      expect([version, position]).toEqual([BigInt(1 + stored.length), controlPosition]);
      for (const append of stored) expect(append.position).toBeLessThan(controlPosition);
    }
  });
}
