import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import type { ServiceError } from '@grpc/grpc-js';
import { startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';

/** What happens when there is more to do than the gateway may take on, or a caller does not take what it asked for. */
const status = { cancelled: 1, resourceExhausted: 8 };
const event = { type: 'Happened' };

async function withGateway(
  args: readonly string[],
  test: (wire: WireClient, nats: TestNats, address: string) => Promise<void>,
): Promise<void> {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], args);
  using wire = connectWire(gateway.address);
  await test(wire, nats, gateway.address);
}

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

function versionsOf(answers: readonly WireMessage[]): unknown[] {
  return answers.map((answer) => answer['version']);
}

describe('appends while NATS does not answer', () => {
  test('wait for one stream up to stream_queue_max; more are refused at once', () =>
    withGateway(['--stream-queue-max=3'], async (wire, nats) => {
      const append = (stream: string): Promise<WireMessage> =>
        wire.unary('Append', { stream, events: [event] });
      await append('queue.1');
      await append('queue.2');
      nats.pause();
      const waiting = ['queue.1', 'queue.1', 'queue.1', 'queue.2'].map(append);
      await expectOverloaded(append('queue.1'), /^3 appends wait for this stream already$/);
      nats.resume();
      expect(versionsOf(await Promise.all(waiting))).toEqual(['2', '3', '4', '2']);
      expect(await append('queue.1')).toMatchObject({ version: '5' });
    }));

  test('are under way up to appends_max and appends_bytes_max', () =>
    withGateway(['--appends-max=4', '--appends-bytes-max=4000'], async (wire, nats) => {
      const append = (stream: string, text = ''): Promise<WireMessage> =>
        wire.unary('Append', { stream, events: [{ ...event, text }] });
      const streams = ['a', 'b', 'c', 'd'];
      for (const stream of streams) await append(stream);
      nats.pause();
      const large = append('a', 'x'.repeat(2_500));
      await expectOverloaded(
        append('b', 'x'.repeat(1_500)),
        /^2\d{3} bytes of appends are under way already$/,
      );
      const waiting = streams.slice(1).map((stream) => append(stream));
      await expectOverloaded(append('e'), /^4 appends are under way already$/);
      nats.resume();
      expect(versionsOf(await Promise.all([large, ...waiting]))).toEqual(['2', '2', '2', '2']);
      // One that is larger than all that may be under way is not refused for ever.
      expect(await append('e', 'x'.repeat(5_000))).toMatchObject({ version: '1' });
    }));

  test('count until they are decided, also when their callers have gone', () =>
    withGateway(['--appends-max=1'], async (wire, nats) => {
      const commit_id = '0190f3a1-0000-7000-8000-000000000003';
      const stream = 'gone.1';
      await wire.unary('Append', { stream, events: [event] });
      nats.pause();
      const request = { stream, events: [event], expected_version: '1', commit_id };
      const gone = wire.open('Append', request);
      const ended = new Promise<number>((resolve) => {
        gone.on('error', (error) => {
          resolve((error as ServiceError).code);
        });
      });
      const isRefused = (withinMs: number): Promise<boolean> =>
        wire.unary('Append', { stream: 'gone.2', events: [event] }, { deadline: Date.now() + withinMs }).then(
          () => false,
          (error: unknown) => ((error as ServiceError).code as number) === status.resourceExhausted,
        );
      await until(() => isRefused(200));
      gone.cancel();
      expect(await ended).toBe(status.cancelled);
      expect(await isRefused(5_000)).toBe(true);
      nats.resume();
      await until(() =>
        wire.unary('Append', request).then(
          ({ replayed }) => replayed === true,
          () => false,
        ),
      );
      expect(await wire.unary('GetVersion', { stream })).toMatchObject({ version: '2' });
      expect(await wire.unary('Append', { stream, events: [event] })).toMatchObject({ version: '3' });
    }));
});

describe('reads', () => {
  // More than a client takes in by itself: grpc-js has 16 messages in hand.
  const page = { events_max: 1 };
  const events = Array.from({ length: 60 }, () => ({ type: 'Large', text: 'x'.repeat(50_000) }));

  test('are under way up to reads_max, and one that nobody takes ends after read_stall_timeout', () =>
    withGateway(['--reads-max=1', '--read-stall-timeout-ms=1000'], async (wire) => {
      await wire.unary('Append', { stream: 'stalled.1', events });
      const stalled = wire.open('ReadStream', { stream: 'stalled.1', page });
      const read = (): Promise<readonly WireMessage[]> => wire.stream('ReadStream', { stream: 'stalled.1' });
      // Before its first message, grpc-js takes in whatever comes.
      await new Promise((resolve) => stalled.once('data', resolve));
      stalled.pause();
      await expectOverloaded(read(), /^1 reads are under way$/);
      await expectOverloaded(wire.stream('ListStreams', {}), /^1 reads are under way$/);
      await expectOverloaded(
        wire.stream('ReadByCorrelation', { correlation_id: 'c' }),
        /^1 reads are under way$/,
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
        message: 'the caller took no message for 1000 ms',
        details: [{ '@type': 'google.rpc.ErrorInfo', reason: 'CANCELLED', domain: 'sluice.v1' }],
      });
    }));

  test('that nobody ever takes are reset in the end, and do not fill the memory', () =>
    withGateway(['--read-stall-timeout-ms=300'], async (wire, _nats, address) => {
      await wire.unary('Append', { stream: 'reset.1', events });
      const session = connectHttp2(`http://${address}`);
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
        await Promise.all(streams.map((stream) => once(stream, 'close')));
        expect(streams.map(({ rstCode }) => rstCode)).toEqual(streams.map(() => constants.NGHTTP2_CANCEL));
      } finally {
        session.destroy();
      }
    }));

  test('that are slow, but take a message now and then, are complete', () =>
    withGateway(['--read-stall-timeout-ms=500'], async (wire) => {
      await wire.unary('Append', { stream: 'slow.1', events });
      const started = Date.now();
      let count = 0;
      for await (const message of wire.open('ReadStream', { stream: 'slow.1', page })) {
        count += ((message as WireMessage)['events'] as unknown[]).length;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      expect(count).toBe(60);
      expect(Date.now() - started).toBeGreaterThan(1_000);
    }));
});
