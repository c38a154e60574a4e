import type { DeepPartial, Event, QueryItem } from '../../generated/sluice/v1/event';
import type { AppendCondition } from '../../generated/sluice/v1/event_store_service';
import { Problem, problemOf, type ContractStore } from './contract-store';
import { plainEvents, put, range } from './events';
import type { OpenContract } from './open';

let ids = 0;

/** A commit id that no other test uses. */
function newCommitId(): string {
  ids++;
  return `0190f3a1-3333-7000-8000-${ids.toString(16).padStart(12, '0')}`;
}

function tagged(id: string, type: string, ...tags: string[]): DeepPartial<Event> {
  return { id, type, tags };
}

type Condition = DeepPartial<AppendCondition>;

function unless(afterPosition: bigint, ...items: DeepPartial<QueryItem>[]): Condition {
  return { query: { items }, afterPosition };
}

/** Appends with conditions. */
export function conditionContract(store: () => ContractStore, open: OpenContract): void {
  decided(store, open);
  together(store);
  repeated(store);
  contended(open);
  disjoint(open);
  refused(store);
}

function decided(store: () => ContractStore, open: OpenContract): void {
  test('an append is refused if an event of its query was stored since, which the refusal names', async () => {
    const stream = 'cond.1';
    const first = await put(store(), stream, [tagged('c1', 'Made', 'course:1')]);
    const items = [{ eventTypes: ['Closed'] }, { tags: ['course:1'] }];
    const append = (afterPosition: bigint): Promise<unknown> =>
      store().append({
        stream: 'cond.2',
        events: [tagged('', 'Joined', 'course:1')],
        condition: unless(afterPosition, ...items),
      });
    expect(await problemOf(append(first.position - 1n))).toEqual({
      reason: 'APPEND_CONDITION_FAILED',
      item: 1,
      position: first.position,
      eventId: 'c1',
    });
    expect(await store().version('cond.2')).toMatchObject({ version: 0n });
    expect(await append(first.position)).toMatchObject({ version: 1n, replayed: false });
    // Its own event counts for the next one.
    const again = await problemOf(append(first.position));
    expect(again).toMatchObject({ reason: 'APPEND_CONDITION_FAILED', item: 1 });
  });

  test('the first append to an empty store, and one after it, on condition that there is nothing', async () => {
    await using fresh = await open();
    const condition = unless(0n, { tags: ['only'] });
    const append = (stream: string): Promise<unknown> =>
      fresh.append({ stream, events: [tagged(stream, 'T', 'only')], condition });
    expect(await append('first')).toMatchObject({ version: 1n });
    const { position } = await fresh.version('first');
    const refusal = { reason: 'APPEND_CONDITION_FAILED', item: 0, position, eventId: 'first' };
    expect(await problemOf(append('second'))).toEqual(refusal);
  });

  test('other events do not matter, nor do those of other types and tags', async () => {
    const { position } = await put(store(), 'others.1', [tagged('o1', 'A', 'others')]);
    await put(store(), 'others.2', [tagged('o2', 'B', 'others'), { id: 'o3', type: 'A' }]);
    const events = [tagged('o4', 'C', 'others')];
    const condition = unless(position, { eventTypes: ['A'], tags: ['others'] });
    expect(await store().append({ stream: 'others.1', events, condition })).toMatchObject({ version: 2n });
  });

  test('events that a control hides count', async () => {
    const { position } = await put(store(), 'gone.1', [tagged('g1', 'A', 'gone')]);
    await store().remove({ stream: 'gone.1' });
    const condition = unless(position - 1n, { tags: ['gone'] });
    const append = store().append({ stream: 'gone.2', events: plainEvents(1), condition });
    expect(await problemOf(append)).toMatchObject({ reason: 'APPEND_CONDITION_FAILED', eventId: 'g1' });
  });

  test('an erased event counts by its type, and no longer by its tags', async () => {
    const { position } = await put(store(), 'erased.1', [tagged('er1', 'CondErased', 'erased')]);
    await store().erase({ stream: 'erased.1', fromVersion: 1n, toVersion: 1n, reason: 'asked for' });
    const append = (condition: Condition): Promise<unknown> =>
      store().append({ stream: 'erased.2', events: plainEvents(1), condition });
    const refusal = { reason: 'APPEND_CONDITION_FAILED', item: 1, position, eventId: 'er1' };
    const byTag = { eventTypes: ['CondErased'], tags: ['erased'] };
    const byType = { eventTypes: ['CondErased'] };
    expect(await problemOf(append(unless(0n, byTag, byType)))).toEqual(refusal);
    expect(await append(unless(0n, byTag))).toMatchObject({ version: 1n });
    const withinStream = 'erased.1';
    const within = (condition: Condition): Promise<unknown> =>
      store().append({
        stream: withinStream,
        events: plainEvents(1, 'within'),
        condition: { ...condition, withinStream },
      });
    expect(await problemOf(within(unless(0n, byType)))).toEqual({ ...refusal, item: 0 });
    expect(await within(unless(0n, byTag))).toMatchObject({ version: 2n });
  });

  test('within a stream only its events count', async () => {
    const tags = ['within'];
    const { position } = await put(store(), 'within.1', [tagged('w1', 'A', ...tags)]);
    const within = (afterPosition: bigint): Condition => ({
      ...unless(afterPosition, { tags }),
      withinStream: 'within.1',
    });
    await put(store(), 'within.2', [tagged('w2', 'A', ...tags)]);
    const events = [tagged('w3', 'A', ...tags)];
    const stream = 'within.1';
    expect(await store().append({ stream, events, condition: within(position) })).toMatchObject({
      version: 2n,
    });
    const refused = await problemOf(store().append({ stream, events, condition: within(position) }));
    expect(refused).toMatchObject({ reason: 'APPEND_CONDITION_FAILED', eventId: 'w3' });
    const earlier = await problemOf(store().append({ stream, events, condition: within(0n) }));
    expect(earlier).toMatchObject({ reason: 'APPEND_CONDITION_FAILED', eventId: 'w1', position });
  });
}

function together(store: () => ContractStore): void {
  test('the version counts first', async () => {
    const { position } = await put(store(), 'both.1', [tagged('b1', 'A', 'both')]);
    const request = { stream: 'both.1', events: plainEvents(1), condition: unless(0n, { tags: ['both'] }) };
    expect(await problemOf(store().append({ ...request, expectedVersion: 7n }))).toMatchObject({
      reason: 'VERSION_CONFLICT',
      actual: 1n,
    });
    expect(await problemOf(store().append({ ...request, expectedVersion: 1n }))).toMatchObject({
      reason: 'APPEND_CONDITION_FAILED',
      position,
    });
    const condition = unless(position, { tags: ['both'] });
    const stored = await store().append({ ...request, condition, expectedVersion: 1n });
    expect(stored).toMatchObject({ version: 2n });
  });

  test('a transaction over several streams is stored whole, or not at all', async () => {
    const { position } = await put(store(), 'txn.1', [tagged('x1', 'A', 'txn')]);
    const appends = ['txn.2', 'txn.3'].map((stream) => ({ stream, events: [tagged(stream, 'A', 'txn')] }));
    const early = { appends, condition: unless(0n, { tags: ['txn'] }) };
    expect(await problemOf(store().appendMulti(early))).toMatchObject({
      reason: 'APPEND_CONDITION_FAILED',
      eventId: 'x1',
    });
    expect(await store().version('txn.2')).toMatchObject({ version: 0n });
    const stored = await store().appendMulti({ appends, condition: unless(position, { tags: ['txn'] }) });
    expect(stored.streams.map(({ version }) => version)).toEqual([1n, 1n]);
    const checks = [{ stream: 'txn.1', expectedVersion: 1n }];
    const within = { ...unless(position, { tags: ['txn'] }), withinStream: 'txn.1' };
    const more = { appends: [{ stream: 'txn.4', events: plainEvents(1) }], checks, condition: within };
    expect(await store().appendMulti(more)).toMatchObject({ replayed: false });
  });
}

function repeated(store: () => ContractStore): void {
  test('a repeated append gets its first result, whatever its condition', async () => {
    const commitId = newCommitId();
    const { position } = await put(store(), 'rep.0', plainEvents(1, 'rep'));
    const condition = unless(position, { tags: ['rep'] });
    const request = { stream: 'rep.1', events: [tagged('r1', 'A', 'rep')], condition, commitId };
    const first = await store().append(request);
    expect(await store().append(request)).toEqual({ ...first, replayed: true });
    await put(store(), 'rep.2', [tagged('r2', 'A', 'rep')]);
    expect(await store().append(request)).toEqual({ ...first, replayed: true });
    const multi = {
      appends: ['rep.3', 'rep.4'].map((stream) => ({ stream, events: plainEvents(1, stream) })),
      condition: unless(first.position + 1n, { tags: ['rep'] }),
      commitId: newCommitId(),
    };
    const stored = await store().appendMulti(multi);
    await put(store(), 'rep.2', [tagged('r5', 'A', 'rep')]);
    expect(await store().appendMulti(multi)).toEqual({ ...stored, replayed: true });
  });
}

function contended(open: OpenContract): void {
  test('of many appends on the same condition one is stored, and all of different ones', async () => {
    await using fresh = await open();
    const outcomes = await Promise.all(
      range(0, 59).map(async (number) => {
        const tag = `seat:${number % 6}`;
        const request = { stream: `seat.${number}`, events: [tagged(`s${number}`, 'Taken', tag)] };
        try {
          await fresh.append({ ...request, condition: unless(0n, { tags: [tag] }) });
          return tag;
        } catch (error) {
          if (!(error instanceof Problem) || error.reason !== 'APPEND_CONDITION_FAILED') throw error;
          return undefined;
        }
      }),
    );
    const taken = outcomes.filter((outcome) => outcome !== undefined);
    expect(taken.toSorted()).toEqual(range(0, 5).map((number) => `seat:${number}`));
    const { events } = await fresh.all({ query: { items: [{ eventTypes: ['Taken'] }] } });
    expect(events.map(({ tags }) => tags[0]).toSorted()).toEqual(taken.toSorted());
  });
}

/** Tags of their own, after what each has stored before; and events of several, which only their common tags refuse. */
function disjoint(open: OpenContract): void {
  test('of 64 callers with tags of their own none is refused, and each has a chain without gaps', async () => {
    await using fresh = await open();
    const rounds = 4;
    await Promise.all(
      range(0, 63).map(async (caller) => {
        const tag = `own:${caller}`;
        let after = 0n;
        for (const round of range(1, rounds)) {
          const events = [tagged(`${tag}:${round}`, 'Counted', tag, 'shared')];
          const condition = unless(
            after,
            { tags: [tag] },
            { tags: [tag, 'shared'], eventTypes: ['Counted'] },
          );
          ({ position: after } = await fresh.append({ stream: `own.${caller % 8}`, events, condition }));
        }
      }),
    );
    const { events } = await fresh.all({ query: { items: [{ tags: ['shared'] }] } });
    expect(events).toHaveLength(64 * rounds);
  });

  test('of two decisions that rule each other out exactly one is stored', async () => {
    await using fresh = await open();
    // Each may be stored only if the other one is not: at most one of each pair.
    const outcomes = await Promise.all(
      range(0, 29).flatMap((pair) =>
        (['Opened', 'Closed'] as const).map(async (type) => {
          const other = type === 'Opened' ? 'Closed' : 'Opened';
          const tag = `pair:${pair}`;
          const condition = unless(0n, { eventTypes: [other], tags: [tag] });
          const append = fresh.append({
            stream: `pair.${pair}.${type}`,
            events: [tagged('', type, tag)],
            condition,
          });
          return append.then(
            () => tag,
            async () => {
              expect(await problemOf(append)).toMatchObject({ reason: 'APPEND_CONDITION_FAILED' });
              return undefined;
            },
          );
        }),
      ),
    );
    const stored = outcomes.filter((outcome) => outcome !== undefined);
    expect(stored.toSorted()).toEqual(
      range(0, 29)
        .map((pair) => `pair:${pair}`)
        .toSorted(),
    );
  });
}

function refused(store: () => ContractStore): void {
  test.each<[string, Condition, string[]]>([
    ['without a query', {}, ['condition.query']],
    ['without items', unless(0n), ['condition.query.items']],
    ['with an empty item', unless(0n, {}), ['condition.query.items[0]']],
    ['after the end of the store', unless(2n ** 63n, { tags: ['a'] }), ['condition.after_position']],
    [
      'within another stream',
      { ...unless(0n, { tags: ['a'] }), withinStream: 'other' },
      ['condition.within_stream'],
    ],
  ])('a condition %s is refused, and nothing is stored', async (_, condition, fields) => {
    const append = store().append({ stream: 'bad.1', events: plainEvents(1), condition });
    expect(await problemOf(append)).toEqual({ reason: 'INVALID_REQUEST', fields });
    const appends = [{ stream: 'bad.1', events: plainEvents(1) }];
    const multi = store().appendMulti({ appends, condition });
    expect(await problemOf(multi)).toEqual({ reason: 'INVALID_REQUEST', fields });
    expect(await store().version('bad.1')).toMatchObject({ version: 0n });
  });

  test('a condition without events is refused', async () => {
    const append = store().append({ stream: 'bad.2', condition: unless(0n, { tags: ['a'] }) });
    expect(await problemOf(append)).toEqual({ reason: 'INVALID_REQUEST', fields: ['condition'] });
  });
}
