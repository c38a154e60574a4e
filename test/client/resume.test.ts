import {
  connect,
  type RecordedEvent,
  type SluiceClient,
  type SubscribeOptions,
} from '../../src/client/client';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { startTcpRelay } from '../support/tcp-relay';
import { all, withCursors } from './outcomes';

/**
 * Going on after any event of a transaction over several streams, whose events share a position and come in several
 * messages: each event once, in order.
 */

let nats: TestNats;
let gateway: TestGateway;
let client: SluiceClient;
/** All that is stored, in order. */
let stored: readonly RecordedEvent[];

const large = 'x'.repeat(60_000);

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  client = connect(gateway.address);
  const events = (count: number, type: string, data = ''): { type: string; data: string }[] =>
    Array.from({ length: count }, () => ({ type, data }));
  await client.append('order.b', events(5, 'Placed'));
  await client.appendMulti([
    { stream: 'order.b', events: events(6, 'Placed', large) },
    { stream: 'stock.a', events: events(6, 'Taken', large) },
  ]);
  await client.appendMulti([
    { stream: 'stock.a', events: events(2, 'Taken') },
    { stream: 'order.b', events: events(1, 'Paid') },
    { stream: 'order.c', events: events(3, 'Placed') },
  ]);
  await client.append('stock.a', events(3, 'Taken'));
  stored = await all(client.readAll());
});
afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

type Key = readonly [position: bigint, stream: string, version: bigint];

function keys(events: readonly RecordedEvent[]): Key[] {
  return events.map(({ position, stream, version }) => [position, stream, version]);
}

/** The first events of a subscription, this many; then the loop is left. */
async function take(count: number, events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const taken: RecordedEvent[] = [];
  if (count === 0) return taken;
  for await (const event of events) if (taken.push(event) === count) break;
  return taken;
}

const filters: [string, SubscribeOptions, (event: RecordedEvent) => boolean][] = [
  ['the whole store', {}, () => true],
  ['the whole store in pages of two', { page: { eventsMax: 2 } }, () => true],
  ['some streams', { patterns: ['order.>'], page: { eventsMax: 2 } }, ({ stream }) => /^order/.test(stream)],
  ['some types', { eventTypes: ['Taken', 'Paid'] }, ({ type }) => type !== 'Placed'],
  ['a stream', { patterns: ['order.b'], page: { eventsMax: 1 } }, ({ stream }) => stream === 'order.b'],
];

describe.each(filters)('after each event of %s', (_name, filter, isWanted) => {
  const wanted = (): readonly RecordedEvent[] => stored.filter(isWanted);

  test.each(['forward', 'backward'] as const)('readAll has those that follow, %s', async (direction) => {
    const ordered = direction === 'forward' ? wanted() : wanted().toReversed();
    const found = await withCursors(client.readAll({ ...filter, direction }));
    expect(keys(found.map(({ item }) => item))).toEqual(keys(ordered));
    for (const [index, { cursor: after }] of found.entries()) {
      const rest = await all(client.readAll({ ...filter, after, direction }));
      expect(keys(rest)).toEqual(keys(ordered.slice(index + 1)));
    }
  });

  test('pages of readAll have all of them, whatever maxCount is', async () => {
    for (const direction of ['forward', 'backward'] as const) {
      for (const maxCount of [1, 2, 5, 100]) {
        const read: RecordedEvent[] = [];
        let after: string | undefined;
        for (let count = -1; read.length > count;) {
          count = read.length;
          const page = client.readAll({ ...filter, direction, maxCount, after });
          // Also pages that are left before their end.
          for await (const event of page) {
            read.push(event);
            after = page.cursor;
            if (read.length % 3 === 0) break;
          }
        }
        expect(keys(read)).toEqual(keys(direction === 'forward' ? wanted() : wanted().toReversed()));
      }
    }
  });

  test('another subscription has those that follow', async () => {
    const subscription = client.subscribe(filter);
    const cursors: string[] = [];
    for await (const event of subscription) {
      expect(event.position).toBe(BigInt(/^\d+/.exec(subscription.cursor ?? '')?.[0] ?? -1));
      if (cursors.push(subscription.cursor ?? '') === wanted().length) break;
    }
    for (const [index, after] of cursors.entries()) {
      const expected = wanted().slice(index + 1);
      const taken = await take(expected.length, client.subscribe({ ...filter, after }));
      expect(keys(taken)).toEqual(keys(expected));
    }
  });

  test('another loop over the same subscription has those that follow', async () => {
    for (let count = 1; count < wanted().length; count++) {
      const subscription = client.subscribe(filter);
      const taken = await take(count, subscription);
      taken.push(...(await take(wanted().length - count, subscription)));
      expect(keys(taken)).toEqual(keys(wanted()));
    }
  });

  test('a subscription whose connection is lost has those that follow', async () => {
    await using relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
    using far = connect(relay.address, { channelOptions: { 'grpc.initial_reconnect_backoff_ms': 10 } });
    for (let count = 1; count < wanted().length; count++) {
      const taken: RecordedEvent[] = [];
      for await (const event of far.subscribe(filter)) {
        taken.push(event);
        if (taken.length === count) relay.cut();
        if (taken.length === wanted().length) break;
      }
      expect(keys(taken)).toEqual(keys(wanted()));
    }
  });
});

test('a subscription from a time has the whole transaction that ends then', async () => {
  const time = stored.findLast(({ stream }) => stream === 'order.c')?.commitTimeNanos;
  const expected = stored.slice(-9);
  expect(expected[0]?.commitTimeNanos).toBeLessThan(time ?? 0n);
  expect(keys(await take(9, client.subscribe({ fromTime: time })))).toEqual(keys(expected));
});

describe('a subscription from a time has nothing of before', () => {
  const hourMs = 3_600_000;

  test('when its connection is lost', async () => {
    await using relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
    using far = connect(relay.address, { channelOptions: { 'grpc.initial_reconnect_backoff_ms': 10 } });
    const stop = new AbortController();
    let caughtUp = 0;
    const subscription = far.subscribe({
      patterns: ['early.>'],
      fromTime: new Date(Date.now() + hourMs),
      heartbeatMs: 1_000,
      signal: stop.signal,
      onCaughtUp: () => caughtUp++,
    });
    const taken = take(1, subscription).catch((error: unknown) => error);
    await until(() => caughtUp === 1);
    relay.cut();
    const { position } = await client.append('early.1', [{ type: 'Early' }]);
    await until(() => caughtUp === 2 && (subscription.position ?? 0n) >= position);
    const reason = new Error('enough');
    stop.abort(reason);
    expect(await taken).toBe(reason);
  });

  test('when another loop, or another subscription, goes on', async () => {
    const time = stored.findLast(({ stream }) => stream === 'order.c')?.commitTimeNanos;
    const expected = keys(stored.slice(-9));
    const subscription = client.subscribe({ fromTime: time });
    const first = await take(1, subscription);
    const second = await take(1, subscription);
    expect(keys([...first, ...second])).toEqual(expected.slice(0, 2));
    expect(keys(await take(9, client.subscribe({ fromTime: time, after: 1n })))).toEqual(expected);
    const after = subscription.cursor;
    expect(keys(await take(7, client.subscribe({ fromTime: time, after })))).toEqual(expected.slice(2));
  });
});

test('an event is not a cursor', () => {
  const event = stored[0] as unknown as string;
  expect(() => client.readAll({ after: event })).toThrow(TypeError);
  expect(() => client.subscribe({ after: event })).toThrow(TypeError);
});

test('a subscription after a version goes on after its last event, within a commit too', async () => {
  await using relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
  using far = connect(relay.address, { channelOptions: { 'grpc.initial_reconnect_backoff_ms': 10 } });
  const ofStream = stored.filter(({ stream }) => stream === 'order.b');
  for (const eventTypes of [[], ['Paid', 'Taken']]) {
    const expected = ofStream.slice(2).filter(({ type }) => eventTypes.length === 0 || type === 'Paid');
    const taken: RecordedEvent[] = [];
    for await (const event of far.subscribe({ stream: 'order.b', afterVersion: 2, eventTypes })) {
      taken.push(event);
      if (taken.length % 2 === 1) relay.cut();
      if (taken.length === expected.length) break;
    }
    expect(keys(taken)).toEqual(keys(expected));
  }
});
