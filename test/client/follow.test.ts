import { setTimeout as sleep } from 'node:timers/promises';
import {
  CancelledError,
  connect,
  InvalidRequestError,
  type NewEvent,
  type RecordedEvent,
  type SluiceClient,
  type SubscribeOptions,
} from '../../src/client/client';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { startTcpRelay } from '../support/tcp-relay';
import { all, failureOf, withCursors } from './outcomes';

let nats: TestNats;
let gateway: TestGateway;
let client: SluiceClient;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  client = connect(gateway.address);
});
afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

function numbered(from: number, to: number, type = 'Counted'): NewEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({ type, data: `${from + index}` }));
}

function numbers(events: readonly RecordedEvent[]): number[] {
  return events.map(({ data }) => Number(data));
}

/** This many events of a subscription; then the loop is left. */
async function take(count: number, events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const taken: RecordedEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

describe('readAll', () => {
  test('reads matching streams after an event, both ways', async () => {
    await client.append('all.a', numbered(1, 3));
    await client.append('all.b', numbered(4, 5, 'Other'));
    await client.append('all.a', numbered(6, 9));
    const patterns = ['all.*'];
    const read = client.readAll({ patterns });
    const events = await all(read);
    expect(numbers(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(read.head.position).toBeGreaterThanOrEqual(events.at(-1)?.position ?? 0n);
    const forward = await withCursors(client.readAll({ patterns }));
    for (const [index, { cursor: after }] of forward.entries()) {
      expect(await all(client.readAll({ patterns, after }))).toEqual(events.slice(index + 1));
    }
    const direction = 'backward';
    const backward = await withCursors(client.readAll({ patterns, direction }));
    expect(backward.map(({ item }) => item)).toEqual(events.toReversed());
    for (const [index, { cursor: after }] of backward.entries()) {
      const rest = await all(client.readAll({ patterns, after, direction }));
      expect(rest).toEqual(events.toReversed().slice(index + 1));
    }
    const { position } = events[0] as RecordedEvent;
    expect(numbers(await all(client.readAll({ patterns, after: position })))).toEqual([4, 5, 6, 7, 8, 9]);
    expect(numbers(await all(client.readAll({ patterns, eventTypePrefixes: ['Oth'] })))).toEqual([4, 5]);
    expect(numbers(await all(client.readAll({ patterns, toPosition: position })))).toEqual([1, 2, 3]);
    expect(numbers(await all(client.readAll({ patterns, maxCount: 4, direction: 'backward' })))).toEqual([
      9, 8, 7, 6,
    ]);
  });

  test('refuses options that cannot be sent at once', () => {
    expect(() => client.readAll({ after: -1 })).toThrow(RangeError);
    for (const after of ['', '-1', '1+', '1+a', 'x', '1@', '1 @a'])
      expect(() => client.readAll({ after })).toThrow(TypeError);
    expect(() => client.readAll({ after: `${2n ** 64n}` })).toThrow(RangeError);
    expect(() => client.readAll({ patterns: ['\ud800'] })).toThrow(TypeError);
  });
});

describe('subscribe', () => {
  test('has stored events, then new ones', async () => {
    await client.append('sub.a', numbered(1, 3));
    let caughtUp = 0;
    const subscription = client.subscribe({
      stream: 'sub.a',
      heartbeatMs: 1_000,
      onCaughtUp: () => caughtUp++,
    });
    expect(subscription.position).toBeUndefined();
    const taking = take(5, subscription);
    await until(() => caughtUp === 1);
    expect(subscription.lag).toBe(0n);
    await client.append('sub.a', numbered(4, 5));
    expect(numbers(await taking)).toEqual([1, 2, 3, 4, 5]);
  });

  test('another loop continues after the last event, also within a commit', async () => {
    await client.append('sub.loops', numbered(1, 4));
    await client.append('sub.loops', numbered(5, 6));
    const subscription = client.subscribe({ stream: 'sub.loops' });
    expect(numbers(await take(2, subscription))).toEqual([1, 2]);
    expect(numbers(await take(3, subscription))).toEqual([3, 4, 5]);
    await client.append('sub.loops', numbered(7, 7));
    expect(numbers(await take(2, subscription))).toEqual([6, 7]);
  });

  test.each<[string, (events: readonly RecordedEvent[]) => SubscribeOptions, number[]]>([
    ['an event', ([, second]) => ({ after: `${second?.position.toString() ?? ''}+2` }), [3, 4, 5]],
    ['a position', ([first]) => ({ after: first?.position }), [4, 5]],
    ['a version', () => ({ afterVersion: 2 }), [3, 4, 5]],
    ['a time', (events) => ({ fromTime: events[3]?.commitTimeNanos }), [4, 5]],
    ['nothing', () => ({}), [1, 2, 3, 4, 5]],
  ])('starts after %s, also when the connection is lost', async (name, options, expected) => {
    const stream = `sub.starts.${name.replace(' ', '-')}`;
    await client.append(stream, numbered(1, 3));
    await client.append(stream, numbered(4, 5));
    const events = await all(client.readStream(stream));
    await using relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
    using far = connect(relay.address);
    const errors: Error[] = [];
    const onReconnect = (error: Error): void => void errors.push(error);
    let caughtUp = 0;
    const subscription = far.subscribe({
      stream,
      ...options(events),
      onReconnect,
      onCaughtUp: () => caughtUp++,
      page: { eventsMax: 1 },
    });
    const taking = take(expected.length + 2, subscription);
    await until(() => caughtUp === 1);
    relay.cut();
    await client.append(stream, numbered(6, 6));
    await until(() => caughtUp === 2);
    relay.cut();
    await client.append(stream, numbered(7, 7));
    expect(numbers(await taking)).toEqual([...expected, 6, 7]);
    expect(errors.length).toBeGreaterThanOrEqual(2);
  });

  test('continues with a restarted gateway, also within a commit', async () => {
    await client.append('sub.cut', numbered(1, 400));
    await using relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
    using far = connect(relay.address);
    const taken: RecordedEvent[] = [];
    for await (const event of far.subscribe({ stream: 'sub.cut', page: { eventsMax: 7 } })) {
      taken.push(event);
      if (taken.length % 90 === 0) relay.cut();
      if (taken.length === 400) break;
    }
    expect(taken).toEqual(await all(client.readStream('sub.cut')));
  });

  test('ends with the reason of its signal, at once', async () => {
    const leave = new AbortController();
    const taking = failureOf(take(1, client.subscribe({ stream: 'sub.nothing', signal: leave.signal })));
    await sleep(50);
    leave.abort(new Error('enough'));
    expect(await taking).toEqual(new Error('enough'));
    expect(await failureOf(take(1, client.subscribe({ signal: leave.signal })))).toEqual(new Error('enough'));
  });

  test('ends when the client is closed', async () => {
    const closing = connect(gateway.address);
    const taking = failureOf(take(1, closing.subscribe({ stream: 'sub.nothing' })));
    await sleep(50);
    closing.close();
    expect(await taking).toBeInstanceOf(CancelledError);
    expect(await failureOf(take(1, closing.subscribe()))).toBeInstanceOf(CancelledError);
  });

  test('fails with an error that a retry cannot resolve', async () => {
    const failure = await failureOf(take(1, client.subscribe({ stream: 'a b' })));
    expect(failure).toBeInstanceOf(InvalidRequestError);
    const late = client.subscribe({ after: 10n ** 15n, startMustExist: true });
    expect(await failureOf(take(1, late))).toMatchObject({ violations: [{ field: 'after_position' }] });
    expect(() => client.subscribe({ heartbeatMs: NaN })).toThrow(RangeError);
    expect(() => client.subscribe({ patterns: ['\ud800'] })).toThrow(TypeError);
    expect(() => client.subscribe({ afterVersion: 1.5 })).toThrow(RangeError);
  });
});
