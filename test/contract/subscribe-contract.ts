import type { DeepPartial } from '../../generated/sluice/v1/event';
import type { SubscribeRequest } from '../../generated/sluice/v1/event_store_service';
import { problemOf, timestamp, type ContractStore, type StoredEvent } from './contract-store';
import { plainEvents, put, range } from './events';
import { Follower } from './follower';
import type { OpenContract } from './open';

function idsOf(events: readonly StoredEvent[]): string[] {
  return events.map(({ id }) => id);
}

/** Subscriptions: first what is stored, then what is new. */
export function subscribeContract(store: () => ContractStore, open: OpenContract): void {
  const follow = (request: DeepPartial<SubscribeRequest>): Follower => new Follower(store(), request);
  fromTheStart(store, follow, open);
  starts(store, follow);
  selections(store, follow);
  notices(store, follow);
  refusals(follow);
}

type Follow = (request: DeepPartial<SubscribeRequest>) => Follower;

function fromTheStart(store: () => ContractStore, follow: Follow, open: OpenContract): void {
  test('gives what is stored, says so, and goes on with what is new', async () => {
    const stream = 'sub.start';
    const first = await put(store(), stream, plainEvents(2, 'a'));
    const second = await put(store(), stream, plainEvents(1, 'b'));
    await using follower = follow({ stream });
    expect(await follower.next()).toEqual({ kind: 'checkpoint', events: [], position: 0n });
    const stored = await follower.take(3);
    expect(idsOf(stored)).toEqual(['a-1', 'a-2', 'b-1']);
    expect(stored.map(({ position }) => position)).toEqual(
      [first, first, second].map(({ position }) => position),
    );
    const { position } = await follower.until('caughtUp');
    expect(position).toBeGreaterThanOrEqual(second.position);
    const third = await put(store(), stream, plainEvents(3, 'c'));
    const live = await follower.take(3);
    expect(live.map(({ id, version, position: at }) => [id, version, at])).toEqual(
      range(1, 3).map((index) => [`c-${index}`, BigInt(index + 3), third.position]),
    );
    expect(live).toEqual((await store().read({ stream, fromVersion: 4n })).events);
  });

  test('of the whole store gives every event once and in order, also while many are written', async () => {
    await using fresh = await open();
    const write = async (from: number, to: number): Promise<void> => {
      await Promise.all(
        range(0, 3).map(async (writer) => {
          for (const index of range(from, to))
            await put(fresh, `w.${writer}`, plainEvents(1 + (index % 3), `${writer}-${index}`));
        }),
      );
    };
    await write(1, 20);
    const followers = range(0, 2).map(() => new Follower(fresh, {}));
    const count = 4 * range(1, 40).reduce((sum, index) => sum + 1 + (index % 3), 0);
    const reading = followers.map((follower) => follower.take(count));
    await write(21, 40);
    const { events } = await fresh.all({});
    expect(events).toHaveLength(count);
    for (const read of reading) expect(await read).toEqual(events);
    for (const follower of followers) await follower[Symbol.asyncDispose]();
  });
}

function starts(store: () => ContractStore, follow: Follow): void {
  test('begins after a position, a version, at a time, or now', async () => {
    const stream = 'sub.starts';
    const one = await put(store(), stream, plainEvents(2, 'a'));
    const two = await put(store(), stream, plainEvents(3, 'b'));
    const first = async (request: DeepPartial<SubscribeRequest>, count: number): Promise<string[]> => {
      await using follower = follow({ stream, ...request });
      return idsOf(await follower.take(count));
    };
    expect(await first({ afterPosition: one.position }, 3)).toEqual(['b-1', 'b-2', 'b-3']);
    expect(await first({ afterPosition: one.position - 1n }, 5)).toHaveLength(5);
    expect(await first({ afterVersion: 0n }, 5)).toHaveLength(5);
    expect(await first({ afterVersion: 1n }, 4)).toEqual(['a-2', 'b-1', 'b-2', 'b-3']);
    expect(await first({ afterVersion: 4n }, 1)).toEqual(['b-3']);
    expect(await first({ fromTime: timestamp(two.commitTime) }, 3)).toEqual(['b-1', 'b-2', 'b-3']);
    expect(await first({ fromTime: timestamp(1n) }, 5)).toHaveLength(5);
    const afterFirst = { afterPosition: one.position - 1n, fromTime: timestamp(two.commitTime) };
    expect(await first(afterFirst, 3)).toEqual(['b-1', 'b-2', 'b-3']);
    expect(await first({ afterPosition: one.position, fromTime: timestamp(1n) }, 3)).toHaveLength(3);

    await using now = follow({ stream, fromNow: true });
    expect((await now.until('caughtUp')).position).toBeGreaterThanOrEqual(two.position);
    await using ahead = follow({ stream, afterVersion: 7n });
    await ahead.until('caughtUp');
    await using later = follow({ stream, fromTime: timestamp(BigInt(Date.now() + 3_600_000) * 1_000_000n) });
    await later.until('caughtUp');
    await put(store(), stream, plainEvents(4, 'c'));
    expect(idsOf(await now.take(4))).toEqual(['c-1', 'c-2', 'c-3', 'c-4']);
    expect(idsOf(await ahead.take(2))).toEqual(['c-3', 'c-4']);
  });

  test('after the end waits until the store has come past it', async () => {
    const { position } = await put(store(), 'sub.after-end', plainEvents(1));
    await using follower = follow({ stream: 'sub.after-end', afterPosition: position + 2n });
    await follower.until('caughtUp');
    for (const index of range(1, 4)) await put(store(), 'sub.after-end', plainEvents(1, `n${index}`));
    // Other tests write to the same store, one after the other with this one.
    expect(idsOf(await follower.take(2))).toEqual(['n3-1', 'n4-1']);
  });

  test('after the end is refused if the start must exist', async () => {
    const { position } = await put(store(), 'sub.must', plainEvents(2));
    const request = { stream: 'sub.must', startMustExist: true };
    const refused = async (more: DeepPartial<SubscribeRequest>): Promise<unknown> => {
      await using follower = follow({ ...request, ...more });
      return await problemOf(follower.until('caughtUp'));
    };
    expect(await refused({ afterPosition: position + 1_000n })).toMatchObject({ fields: ['after_position'] });
    expect(await refused({ afterVersion: 3n })).toMatchObject({ fields: ['after_version'] });
    await using exact = follow({ ...request, afterVersion: 2n });
    await exact.until('caughtUp');
    await using last = follow({ ...request, afterPosition: position });
    await last.until('caughtUp');
  });
}

function selections(store: () => ContractStore, follow: Follow): void {
  test('by patterns and types, stored and new', async () => {
    await using orders = follow({ patterns: ['sel.order.*', 'sel.invoice.>'] });
    await using paid = follow({ patterns: ['sel.>'], eventTypes: ['Paid'], eventTypePrefixes: ['Sent'] });
    const write = async (round: string): Promise<void> => {
      await put(store(), 'sel.order.1', plainEvents(1, `${round}-order`, 'Placed'));
      await put(store(), 'sel.order.1.item', plainEvents(1, `${round}-item`, 'Paid'));
      await put(store(), 'sel.invoice.1.x', [
        ...plainEvents(1, `${round}-invoice`, 'SentByMail'),
        ...plainEvents(1, `${round}-other`, 'Other'),
      ]);
    };
    await write('stored');
    const ofOrders = ['order-1', 'invoice-1', 'other-1'];
    const ofPaid = ['item-1', 'invoice-1'];
    expect(idsOf(await orders.take(3))).toEqual(ofOrders.map((id) => `stored-${id}`));
    expect(idsOf(await paid.take(2))).toEqual(ofPaid.map((id) => `stored-${id}`));
    await orders.until('caughtUp');
    await paid.until('caughtUp');
    await write('new');
    expect(idsOf(await orders.take(3))).toEqual(ofOrders.map((id) => `new-${id}`));
    expect(idsOf(await paid.take(2))).toEqual(ofPaid.map((id) => `new-${id}`));
  });
}

function notices(store: () => ContractStore, follow: Follow): void {
  test('a position that came can be gone on from', async () => {
    const stream = 'sub.resume';
    for (const index of range(1, 5)) await put(store(), stream, plainEvents(2, `${index}`));
    let at = 0n;
    const ids: string[] = [];
    while (ids.length < 10) {
      await using follower = follow({ stream, afterPosition: at, page: { eventsMax: 2 } });
      for (let update = await follower.next(); ; update = await follower.next()) {
        at = update.position ?? at;
        ids.push(...idsOf(update.events));
        if (update.kind === 'events') break;
      }
    }
    expect(ids).toEqual(range(1, 5).flatMap((index) => [`${index}-1`, `${index}-2`]));
  });
}

function refusals(follow: Follow): void {
  test.each<[string, DeepPartial<SubscribeRequest>, string[]]>([
    [
      'an unknown pattern',
      { patterns: ['a..b', '>.a', 'a b'] },
      ['patterns[0]', 'patterns[1]', 'patterns[2]'],
    ],
    ['a bad name', { stream: 'a b' }, ['stream']],
    ['a stream and patterns', { stream: 'a', patterns: ['b'] }, ['patterns']],
    ['a version without a stream', { afterVersion: 1n }, ['after_version']],
    ['version and position', { stream: 'a', afterPosition: 0n, afterVersion: 0n }, ['after_version']],
    ['a version and a time', { stream: 'a', afterVersion: 0n, fromTime: { seconds: 1n } }, ['from_time']],
    ['a time and now', { fromTime: { seconds: 1n }, fromNow: true }, ['from_now']],
    ['a time out of range', { fromTime: { seconds: -1n } }, ['from_time']],
    ['a short interval', { heartbeatInterval: { nanos: 999_999_999 } }, ['heartbeat_interval']],
    ['a long interval', { heartbeatInterval: { seconds: 3_601n } }, ['heartbeat_interval']],
    ['a negative interval', { heartbeatInterval: { seconds: -5n } }, ['heartbeat_interval']],
    [
      'empty types',
      { eventTypes: [''], eventTypePrefixes: [''] },
      ['event_type_prefixes[0]', 'event_types[0]'],
    ],
  ])('refuses %s', async (_name, request, fields) => {
    await using follower = follow(request);
    expect(await problemOf(follower.next())).toEqual({ reason: 'INVALID_REQUEST', fields });
  });
}
