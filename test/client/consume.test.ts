import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { Status } from '../../generated/google/rpc/status';
import {
  CancelledError,
  connect,
  GroupError,
  InternalError,
  ParkEvent,
  RetryEvent,
  SkipEvent,
  UnauthenticatedError,
  type ConnectOptions,
  type ConsumeOptions,
  type EventHandler,
  type SluiceClient,
} from '../../src/client/client';
import { until } from '../support/nats-server';
import { startTcpRelay } from '../support/tcp-relay';
import { startGroupServer, unavailable, type ConsumeCall, type GroupServer } from './group-server';
import { failureWith } from './guarded-server';
import { failureOf } from './outcomes';

/** What `consume` says, and when, to a server that does everything at the worst moment. */

interface Scene {
  readonly server: GroupServer;
  readonly client: SluiceClient;
  /** The events that handlers have begun with, as stream/version. */
  readonly seen: string[];
  /** Begins to consume; a test awaits what it returns. */
  readonly consume: (handler?: EventHandler, options?: ConsumeOptions) => Promise<void>;
  /** Stops without a delay. */
  readonly stop: AbortController;
}

async function withServer(
  test: (scene: Scene) => Promise<void>,
  { ackTimeoutMs, ...options }: ConnectOptions & { readonly ackTimeoutMs?: number } = {},
): Promise<void> {
  await using server = await startGroupServer(ackTimeoutMs);
  using client = connect(server.address, options);
  const seen: string[] = [];
  const stop = new AbortController();
  let joined = 0;
  await test({
    server: {
      ...server,
      async member(index) {
        const call = await server.member(index);
        // A client that stops before it knows that it has joined says no `leave`.
        await until(() => joined > index);
        return call;
      },
    },
    client,
    seen,
    stop,
    consume: (handler = () => undefined, consumeOptions = {}) => {
      const done = client.consume(
        'emails',
        async (event, context) => {
          seen.push(`${event.stream}/${event.version.toString()}`);
          await handler(event, context);
        },
        {
          stop: stop.signal,
          ...consumeOptions,
          onJoined(group) {
            joined++;
            consumeOptions.onJoined?.(group);
          },
        },
      );
      done.catch(() => undefined); // of a test that has failed already
      return done;
    },
  });
}

/** Waits for `leave`, and ends the call as a gateway does. A client that has not heard yet that it has joined ends it at once. */
async function letGo(call: ConsumeCall): Promise<void> {
  await until(() => call.isCancelled || call.said.some(({ $case }) => $case === 'leave'));
  call.end();
}

/** A promise with its resolve function. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

test('it joins, handles what comes, acknowledges it and leaves when it is to stop', () =>
  withServer(async ({ server, seen, consume, stop }) => {
    const lanes: (readonly number[])[] = [];
    let joined = '';
    const done = consume(undefined, {
      member: 'm1',
      concurrency: 3,
      onJoined: ({ member, storeId, settings }) => (joined = `${member} ${storeId} ${settings.lanes}`),
      onLanes: (now) => lanes.push(now),
    });
    const call = await server.member(0);
    expect(call.join).toMatchObject({ group: 'emails', member: 'm1', maxInFlight: 6 });
    expect(call.join.heartbeatInterval).toEqual({ seconds: 5n, nanos: 0 });
    call.send({ notice: { $case: 'assigned', value: { lanes: [0, 2] } } });
    call.deliver(1n, 'order.1', [1n, 2n]);
    call.deliver(2n, 'order.2', [1n]);
    await until(() => call.acked.length === 2);
    expect(seen.toSorted()).toEqual(['order.1/1', 'order.1/2', 'order.2/1']);
    expect({ joined, lanes }).toEqual({ joined: 'm1 store 4', lanes: [[0, 2]] });
    stop.abort();
    await letGo(call);
    await done;
    expect(call.said.map(({ $case }) => $case)).toEqual(['leave']);
  }));

test('the events of a stream are handled one after the other, and no more than `concurrency` at a time', () =>
  withServer(async ({ server, consume, stop, seen }) => {
    let running = 0;
    let most = 0;
    const streams = new Set<string>();
    const done = consume(
      async ({ stream }) => {
        expect(streams.has(stream)).toBe(false);
        streams.add(stream);
        most = Math.max(most, ++running);
        await sleep(2);
        running--;
        streams.delete(stream);
      },
      { concurrency: 3 },
    );
    const call = await server.member(0);
    for (let id = 1n; id <= 60n; id++) call.deliver(id, `s.${(id % 10n).toString()}`, [id]);
    await until(() => call.acked.length === 60);
    expect(most).toBe(3);
    for (let stream = 0; stream < 10; stream++) {
      const own = seen.flatMap((one) => (one.startsWith(`s.${stream}/`) ? [Number(one.split('/')[1])] : []));
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
    stop.abort();
    await letGo(call);
    await done;
  }));

test.each([
  [
    'any error',
    new Error('mail is down'),
    { $case: 'retry', value: { delay: undefined, reason: 'mail is down' } },
  ],
  ['what is no error', 'so', { $case: 'retry', value: { reason: 'so' } }],
  [
    'RetryEvent',
    new RetryEvent('busy', 1_500),
    { $case: 'retry', value: { delay: { seconds: 1n, nanos: 5e8 }, reason: 'busy' } },
  ],
  ['ParkEvent', new ParkEvent('no address'), { $case: 'park', value: { reason: 'no address' } }],
  ['half of a surrogate pair', new ParkEvent('\ud800'), { $case: 'park', value: { reason: '\ufffd' } }],
  ['SkipEvent', new SkipEvent(), { $case: 'skip', value: {} }],
])('%s thrown by a handler settles the event, and the one before is done', (_name, thrown, expected) =>
  withServer(async ({ server, consume, stop }) => {
    const failed: unknown[] = [];
    const done = consume(
      ({ version }) => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- as JavaScript can
        if (version === 2n) throw thrown;
      },
      { onFailed: (error, event) => failed.push(error, event.version) },
    );
    const call = await server.member(0);
    call.deliver(7n, 's', [1n, 2n, 3n]);
    await until(() => call.said.length === 1);
    expect(call.said[0]).toMatchObject({
      ...expected,
      value: { delivery: 7n, handled: 1, ...expected.value },
    });
    expect(failed).toEqual([thrown, 2n]);
    expect(call.acked).toEqual([]);
    stop.abort();
    await letGo(call);
    await done;
  }),
);

test('a handler learns how often its event was tried', () =>
  withServer(async ({ server, consume, stop }) => {
    const contexts: unknown[] = [];
    const done = consume((_event, { attempt, redelivered, replayed }) => {
      contexts.push([attempt, redelivered, replayed]);
    });
    const call = await server.member(0);
    call.deliver(1n, 's', [1n, 2n], { attempt: 3, redelivered: true });
    call.deliver(2n, 't', [1n], { attempt: 1, replayed: true });
    await until(() => call.acked.length === 2);
    expect(contexts).toEqual([
      [3, true, false],
      [1, true, false],
      [1, false, true],
    ]);
    stop.abort();
    await letGo(call);
    await done;
  }));

describe('it joins again', () => {
  test.each<[string, object]>([
    ['UNAVAILABLE', unavailable],
    ['INTERNAL of a proxy', { code: status.INTERNAL, details: 'stream timeout' }],
    ['an overload', failureWith(status.RESOURCE_EXHAUSTED, 'OVERLOADED', {}, 10)],
    ['CANCELLED', failureWith(status.CANCELLED, 'CANCELLED', {})],
  ])('after %s, and events that come again are handled', (_name, failure) =>
    withServer(async ({ server, seen, consume, stop }) => {
      const errors: Error[] = [];
      const done = consume(undefined, { onReconnect: (error) => errors.push(error) });
      const first = await server.member(0);
      first.send({ notice: { $case: 'draining', value: {} } });
      first.deliver(1n, 's', [1n]);
      await until(() => first.acked.length === 1);
      first.end(failure);
      const second = await server.member(1);
      second.deliver(1n, 's', [1n], { redelivered: true });
      await until(() => second.acked.length === 1);
      expect(seen).toEqual(['s/1', 's/1']);
      expect(errors.length).toBe(1);
      stop.abort();
      await letGo(second);
      await done;
    }),
  );

  test('after OK, which no gateway sends to a member that has not left', () =>
    withServer(async ({ server, consume, stop }) => {
      const errors: Error[] = [];
      const done = consume(undefined, { onReconnect: (error) => errors.push(error) });
      (await server.member(0)).end();
      const second = await server.member(1);
      expect(errors[0]).toBeInstanceOf(InternalError);
      stop.abort();
      await letGo(second);
      await done;
    }));

  test('under its id, also while the gateway still has the call before', () =>
    withServer(async ({ server, consume, stop }) => {
      const done = consume(undefined, { member: 'm1' });
      const exists = failureWith(status.ALREADY_EXISTS, 'MEMBER_EXISTS', {});
      const first = await server.member(0);
      server.refusals.push(exists, exists);
      first.end(unavailable);
      const again = await server.member(1);
      expect(again.join.member).toBe('m1');
      expect(server.calls.length).toBe(4);
      stop.abort();
      await letGo(again);
      await done;
    }));

  test('an event of a stream waits for the handler of an earlier call', () =>
    withServer(async ({ server, seen, consume, stop }) => {
      const { opened, open } = gate();
      let aborted = 0;
      const done = consume(
        async ({ version }, { signal }) => {
          if (version > 1n) return;
          await opened;
          aborted += Number(signal.aborted);
        },
        { concurrency: 4 },
      );
      const first = await server.member(0);
      first.deliver(1n, 's', [1n]);
      await until(() => seen.length === 1);
      first.end(unavailable);
      const second = await server.member(1);
      second.deliver(1n, 's', [2n]);
      second.deliver(2n, 'other', [5n]);
      await until(() => second.acked.length === 1);
      expect(seen).toEqual(['s/1', 'other/5']);
      open();
      await until(() => second.acked.length === 2);
      expect(seen).toEqual(['s/1', 'other/5', 's/2']);
      expect(aborted).toBe(1);
      expect(first.acked).toEqual([]);
      stop.abort();
      await letGo(second);
      await done;
    }));
});

test.each([
  ['GROUP_NOT_FOUND', status.NOT_FOUND],
  ['GROUP_AHEAD_OF_STORE', status.FAILED_PRECONDITION],
  ['MEMBER_EXISTS', status.ALREADY_EXISTS],
  ['MEMBER_STALLED', status.DEADLINE_EXCEEDED],
])('%s ends it with a typed error', (code, number) =>
  withServer(async ({ server, consume }) => {
    server.refusals.push(failureWith(number, code, {}));
    const error = await failureOf(consume());
    expect(error).toBeInstanceOf(GroupError);
    expect(error).toMatchObject({ code, status: number });
    expect(server.calls.length).toBe(1);
  }),
);

test('a token that expires is followed by the next one', async () => {
  let asked = 0;
  await withServer(
    async ({ server, consume, stop }) => {
      const done = consume();
      const first = await server.member(0);
      first.end(failureWith(status.UNAUTHENTICATED, 'UNAUTHENTICATED', { cause: 'expired' }));
      const second = await server.member(1);
      expect([first.token, second.token]).toEqual(['Bearer token-1', 'Bearer token-2']);
      stop.abort();
      await letGo(second);
      await done;
      server.refusals.push(
        ...Array<object>(2).fill(failureWith(status.UNAUTHENTICATED, 'UNAUTHENTICATED', {})),
      );
      expect(await failureOf(consume(undefined, { stop: undefined }))).toBeInstanceOf(UnauthenticatedError);
    },
    { token: () => `token-${++asked}` },
  );
});

describe('lanes', () => {
  test('that are revoked with a time are finished first; after it, their handlers are to stop', () =>
    withServer(async ({ server, seen, consume, stop }) => {
      const { opened, open } = gate();
      let reason: unknown;
      const done = consume(async ({ version }, { signal }) => {
        if (version === 2n || version === 3n) return;
        await Promise.race([
          version === 1n ? opened : new Promise(() => undefined),
          new Promise((resolve) => {
            signal.addEventListener('abort', resolve);
          }),
        ]);
        reason = signal.reason;
      });
      const call = await server.member(0);
      call.deliver(1n, 'a', [1n]);
      call.deliver(2n, 'b', [2n], { lane: 1 });
      call.deliver(3n, 'c', [3n], { lane: 2 });
      await until(() => seen.length === 1);
      const timeout = { seconds: 60n, nanos: 0 };
      call.send({ notice: { $case: 'revoked', value: { lanes: [2], timeout } } });
      await sleep(50);
      open();
      await until(() => call.acked.length === 3);
      expect(seen).toEqual(['a/1', 'c/3', 'b/2']);
      expect(reason).toBeUndefined();
      call.deliver(4n, 'd', [4n], { lane: 3 });
      await until(() => seen.length === 4);
      const short = { seconds: 0n, nanos: 5e7 };
      call.send({ notice: { $case: 'revoked', value: { lanes: [3], timeout: short } } });
      await until(() => reason !== undefined);
      expect(reason).toMatchObject({ message: 'another member gets the lane' });
      stop.abort();
      await letGo(call);
      await done;
    }));

  test('that are lost: what waits is dropped, and what runs is not settled', () =>
    withServer(async ({ server, seen, consume, stop }) => {
      const done = consume(async (_event, { signal }) => {
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
        });
        throw new Error('interrupted');
      });
      const call = await server.member(0);
      call.send({ notice: { $case: 'assigned', value: { lanes: [0, 1] } } });
      call.deliver(1n, 'a', [1n, 2n]);
      call.deliver(2n, 'b', [1n]);
      await until(() => seen.length === 1);
      call.send({ notice: { $case: 'revoked', value: { lanes: [0], timeout: undefined } } });
      await sleep(100);
      expect({ seen, said: call.said, acked: call.acked }).toEqual({ seen: ['a/1'], said: [], acked: [] });
      stop.abort();
      await letGo(call);
      await done;
    }));
});

describe('the time that a handler may take', () => {
  test('is begun again for those that wait, for each event of a delivery, and when the handler asks', () =>
    withServer(
      async ({ server, consume, stop }) => {
        const done = consume(async (_event, { signal, extend }) => {
          await sleep(150);
          extend();
          await sleep(150);
          signal.throwIfAborted();
        });
        const call = await server.member(0);
        call.deliver(1n, 'a', [1n, 2n]);
        call.deliver(2n, 'b', [1n]);
        await until(() => call.acked.length === 2, 10_000);
        const extended = call.said.flatMap((said) => (said.$case === 'extend' ? said.value.deliveries : []));
        expect(call.said.filter(({ $case }) => $case !== 'extend')).toEqual([]);
        expect(extended.filter((id) => id === 1n).length).toBeGreaterThanOrEqual(3);
        expect(extended.filter((id) => id === 2n).length).toBeGreaterThanOrEqual(3);
        stop.abort();
        await letGo(call);
        await done;
      },
      { ackTimeoutMs: 250 },
    ));

  test('when it is over, the handler learns it, and the gateway decides whether the rest counts', () =>
    withServer(
      async ({ server, seen, consume, stop }) => {
        const refused: unknown[] = [];
        const done = consume(
          (_event, { signal }) =>
            new Promise((resolve) => {
              signal.addEventListener('abort', () => {
                resolve();
              });
            }),
          { onRefused: (error) => refused.push(error.code) },
        );
        const call = await server.member(0);
        call.deliver(1n, 'a', [1n]);
        await until(() => call.acked.length === 1);
        const { metadata } = failureWith(status.FAILED_PRECONDITION, 'DELIVERY_NOT_HELD', {});
        const [encoded] = metadata?.get('grpc-status-details-bin') ?? [];
        const error = { ...Status.decode(encoded as Buffer), code: status.FAILED_PRECONDITION };
        call.send({ notice: { $case: 'refused', value: { delivery: 1n, error } } });
        await until(() => refused.length === 1);
        expect(refused).toEqual(['DELIVERY_NOT_HELD']);
        expect(seen).toEqual(['a/1']);
        stop.abort();
        await letGo(call);
        await done;
      },
      { ackTimeoutMs: 100 },
    ));
});

describe('how it ends', () => {
  test('a stop waits for the handlers that run and for those that are in flight', () =>
    withServer(async ({ server, seen, consume, stop }) => {
      const { opened, open } = gate();
      let isDone = false;
      const done = consume(() => opened);
      void done.finally(() => (isDone = true)).catch(() => undefined);
      const call = await server.member(0);
      call.deliver(1n, 'a', [1n]);
      call.deliver(2n, 'b', [1n]);
      await until(() => seen.length === 1);
      stop.abort();
      await until(() => call.said.length === 1);
      open();
      await until(() => call.acked.length === 2);
      expect(isDone).toBe(false);
      await letGo(call);
      await done;
      expect(seen).toEqual(['a/1', 'b/1']);
    }));

  test('a stop while no gateway is there resolves at once, and so does one before the start', async () => {
    using client = connect('127.0.0.1:1');
    const stop = new AbortController();
    const failed: Error[] = [];
    const done = client.consume('g', () => undefined, {
      stop: stop.signal,
      onReconnect: (error) => failed.push(error),
    });
    await until(() => failed.length > 1);
    stop.abort();
    await done;
    await client.consume('g', () => undefined, { stop: stop.signal });
  });

  test('a signal ends the call at once, with its reason', () =>
    withServer(async ({ server, seen, consume }) => {
      const controller = new AbortController();
      let handlerSignal: AbortSignal | undefined;
      const done = failureOf(
        consume(
          (_event, { signal }) => {
            handlerSignal = signal;
            return new Promise<void>(() => undefined);
          },
          { signal: controller.signal },
        ),
      );
      const call = await server.member(0);
      call.deliver(1n, 'a', [1n]);
      await until(() => seen.length === 1);
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await done).toBe(reason);
      expect(handlerSignal?.aborted).toBe(true);
      await until(() => call.isCancelled);
    }));

  test('closing the client ends it with CancelledError', () =>
    withServer(async ({ server, client, consume }) => {
      const done = failureOf(consume());
      await server.member(0);
      client.close();
      expect(await done).toBeInstanceOf(CancelledError);
    }));

  test('what a callback throws ends it', () =>
    withServer(async ({ server, consume }) => {
      const wrong = new Error('of the callback');
      const done = failureOf(
        consume(undefined, {
          onLanes() {
            throw wrong;
          },
        }),
      );
      const call = await server.member(0);
      call.send({ notice: { $case: 'assigned', value: { lanes: [0] } } });
      expect(await done).toBe(wrong);
      await until(() => call.isCancelled);
    }));
});

test('a connection that goes silent is given up, and another one is made', async () => {
  await using server = await startGroupServer();
  await using relay = await startTcpRelay(Number(server.address.split(':')[1]));
  using client = connect(relay.address);
  const stop = new AbortController();
  const errors: Error[] = [];
  const done = client.consume('g', () => undefined, {
    heartbeatMs: 1_000,
    stop: stop.signal,
    onReconnect: (error) => errors.push(error),
  });
  done.catch(() => undefined); // if the test fails
  const first = await server.member(0);
  const beat = setInterval(() => {
    first.send({ notice: { $case: 'heartbeat', value: { headPosition: 1n } } });
  }, 100);
  await sleep(4_500);
  expect(errors).toEqual([]);
  relay.silence();
  await until(() => errors.length > 0, 20_000);
  expect(errors[0]).toMatchObject({
    code: 'UNAVAILABLE',
    message: 'nothing has come from the gateway for 3000 ms',
  });
  clearInterval(beat);
  const second = await server.member(1);
  stop.abort();
  await letGo(second);
  await done;
}, 60_000);

test.each<[string, ConsumeOptions]>([
  ['concurrency', { concurrency: 0 }],
  ['concurrency', { concurrency: 1.5 }],
  ['maxInFlight', { maxInFlight: -1 }],
  ['maxInFlight', { maxInFlight: 2 ** 40 }],
  ['heartbeatMs', { heartbeatMs: NaN }],
])('%s that cannot be sent is refused at once', (name, options) => {
  using client = connect('127.0.0.1:1');
  expect(() => client.consume('g', () => undefined, options)).toThrow(name);
});
