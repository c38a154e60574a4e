import {
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import {
  AppendSessionRequest,
  ReadStreamRequest,
  SubscribeRequest,
} from '../../generated/sluice/v1/event_store_service';
import { startTestGateway, withGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { wholeOf } from '../support/one-process';
import { connectWire, wireFailureOf, type WireMessage } from '../support/wire-client';
import { openSession } from '../support/raw-http2';

/** How many of the slots one caller may take. */
const resourceExhausted = 8;
/** More than what a read sends before it waits for its caller: in messages of one event each. */
const events = Array.from({ length: 8_000 }, () => ({ type: 'Small', text: 'x'.repeat(20) }));

/** A connection whose calls get a few bytes at a time, and only when they ask. */
function connectSlowly(address: string, initialWindowSize = 100): ClientHttp2Session {
  return openSession(address, { settings: { initialWindowSize } });
}

function call(session: ClientHttp2Session, method: string, request: Uint8Array): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/sluice.v1.EventStoreService/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(request.length, 1);
  stream.write(Buffer.concat([head, request]));
  return stream;
}

describe('one connection leaves slots for others', () => {
  const page = { eventsMax: 1, bytesMax: 0 };
  const readRequest = ReadStreamRequest.encode(
    ReadStreamRequest.fromPartial({ stream: 'slots.1', page }),
  ).finish();
  const subscribeRequest = SubscribeRequest.encode(
    SubscribeRequest.fromPartial({ stream: 'slots.1', page }),
  ).finish();
  const sessionRequest = AppendSessionRequest.encode(AppendSessionRequest.fromPartial({})).finish();
  const flags = ['reads', 'subscriptions', 'sessions'].map((what) => `--${what}-max=${wholeOf(8)}`);

  test('when it takes nothing of what it asked for', () =>
    withGateway(flags, async (wire, _nats, address) => {
      await wire.unary('Append', { stream: 'slots.1', events });
      const slow = connectSlowly(address);
      try {
        const calls = Array.from({ length: 10 }, () => [
          call(slow, 'ReadStream', readRequest).end(),
          call(slow, 'Subscribe', subscribeRequest).end(),
          call(slow, 'AppendSession', sessionRequest),
        ]).flat();
        const refusals: string[] = [];
        for (const stream of calls) {
          const note = (headers: Record<string, unknown>): void => {
            if (headers['grpc-status'] === String(resourceExhausted))
              refusals.push(String(headers['grpc-message']));
          };
          stream.on('response', note).on('trailers', note);
        }
        await until(() => refusals.length === 18);
        expect(new Set(refusals.map(decodeURIComponent))).toEqual(
          new Set(
            ['reads', 'subscriptions', 'sessions'].map(
              (what) =>
                `4 ${what} of this connection are under way, as many as connection_${what}_max allows`,
            ),
          ),
        );
        expect(await wire.stream('ReadStream', { stream: 'slots.1', max_count: '1' })).not.toHaveLength(0);
        const subscription = wire.open('Subscribe', { stream: 'slots.1' });
        await new Promise((resolve, reject) => subscription.once('data', resolve).once('error', reject));
        subscription.on('error', () => undefined).cancel();
        const session = wire.duplex('AppendSession');
        session.write({ appends: [{ tag: '1', append: { stream: 'slots.2', events: [{ type: 'a' }] } }] });
        session.end();
        expect(await session.toArray()).toHaveLength(1);
      } finally {
        slow.destroy();
      }
    }));

  test('when its lookups have no answer yet', () =>
    withGateway([`--lookups-max=${wholeOf(8)}`], async (wire, nats, address) => {
      using another = connectWire(address);
      await wire.unary('Append', { stream: 'slots.3', events: [{ type: 'a' }] });
      nats.pause();
      const ask = (client = wire): Promise<WireMessage> => client.unary('GetVersion', { stream: 'slots.3' });
      const many = Array.from({ length: 5 }, () => ask());
      const failure = await Promise.any(many.map(wireFailureOf));
      expect(failure).toMatchObject({
        code: resourceExhausted,
        message: '4 lookups of this connection are under way, as many as connection_lookups_max allows',
      });
      const others = Array.from({ length: 4 }, () => ask(another));
      const one = wireFailureOf(ask(another));
      expect((await one).code).toBe(resourceExhausted);
      nats.resume();
      for (const answer of await Promise.all(others)) expect(answer).toMatchObject({ version: '1' });
      expect(await ask()).toMatchObject({ version: '1' });
    }));
});

/** A read whose caller takes a few messages every second and a half, and gets one after the other. */
async function withSlowRead(
  readBytesPerSecondMin: number,
  check: (read: ClientHttp2Stream, takenBytes: () => number) => Promise<void>,
): Promise<void> {
  await using nats = await startNats();
  const limits = { pageBytesMax: 100, readBytesPerSecondMin };
  await using gateway = await startTestGateway([nats.url], ['--read-stall-timeout-ms=3000'], limits);
  using wire = connectWire(gateway.address);
  await wire.unary('Append', { stream: 'slow.1', events });
  const session = connectSlowly(gateway.address, 1_000);
  try {
    const request = ReadStreamRequest.fromPartial({ stream: 'slow.1', page: { eventsMax: 1 } });
    const read = call(session, 'ReadStream', ReadStreamRequest.encode(request).finish());
    read.end();
    let bytes = 0;
    let untilPauseBytes = 1_000;
    read.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      untilPauseBytes -= chunk.length;
      if (untilPauseBytes > 0) return;
      untilPauseBytes = 1_000;
      read.pause();
      setTimeout(() => read.resume(), 1_500).unref();
    });
    await check(read, () => bytes);
    expect(await wire.stream('ReadStream', { stream: 'slow.1', max_count: '1' })).not.toHaveLength(0);
  } finally {
    session.destroy();
  }
}

test('a caller that takes nothing of a short response is cut off, and frees its slot', () =>
  withGateway(['--reads-max=2', '--read-stall-timeout-ms=1000'], async (wire, _nats, address) => {
    await wire.unary('Append', { stream: 'short.1', events: [{ type: 'a', text: 'x'.repeat(500) }] });
    const slow = connectSlowly(address);
    const request = ReadStreamRequest.encode(ReadStreamRequest.fromPartial({ stream: 'short.1' })).finish();
    try {
      const read = call(slow, 'ReadStream', request).end();
      const refused = call(slow, 'ReadStream', request).end();
      let status: unknown;
      refused.on('response', (headers) => (status = headers['grpc-status']));
      await until(() => refused.closed);
      expect(status).toBe(String(resourceExhausted));
      await until(() => read.closed);
      expect(read.rstCode).toBe(constants.NGHTTP2_CANCEL);
      const next = call(slow, 'ReadStream', request).end();
      let answer: IncomingHttpHeaders | undefined;
      next.on('response', (headers) => (answer = headers));
      await until(() => answer !== undefined);
      expect(answer?.['grpc-status']).toBeUndefined();
    } finally {
      slow.destroy();
    }
  }));

test('a caller that takes messages now and then, but too few bytes, is ended', () =>
  withSlowRead(2_000, async (read, takenBytes) => {
    let status: unknown;
    read.on('trailers', (trailers: IncomingHttpHeaders) => (status = trailers['grpc-status']));
    await until(() => read.closed, 30_000);
    // It learns of it if it takes what was sent before.
    expect([status, read.rstCode]).toEqual(
      status === undefined ? [undefined, constants.NGHTTP2_CANCEL] : ['1', constants.NGHTTP2_NO_ERROR],
    );
    expect(takenBytes()).toBeGreaterThan(1_000);
  }));

test('a caller that takes few bytes, but enough, keeps its slot', () =>
  withSlowRead(50, async (read, takenBytes) => {
    await until(() => takenBytes() > 10_000, 40_000);
    expect(read.closed).toBe(false);
  }));
