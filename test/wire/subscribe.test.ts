import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { connect, type NatsConnection } from 'nats';
import pino from 'pino';
import { loadConfig } from '../../src/config/config';
import { startGateway } from '../../src/gateway';
import { startGatewayProcess, startTestGateway, type TestGateway } from '../support/gateway';
import { consumersOf } from '../support/monitor';
import { startNats, until, type TestNats } from '../support/nats-server';
import { patience } from '../support/patience';
import { makeReplicaDir } from '../support/replica-dir';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';

/** Subscriptions as they are on the wire: notices, the end, what is not a commit, and what stays behind. */
const status = { resourceExhausted: 8, unavailable: 14, dataLoss: 15 };
const event = { type: 'Happened' };

let nats: TestNats;
let gateway: TestGateway;
let wire: WireClient;
let stranger: NatsConnection;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  wire = connectWire(gateway.address);
  stranger = await connect({ servers: nats.url });
});

afterAll(async () => {
  await stranger.close();
  wire[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** A subscription under way. It is cancelled on disposal. */
interface Follower extends Disposable {
  next(): Promise<WireMessage>;
  /** All messages up to and with the first that has a notice of this kind. */
  until(notice: string): Promise<readonly WireMessage[]>;
  /** The next events, as they come. */
  events(count: number): Promise<readonly WireMessage[]>;
}

function follow(request: WireMessage, client = wire): Follower {
  const call: ClientReadableStream<WireMessage> = client.open('Subscribe', request);
  const messages = call[Symbol.asyncIterator]() as AsyncIterator<WireMessage>;
  const next = async (): Promise<WireMessage> => {
    const result = await messages.next();
    if (result.done === true) throw new Error('the subscription ended with OK');
    return result.value;
  };
  return {
    next,
    async until(notice) {
      const seen: WireMessage[] = [];
      while (seen.at(-1)?.[notice] === undefined) seen.push(await next());
      return seen;
    },
    async events(count) {
      const seen: WireMessage[] = [];
      while (seen.length < count) seen.push(...eventsOf([await next()]));
      return seen;
    },
    [Symbol.dispose]() {
      call.on('error', () => undefined);
      call.cancel();
    },
  };
}

function eventsOf(messages: readonly WireMessage[]): WireMessage[] {
  return messages.flatMap((message) => (message['events'] ?? []) as WireMessage[]);
}

function positionOf(message: WireMessage | undefined): bigint {
  return BigInt(message?.['position'] as string);
}

/** Appends a commit and gives its position. */
async function append(stream: string, count = 1, client = wire): Promise<bigint> {
  const events = Array.from({ length: count }, () => event);
  return positionOf(await client.unary('Append', { stream, events }));
}

/** Appends to a stream again and again meanwhile. */
async function whileWriting(stream: string, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const writing = (async () => {
    while (!stop.signal.aborted) {
      await append(stream);
      await sleep(10);
    }
  })();
  try {
    await work();
  } finally {
    stop.abort();
    await writing;
  }
}

describe('heartbeats', () => {
  /** The next heartbeats, and the milliseconds from the first to the last. */
  async function beats(follower: Follower, count: number): Promise<[WireMessage[], number]> {
    const seen: WireMessage[] = [];
    let firstMs = 0;
    while (seen.length < count) {
      const message = (await follower.until('heartbeat')).at(-1) as WireMessage;
      if (seen.length === 0) firstMs = Date.now();
      const { head_position: head, lag = '0' } = message['heartbeat'] as WireMessage;
      expect(positionOf(message) + BigInt(lag as string)).toBe(BigInt(head as string));
      seen.push(message);
    }
    return [seen, Date.now() - firstMs];
  }
  const lagOf = (message: WireMessage): unknown => (message['heartbeat'] as WireMessage)['lag'];

  test('come at the interval that was asked for, while nothing happens and while events come', async () => {
    const head = await append('beat.1');
    using follower = follow({ stream: 'beat.1', heartbeat_interval: { seconds: '1' } });
    await follower.until('caught_up');
    const [idle, idleMs] = await beats(follower, 3);
    expect(idle).toEqual(
      idle.map(() => ({ position: head.toString(), heartbeat: { head_position: head.toString() } })),
    );
    let busyMs = 0;
    await whileWriting('beat.1', async () => {
      await follower.events(1);
      const [busy, ms] = await beats(follower, 3);
      expect(positionOf(busy[2])).toBeGreaterThan(positionOf(busy[0]));
      busyMs = ms;
    });
    for (const ms of [idleMs, busyMs]) {
      expect(ms).toBeGreaterThan(1_800);
      expect(ms).toBeLessThan(6_000 * patience);
    }
  });

  test('say how far the subscription is behind, where others are written', async () => {
    using follower = follow({ stream: 'beat.quiet', heartbeat_interval: { seconds: '1' } });
    await follower.until('caught_up');
    const untilBehind = async (behind: boolean): Promise<void> => {
      for (;;) {
        const [[beat]] = await beats(follower, 1);
        if (beat !== undefined && (lagOf(beat) !== undefined) === behind) return;
      }
    };
    await whileWriting('beat.loud', () => untilBehind(true));
    await untilBehind(false);
  });
});

describe('checkpoints', () => {
  test('come within about 5 seconds when others are written', async () => {
    using follower = follow({ stream: 'check.quiet' });
    await follower.until('caught_up');
    const position = await append('check.loud');
    const appendedMs = Date.now();
    expect(await follower.next()).toEqual({ position: position.toString(), checkpoint: {} });
    expect(Date.now() - appendedMs).toBeLessThan(7_000 * patience);
  });

  test.each([
    ['a stream', { stream: 'check.quiet' }],
    ['patterns', { patterns: ['check.quiet', 'none.>'] }],
    ['types', { event_types: ['Nothing'] }],
  ])('come at least every 1,000 commits that %s skips', async (_what, request) => {
    using follower = follow({ ...request, after_position: (await append('check.loud')).toString() });
    const [begin] = await follower.until('caught_up');
    // Many at a time, so that a thousand of them take less time than a checkpoint may.
    let last = 0n;
    const write = async (stream: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const position = await append(stream);
        if (position > last) last = position;
      }
    };
    await Promise.all(Array.from({ length: 50 }, (_, i) => write(`check.loud.${i}`)));
    for (let at = positionOf(begin); at < last;) {
      const message = await follower.next();
      expect(message['checkpoint']).toEqual({});
      expect(positionOf(message) - at).toBeLessThanOrEqual(1_000n);
      at = positionOf(message);
    }
  });
});

test('page.events_max bounds the events of a message; only the last of a commit has a position', async () => {
  const positions = [await append('page.1', 3), await append('page.1', 1)];
  using follower = follow({ stream: 'page.1', page: { events_max: 1 } });
  const shapes = (messages: readonly WireMessage[]): unknown[] =>
    messages.map((message) => [eventsOf([message]).map(({ version }) => version), message['position']]);
  const shape = (...at: readonly (bigint | undefined)[]): unknown[] => [
    [['1'], undefined],
    [['2'], undefined],
    [['3'], at[0]?.toString()],
    [['4'], at[1]?.toString()],
  ];
  const [begin, ...stored] = await follower.until('caught_up');
  expect(begin).toEqual({ position: '0', checkpoint: {}, store_id: expect.any(String) as string });
  // What others have written before is skipped, with checkpoints.
  const own = stored.filter((message) => eventsOf([message]).length > 0);
  expect(shapes(own)).toEqual(shape(...positions));
  const live = [await append('page.1', 2)];
  expect(shapes([await follower.next(), await follower.next()])).toEqual([
    [['5'], undefined],
    [['6'], live[0]?.toString()],
  ]);
});

test('a gateway that stops says how far it has come, ends with UNAVAILABLE, and is gone soon', async () => {
  await using stopping = await startGatewayProcess([nats.url]);
  using client = connectWire(stopping.address);
  const position = await append('stop.1', 2, client);
  const followers = ['stop.1', 'stop.2'].map((stream) => follow({ stream }, client));
  const [first, second] = followers as [Follower, Follower];
  expect(await first.events(2)).toHaveLength(2);
  for (const follower of followers) await follower.until('caught_up');
  const stoppedMs = Date.now();
  stopping.process.signal('SIGTERM');
  const ends = await Promise.all(
    followers.map(async (follower) => {
      const last = (await follower.until('draining')).at(-1);
      return { last, failure: await wireFailureOf(follower.next()) };
    }),
  );
  expect(ends.map(({ last }) => last)).toEqual([
    { position: position.toString(), draining: {} },
    { position: expect.stringMatching(/^\d+$/) as string, draining: {} },
  ]);
  for (const { failure } of ends) {
    expect(failure).toEqual({
      code: status.unavailable,
      message: 'the gateway is stopping',
      details: [
        { '@type': 'google.rpc.ErrorInfo', reason: 'STORE_UNAVAILABLE', domain: 'sluice.v1' },
        { '@type': 'google.rpc.RetryInfo', retry_delay: { seconds: '1' } },
      ],
    });
  }
  expect(await stopping.process.ended()).toBe(0);
  expect(Date.now() - stoppedMs).toBeLessThan(8_000 * patience);
  expect(stopping.process.stderr()).not.toContain('cutting them off');
  second[Symbol.dispose]();
});

test('1,000 subscriptions that are left one after another leave nothing behind', async () => {
  await using own = await startNats();
  await using busy = await startTestGateway([own.url]);
  // Node.js drops a connection on which more than 1,000 calls are cancelled within a short time.
  const clients = Array.from({ length: 10 }, () => connectWire(busy.address));
  try {
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < 100; i++) {
          using follower = follow({}, client);
          await follower.next();
          if (i % 20 === 0) expect(await consumersOf([own])).toBe(1);
        }
      }),
    );
    const [client] = clients as [WireClient];
    const position = await append('left.1', 1, client);
    {
      using follower = follow({ stream: 'left.1' }, client);
      expect(await follower.events(1)).toEqual([expect.objectContaining({ position: position.toString() })]);
      expect(await consumersOf([own])).toBe(1);
    }
    expect(await consumersOf([own])).toBe(1);
    expect(await append('left.1', 1, client)).toBe(position + 1n);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

test('more than subscriptions_max are refused, until others have gone', async () => {
  const config = loadConfig(
    ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, '--create-store', `--replica-dir=${makeReplicaDir()}`],
    { SLUICE_HTTP_LISTEN: 'off' },
  );
  const limits = { ...config.limits, subscriptionsMax: 2 };
  const small = await startGateway({ ...config, limits }, pino({ level: 'silent' }));
  try {
    using client = connectWire(small.address);
    using first = follow({}, client);
    await first.next();
    {
      using second = follow({}, client);
      await second.next();
      using third = follow({}, client);
      expect(await wireFailureOf(third.next())).toEqual({
        code: status.resourceExhausted,
        message: '2 subscriptions are under way, as many as subscriptions_max allows',
        details: [
          { '@type': 'google.rpc.ErrorInfo', reason: 'OVERLOADED', domain: 'sluice.v1' },
          { '@type': 'google.rpc.RetryInfo', retry_delay: { nanos: 250_000_000 } },
        ],
      });
      // Reads have a bound of their own.
      expect(await client.stream('ReadAll', { max_count: '1' })).not.toHaveLength(0);
    }
    await until(async () => {
      using again = follow({}, client);
      return await again.next().then(
        () => true,
        () => false,
      );
    });
  } finally {
    await small.close();
  }
});

describe('a message that is not a commit', () => {
  const before = 'foreign.before';
  const bad = 'foreign.bad';
  const after = 'foreign.after';
  const patterns = ['foreign.*'];

  /** Publishes what is not a commit and gives its position. */
  async function intrude(): Promise<bigint> {
    return BigInt((await stranger.jetstream().publish(`es.${bad}`, 'by hand')).seq);
  }

  async function expectDataLoss(call: Promise<unknown>, position: bigint): Promise<void> {
    const found = { stream: bad, position: position.toString() };
    expect(await wireFailureOf(call)).toEqual({
      code: status.dataLoss,
      message: expect.stringContaining(bad) as string,
      details: [
        {
          '@type': 'google.rpc.ErrorInfo',
          reason: 'UNREADABLE_COMMIT',
          domain: 'sluice.v1',
          metadata: found,
        },
        { '@type': 'sluice.v1.UnreadableCommit', ...found },
      ],
    });
  }

  /** The streams of the next events, and then the failure. */
  async function expectEventsThenDataLoss(
    follower: Follower,
    streams: readonly string[],
    position: bigint,
  ): Promise<void> {
    const seen: WireMessage[] = [];
    const read = async (): Promise<never> => {
      for (;;) seen.push(...eventsOf([await follower.next()]));
    };
    await expectDataLoss(read(), position);
    expect(seen.map(({ stream }) => stream)).toEqual(streams);
  }

  let start: bigint;
  let found: bigint;
  beforeAll(async () => {
    start = await append('foreign-start');
    await append(bad);
    await append(before);
    found = await intrude();
    await append(after);
  });

  test('ends a subscription that comes to it in the log, after all that lies before it', async () => {
    for (const request of [{ patterns }, {}]) {
      using follower = follow({ ...request, after_position: start.toString() });
      await expectEventsThenDataLoss(follower, [bad, before], found);
    }
    using only = follow({ stream: bad, after_position: start.toString() });
    await expectEventsThenDataLoss(only, [bad], found);
  });

  test('ends those that are live', async () => {
    using all = follow({ from_now: true });
    using some = follow({ patterns, from_now: true });
    using other = follow({ patterns: [before, after], from_now: true });
    using same = follow({ stream: bad, from_now: true });
    for (const follower of [all, some, other, same]) await follower.until('caught_up');
    await append(before);
    const position = await intrude();
    await append(after);
    await expectEventsThenDataLoss(all, [before], position);
    await expectEventsThenDataLoss(some, [before], position);
    await expectEventsThenDataLoss(same, [], position);
    expect((await other.events(2)).map(({ stream }) => stream)).toEqual([before, after]);

    using future = follow({ patterns, after_position: position.toString() });
    expect((await future.events(1)).map(({ stream }) => stream)).toEqual([after]);
    await append(before);
    expect((await future.events(1)).map(({ stream }) => stream)).toEqual([before]);
  });

  test('ends a read of the store, which goes on after it', async () => {
    const read = async (request: WireMessage): Promise<unknown[]> => {
      const seen: WireMessage[] = [];
      for await (const message of wire.open('ReadAll', request))
        seen.push(...eventsOf([message as WireMessage]));
      return seen.map(({ stream }) => stream);
    };
    const range = { after_position: start.toString(), to_position: (found + 1n).toString() };
    await expectDataLoss(read({ ...range, patterns }), found);
    await expectDataLoss(read(range), found);
    const backward = {
      direction: 'DIRECTION_BACKWARD',
      after_position: range.to_position,
      to_position: (start + 1n).toString(),
    };
    await expectDataLoss(read(backward), found);
    expect(await read({ ...range, after_position: found.toString() })).toEqual([after]);
    expect(await read({ ...backward, after_position: found.toString() })).toEqual([before, bad]);
    expect(await read({ ...range, patterns: [before, after] })).toEqual([before, after]);
    expect(await read({ ...range, to_position: (found - 1n).toString() })).toEqual([bad, before]);
  });
});
