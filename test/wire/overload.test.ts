import { constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { withGateway } from '../support/gateway';
import { until } from '../support/nats-server';
import { divided, inOneProcess } from '../support/one-process';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';
import { openSession } from '../support/raw-http2';

/** What happens when there is more to do than the gateway may take on, or a caller does not take what it asked for. */
const status = { cancelled: 1, resourceExhausted: 8 };
const event = { type: 'Happened' };

async function expectOverloaded(call: Promise<unknown>, message: RegExp): Promise<void> {
  expect(await wireFailureOf(call)).toEqual({
    code: status.resourceExhausted,
    message: expect.stringMatching(message) as string,
    details: [
      { '@type': 'google.rpc.ErrorInfo', reason: 'OVERLOADED', domain: 'sluice.v1' },
      { '@type': 'google.rpc.RetryInfo', retry_delay: { nanos: 250_000_000 } },
    ],
  });
}

/** Waits until one of the calls is refused, and gives the others: on their way, calls may overtake each other. */
async function oneOverloaded(
  calls: readonly Promise<WireMessage>[],
  message: RegExp,
): Promise<Promise<WireMessage>[]> {
  const refused = await Promise.any(calls.map((call) => wireFailureOf(call).then(() => [call])));
  await expectOverloaded(refused[0] as Promise<WireMessage>, message);
  return calls.filter((call) => call !== refused[0]);
}

async function versionsOf(calls: readonly Promise<WireMessage>[]): Promise<unknown[]> {
  return (await Promise.all(calls)).map((answer) => answer['version']).sort();
}

describe('appends while NATS does not answer', () => {
  test('wait for one stream up to stream_queue_max; more are refused at once', () =>
    withGateway(['--stream-queue-max=3'], async (wire, nats) => {
      const append = (stream: string): Promise<WireMessage> =>
        wire.unary('Append', { stream, events: [event] });
      await append('queue.1');
      await append('queue.2');
      nats.pause();
      const other = append('queue.2');
      const four = Array.from({ length: 4 }, () => append('queue.1'));
      const waiting = await oneOverloaded(four, /^3 appends wait for stream queue.1 already$/);
      nats.resume();
      expect(await versionsOf(waiting)).toEqual(['2', '3', '4']);
      expect(await other).toMatchObject({ version: '2' });
      expect(await append('queue.1')).toMatchObject({ version: '5' });
    }));

  inOneProcess(divided)('are under way up to appends_max and appends_bytes_max', () =>
    withGateway(
      [
        '--appends-max=4',
        '--connection-appends-max=3',
        '--appends-bytes-max=4000',
        '--append-bytes-max=4000',
      ],
      async (wire, nats, address) => {
        using another = connectWire(address);
        const append = (stream: string, client: number, textBytes = 0): Promise<WireMessage> =>
          (client % 2 === 0 ? wire : another).unary('Append', {
            stream,
            events: [{ ...event, text: 'x'.repeat(textBytes) }],
          });
        const streams = ['a', 'b', 'c', 'd', 'e'];
        for (const [i, stream] of streams.entries()) await append(stream, i);
        nats.pause();
        const two = ['a', 'a'].map((stream, i) => append(stream, i, 2_000));
        const large = await oneOverloaded(two, /^2\d{3} bytes of appends are under way already$/);
        const four = streams.slice(1).map((stream, i) => append(stream, i));
        const small = await oneOverloaded(four, /^4 appends are under way already$/);
        nats.resume();
        expect(await versionsOf([...large, ...small])).toEqual(['2', '2', '2', '2']);
      },
    ),
  );

  test('are under way up to connection_appends_max and connection_appends_bytes_max of one connection', () =>
    withGateway(
      ['--connection-appends-max=4', '--connection-appends-bytes-max=4000', '--append-bytes-max=4000'],
      async (wire, nats, address) => {
        using another = connectWire(address);
        const append = (stream: string, textBytes = 0, client = wire): Promise<WireMessage> =>
          client.unary('Append', { stream, events: [{ ...event, text: 'x'.repeat(textBytes) }] });
        const streams = ['a', 'b', 'c', 'd', 'e'];
        for (const stream of streams) await append(stream);
        nats.pause();
        const two = ['a', 'a'].map((stream) => append(stream, 2_000));
        const large = await oneOverloaded(
          two,
          /^2\d{3} bytes of appends of this connection are under way already$/,
        );
        const four = streams.slice(1).map((stream) => append(stream));
        const small = await oneOverloaded(four, /^4 appends of this connection are under way already$/);
        const others = streams.slice(1).map((stream) => append(stream, 0, another));
        nats.resume();
        expect(await versionsOf([...large, ...small])).toHaveLength(4);
        expect(await versionsOf(others)).toHaveLength(4);
        // All that was taken is given back.
        for (let i = 0; i < 5; i++) expect(await append('f', 3_000)).toMatchObject({ version: `${i + 1}` });
      },
    ));

  test('of a session count as those of its connection', () =>
    withGateway(['--connection-appends-max=3'], async (wire, nats) => {
      await wire.unary('Append', { stream: 'session.1', events: [event] });
      nats.pause();
      const session = wire.duplex('AppendSession');
      const appends = Array.from({ length: 5 }, (_, tag) => ({
        tag: tag.toString(),
        append: { stream: 'session.1', events: [event] },
      }));
      session.write({ appends });
      const answers: WireMessage[] = [];
      session.on('data', ({ answers: some }: { answers: WireMessage[] }) => answers.push(...some));
      const other = (): Promise<WireMessage> => wire.unary('Append', { stream: 'no name', events: [event] });
      // The gateway responds without NATS, after what the session has sent.
      await wireFailureOf(other());
      await expectOverloaded(
        wire.unary('Append', { stream: 'other.1', events: [event] }),
        /^3 appends of this connection are under way already$/,
      );
      nats.resume();
      await until(() => answers.length === 5);
      expect(answers.map(({ result }) => (result as WireMessage)['version'])).toEqual([
        '2',
        '3',
        '4',
        '5',
        '6',
      ]);
      session.end();
      await new Promise((resolve) => session.on('end', resolve));
    }));

  test('count until they are decided, also when their callers have gone', () =>
    withGateway(['--appends-max=1'], async (wire, nats) => {
      const requests = ['gone.1', 'gone.2'].map((stream, i) => {
        const commit_id = `0190f3a1-0000-7000-8000-00000000000${i}`;
        return { stream, events: [event], expected_version: '1', commit_id };
      });
      for (const { stream } of requests) await wire.unary('Append', { stream, events: [event] });
      nats.pause();
      const calls = requests.map((request) => {
        const call = wire.open('Append', request);
        return { request, call, failure: wireFailureOf(call.toArray()) };
      });
      const refused = await Promise.race(calls.map((one) => one.failure.then(() => one)));
      expect(await refused.failure).toMatchObject({ code: status.resourceExhausted });
      const [gone] = calls.filter((one) => one !== refused);
      if (gone === undefined) throw new Error('both were refused');
      gone.call.cancel();
      expect(await gone.failure).toMatchObject({ code: status.cancelled });
      const more = (): Promise<WireMessage> => wire.unary('Append', { stream: 'gone.3', events: [event] });
      await expectOverloaded(more(), /^1 appends of this connection are under way already$/);
      nats.resume();
      await until(() =>
        more().then(
          () => true,
          () => false,
        ),
      );
      const { request } = gone;
      expect(await wire.unary('GetVersion', { stream: request.stream })).toMatchObject({ version: '2' });
      expect(await wire.unary('Append', request)).toMatchObject({ version: '2', replayed: true });
    }));
});

/** Far less than a caller should wait, but enough to leave this process, which has both sides, time for others. */
const refusedPauseMs = 20;

/** Makes appends one after the other while as many others as the flood is wide are sent all the time. */
async function amidFlood(
  width: number,
  flood: (lane: number) => Promise<WireMessage>,
  append: (round: number) => Promise<WireMessage>,
): Promise<{ readonly stored: number; readonly refused: number }> {
  const counts = { stored: 0, refused: 0 };
  let isOver = false;
  const lanes = Array.from({ length: width }, async (_, lane) => {
    while (!isOver) {
      const outcome = await flood(lane).catch((error: unknown) => error);
      if (!(outcome instanceof Error)) counts.stored++;
      else if ((outcome as { code?: number }).code !== status.resourceExhausted) throw outcome;
      else {
        counts.refused++;
        await sleep(refusedPauseMs);
      }
    }
  });
  try {
    await until(() => counts.refused > width);
    // None is refused, or this would fail.
    for (let round = 0; round < 20; round++) await append(round);
  } finally {
    isOver = true;
    await Promise.all(lanes);
  }
  return counts;
}

describe('appends are stored beside', () => {
  const flags = ['--appends-max=64', '--connection-appends-max=32', '--stream-queue-max=16'];
  const appendTo = (client: WireClient, stream: string): Promise<WireMessage> =>
    client.unary('Append', { stream, events: [event] });

  test('a stream that gets more than it can take, over one connection', () =>
    withGateway(flags, async (wire) => {
      const counts = await amidFlood(
        48,
        () => appendTo(wire, 'hot.1'),
        (round) => appendTo(wire, `calm.${round % 5}`),
      );
      expect(await wire.unary('GetVersion', { stream: 'hot.1' })).toMatchObject({
        version: counts.stored.toString(),
      });
      expect(await wire.unary('GetVersion', { stream: 'calm.1' })).toMatchObject({ version: '4' });
    }));

  test('a connection that sends more than it may', () =>
    withGateway(flags, async (wire, _nats, address) => {
      using greedy = connectWire(address);
      const counts = await amidFlood(
        96,
        (lane) => appendTo(greedy, `greedy.${lane}`),
        (round) => appendTo(wire, `calm.${round % 5}`),
      );
      expect(counts.stored).toBeGreaterThan(0);
      expect(await wire.unary('GetVersion', { stream: 'calm.1' })).toMatchObject({ version: '4' });
    }));
});

describe('reads', () => {
  // More than a client buffers by itself: grpc-js buffers 16 messages.
  const page = { events_max: 1 };
  const events = Array.from({ length: 60 }, () => ({ type: 'Large', text: 'x'.repeat(50_000) }));

  test('are under way up to reads_max, and one that nobody takes ends', () =>
    withGateway(['--reads-max=1', '--read-stall-timeout-ms=2000'], async (wire) => {
      await wire.unary('Append', { stream: 'stalled.1', events });
      const stalled = wire.open('ReadStream', { stream: 'stalled.1', page });
      const read = (): Promise<readonly WireMessage[]> => wire.stream('ReadStream', { stream: 'stalled.1' });
      // Before its first message, grpc-js buffers whatever comes.
      await new Promise((resolve) => stalled.once('data', resolve));
      stalled.pause();
      await expectOverloaded(read(), /^1 reads are under way, as many as reads_max allows$/);
      await expectOverloaded(
        wire.stream('ListStreams', {}),
        /^1 reads are under way, as many as reads_max allows$/,
      );
      await expectOverloaded(
        wire.stream('ReadByCorrelation', { correlation_id: 'c' }),
        /^1 reads are under way, as many as reads_max allows$/,
      );
      expect(await wire.unary('GetVersion', { stream: 'stalled.1' })).toMatchObject({ version: '60' });

      await until(() =>
        read().then(
          () => true,
          () => false,
        ),
      );
      expect(await read()).not.toHaveLength(0);
      expect(await wireFailureOf(stalled.toArray())).toEqual({
        code: status.cancelled,
        message: expect.stringMatching(
          /^the caller took \d+ bytes .* in 2000 ms, fewer than 256 \(/,
        ) as string,
        details: [{ '@type': 'google.rpc.ErrorInfo', reason: 'CANCELLED', domain: 'sluice.v1' }],
      });
    }));

  test('without an end, with heartbeats, end in the same way when nobody takes them', () =>
    withGateway(['--subscriptions-max=1', '--read-stall-timeout-ms=3000'], async (wire) => {
      await wire.unary('Append', { stream: 'stalled.2', events });
      const request = { stream: 'stalled.2', page, heartbeat_interval: { seconds: '1' } };
      const stalled = wire.open('Subscribe', request);
      await new Promise((resolve) => stalled.once('data', resolve));
      stalled.pause();
      // Its slot becomes free when it ends; it is reset when nobody takes the rest for that time again.
      await until(async () => {
        const next = wire.open('Subscribe', { stream: 'stalled.3' });
        const outcome = await new Promise((resolve) => next.once('data', resolve).once('error', resolve));
        next.on('error', () => undefined).cancel();
        return !(outcome instanceof Error);
      }, 25_000);
      expect(await wireFailureOf(stalled.toArray())).toMatchObject({
        code: status.cancelled,
        message: expect.stringMatching(
          /^the caller took \d+ bytes .* in 3000 ms, fewer than 384 \(/,
        ) as string,
      });
    }));

  test('that nobody ever takes are reset in the end, and do not fill the memory', () =>
    withGateway(['--read-stall-timeout-ms=300'], async (wire, _nats, address) => {
      await wire.unary('Append', { stream: 'reset.1', events });
      const session = openSession(address);
      try {
        const streams = Array.from({ length: 10 }, () => {
          const stream = session.request({
            ':method': 'POST',
            ':path': '/sluice.v1.EventStoreService/ReadStream',
            'content-type': 'application/grpc',
            te: 'trailers',
          });
          const name = Buffer.from('reset.1');
          stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, name.length + 2, 0x0a, name.length]), name]));
          return stream; // Nobody reads it, so that its window stays shut.
        });
        await until(() => streams.every((stream) => stream.closed));
        expect(streams.map(({ rstCode }) => rstCode)).toEqual(streams.map(() => constants.NGHTTP2_CANCEL));
      } finally {
        session.destroy();
      }
    }));

  test('that are slow, but take a message now and then, are complete', () =>
    withGateway(['--read-stall-timeout-ms=1000'], async (wire) => {
      await wire.unary('Append', { stream: 'slow.1', events });
      const started = Date.now();
      let count = 0;
      for await (const message of wire.open('ReadStream', { stream: 'slow.1', page })) {
        count += ((message as WireMessage)['events'] as unknown[]).length;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      expect(count).toBe(60);
      expect(Date.now() - started).toBeGreaterThan(1_500);
    }));
});
