import { status } from '@grpc/grpc-js';
import { connect as connectNats } from 'nats';
import {
  connect,
  InvalidRequestError,
  OverloadedError,
  StoreFullError,
  StoreRefusedError,
  UnavailableError,
} from '../../src/client/client';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { patience } from '../support/patience';
import { failureOf, type RpcFailure } from '../support/rpc-failure';

/** An error with which NATS answers an append leaves no doubt: nothing was stored, and the error says what to do. */

interface Setting {
  readonly nats: TestNats;
  readonly gateway: TestGateway;
  /** Changes the log, as an operator does. */
  edit(change: Readonly<Record<string, unknown>>): Promise<void>;
}

async function withStore(
  options: Parameters<typeof startNats>[0],
  flags: readonly string[],
  test: (setting: Setting) => Promise<void>,
): Promise<void> {
  await using nats = await startNats(options);
  await using gateway = await startTestGateway([nats.url], flags);
  const edit: Setting['edit'] = async (change) => {
    const connection = await connectNats({ servers: nats.url });
    try {
      const { streams } = await connection.jetstreamManager();
      const { config } = await streams.info('EVENTS');
      await streams.update('EVENTS', { ...config, ...change });
    } finally {
      await connection.close();
    }
  };
  await test({ nats, gateway, edit });
}

/** The append fails in this way, at once and with both clients, and the stream has not changed. */
async function refused(
  { gateway }: Setting,
  events: ReturnType<typeof newEvents>,
  expected: {
    readonly code: status;
    readonly reason: string;
    readonly error: new (...args: never[]) => Error;
  },
): Promise<RpcFailure> {
  const stream = 'refused.1';
  const before = await gateway.client.getVersion({ stream });
  const startedMs = performance.now();
  const failure = await failureOf(gateway.client.append({ stream, events }));
  expect({ code: failure.code, reason: failure.reason }).toEqual({
    code: expected.code,
    reason: expected.reason,
  });
  // No RetryInfo if a retry does not help, so clients do not retry; the deadline is 10 s.
  expect(performance.now() - startedMs).toBeLessThan(9_000 * patience);
  using client = connect(gateway.address);
  const plain = events.map(({ payload: { value } }) => ({ type: 'T', data: value }));
  await expect(client.append(stream, plain)).rejects.toBeInstanceOf(expected.error);
  expect(await gateway.client.getVersion({ stream })).toEqual(before);
  return failure;
}

const storeRefused = {
  code: status.FAILED_PRECONDITION,
  reason: 'STORE_REFUSED',
  error: StoreRefusedError,
} as const;
const storeFull = { code: status.RESOURCE_EXHAUSTED, reason: 'STORE_FULL', error: StoreFullError } as const;
const invalid = {
  code: status.INVALID_ARGUMENT,
  reason: 'INVALID_REQUEST',
  error: InvalidRequestError,
} as const;

test('a log that somebody has sealed', () =>
  withStore({}, [], async (setting) => {
    await setting.gateway.client.append({ stream: 'refused.1', events: newEvents(2) });
    await setting.edit({ sealed: true });
    const failure = await refused(setting, newEvents(1), storeRefused);
    expect(failure.message).toContain('10109');
    expect(failure.detail('google.rpc.RetryInfo')).toBeUndefined();
    expect((await setting.gateway.client.readStream({ stream: 'refused.1' })).events).toHaveLength(2);
  }));

test('a log that no longer accepts atomic batches: appends that need one are refused, others are stored', () =>
  withStore({}, [], async (setting) => {
    await setting.edit({ allow_atomic: false });
    const failure = await refused(setting, newEvents(4, 400_000), storeRefused);
    expect(failure.message).toContain('10174');
    const { client } = setting.gateway;
    expect((await client.append({ stream: 'refused.1', events: newEvents(1) })).version).toBe(1n);
    await setting.edit({ allow_atomic: true });
    expect((await client.append({ stream: 'refused.1', events: newEvents(4, 400_000) })).version).toBe(5n);
  }));

test(
  'a log with a lowered max_msg_size: an append that fits into several messages is stored, another one is refused with the limit',
  () =>
    withStore({}, [], async (setting) => {
      const { client } = setting.gateway;
      const bytes = 20_000;
      const eventBytesMax = async (): Promise<bigint> =>
        (await client.serverInfo()).limits?.eventBytesMax ?? 0n;
      const unbounded = await eventBytesMax();
      await setting.edit({ max_msg_size: bytes });
      // At once, through the gateway that does not know it.
      const one = await client.append({ stream: 'refused.1', events: newEvents(4, 9_000) });
      expect(one.version).toBe(4n);
      await until(async () => (await eventBytesMax()) < bytes);
      await setting.edit({ max_msg_size: bytes / 2 });
      const failure = await refused(setting, newEvents(1, bytes / 2), invalid);
      await until(async () => (await eventBytesMax()) < bytes / 2);
      const limit = await eventBytesMax();
      expect(failure.message).toMatch(
        new RegExp(`events\\[0\\]: has 1\\d{4} bytes.*\\b${limit.toString()}\\b`),
      );
      await setting.edit({ max_msg_size: bytes / 4 });
      const multi = (sizes: readonly number[]): Promise<unknown> =>
        client.appendMulti({
          appends: sizes.map((size, i) => ({ stream: `multi.${i.toString()}`, events: newEvents(3, size) })),
        });
      await multi([100, 2_480]);
      await setting.edit({ max_msg_size: 2_500 });
      // The large message is not the first one, and the server only reports a gap in the batch.
      const broken = await failureOf(multi([100, 2_480]));
      expect(broken.message).toMatch(/appends\[1\]\.events\[0\]: has 2\d{3} bytes/);
      await setting.edit({ max_msg_size: -1 });
      await until(async () => (await eventBytesMax()) === unbounded);
      expect((await client.append({ stream: 'refused.1', events: newEvents(1, bytes) })).version).toBe(5n);
    }),
  30_000,
);

test(
  'a log that has disappeared is named, by appends and reads',
  () =>
    withStore({}, [], async (setting) => {
      const { client } = setting.gateway;
      await client.append({ stream: 'gone.1', events: newEvents(1) });
      const connection = await connectNats({ servers: setting.nats.url });
      await (await connection.jetstreamManager()).streams.delete('EVENTS');
      await connection.close();
      const calls = [
        client.append({ stream: 'gone.1', events: newEvents(1) }),
        client.appendMulti({ appends: [{ stream: 'gone.2', events: newEvents(1) }] }),
        client.readStream({ stream: 'gone.1' }),
        client.getVersion({ stream: 'gone.1' }),
        client.readAll(),
        client.serverInfo(),
      ];
      for (const failure of await Promise.all(calls.map((call) => failureOf(call)))) {
        expect(failure).toMatchObject({ code: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE' });
        expect(failure.message).toMatch(/\bEVENTS\b/);
      }
      using typed = connect(setting.gateway.address, { appendAttemptsMax: 1 });
      await expect(typed.append('gone.1', [{ type: 'T' }])).rejects.toBeInstanceOf(UnavailableError);
    }),
  60_000,
);

test(
  'a full log: refused at once, without a retry delay, until there is space',
  () =>
    withStore({}, [], async (setting) => {
      const { client } = setting.gateway;
      const stream = 'refused.1';
      await setting.edit({ max_bytes: 100_000 });
      for (let i = 0; i < 9; i++) await client.append({ stream, events: newEvents(1, 10_000) });
      for (const events of [newEvents(1, 10_000), newEvents(12, 90_000)]) {
        const failure = await refused(setting, events, storeFull);
        expect(failure.detail('google.rpc.RetryInfo')).toBeUndefined();
      }
      expect((await client.readStream({ stream })).events).toHaveLength(9);
      await setting.edit({ max_bytes: 2_000_000 });
      expect((await client.append({ stream, events: newEvents(1, 10_000) })).version).toBe(10n);
    }),
  30_000,
);

test('a full NATS server (max_file_store)', () =>
  withStore({ jetStreamConfig: 'max_file_store: 200000' }, [], async (setting) => {
    const { client } = setting.gateway;
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 100; i++)
        await client.append({ stream: 'refused.2', events: newEvents(1, 10_000) });
    };
    expect(await failureOf(fill())).toMatchObject({ code: storeFull.code, reason: storeFull.reason });
    await refused(setting, newEvents(1), storeFull);
    await refused(setting, newEvents(3, 500_000), storeFull);
  }));

test('a full NATS account', () => {
  const users = 'users: [{ user: "a", password: "hush" }]';
  const extraConfig = `accounts { A { jetstream { max_store: 200000, max_mem: 0 }, ${users} } }`;
  const flags = ['--nats-user=a', '--nats-password=hush'];
  return withStore({ extraConfig }, flags, async (setting) => {
    const { client } = setting.gateway;
    for (let i = 0; i < 15; i++) await client.append({ stream: 'refused.2', events: newEvents(1, 10_000) });
    const failure = await refused(setting, newEvents(1, 60_000), storeFull);
    expect(failure.message).toContain('10002');
  });
});

test(
  'more at the same time than the server allows: retry a little later',
  () =>
    withStore({ jetStreamConfig: 'max_buffered_msgs: 2' }, [], async (setting) => {
      const { client, address } = setting.gateway;
      const outcomes = await Promise.all(
        Array.from({ length: 500 }, (_, i) =>
          client.append({ stream: `many.${i.toString()}`, events: newEvents(1) }).then(
            () => undefined,
            (error: unknown) => error as RpcFailure,
          ),
        ),
      );
      const failures = outcomes.filter((outcome) => outcome !== undefined);
      expect(failures.length).toBeGreaterThan(0);
      expect(failures.map(({ message }) => message).filter((message) => !message.includes('10167'))).toEqual(
        [],
      );
      for (const failure of failures) {
        expect(failure).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'OVERLOADED' });
        expect(failure.detail('google.rpc.RetryInfo')).toBeDefined();
      }
      using typed = connect(address, { appendAttemptsMax: 1 });
      const rejected = await Promise.allSettled(
        Array.from({ length: 500 }, (_, i) => typed.append(`typed.${i.toString()}`, [{ type: 'T' }])),
      );
      const errors = rejected.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      );
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors) expect(error).toBeInstanceOf(OverloadedError);
    }),
  60_000,
);
