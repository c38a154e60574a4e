import { setTimeout as sleep } from 'node:timers/promises';
import { AccessDeniedError, connect, UnauthenticatedError } from '../../src/client/client';
import { startGuarded, type PrincipalEntry } from '../support/access';
import { all, failureOf } from './outcomes';

/** Tokens that expire while a client uses them, against a gateway. */

interface Guarded {
  readonly address: string;
  /** Never expires, and may do everything. */
  readonly admin: string;
  /** A token function for `order.>`. */
  readonly token: () => Promise<string>;
  /** How often it was called. */
  readonly asked: () => number;
}

const actions = ['append', 'read', 'subscribe'];
const orders: PrincipalEntry = { grants: [{ actions, streams: ['order.>'] }] };
const everything: PrincipalEntry = { grants: [{ actions, streams: ['>'] }, { actions: ['info', 'admin'] }] };

/** The tokens of the function live this long from now, and its last one for ever. */
async function withGuarded(
  livesMs: readonly number[],
  test: (guarded: Guarded) => Promise<void>,
): Promise<void> {
  const beganMs = Date.now();
  const mortal = livesMs.map((lifeMs): [string, PrincipalEntry] => [
    `orders-${lifeMs}`,
    { ...orders, expires: new Date(beganMs + lifeMs).toISOString() },
  ]);
  const named = [...mortal, ['orders', orders] as const];
  await using guarded = await startGuarded({ admin: everything, ...Object.fromEntries(named) });
  const tokens = named.map(([name]) => guarded.file.tokenOf(name));
  let asked = 0;
  await test({
    address: guarded.gateway.address,
    admin: guarded.file.tokenOf('admin'),
    token: () => Promise.resolve(tokens[Math.min(asked++, tokens.length - 1)] ?? ''),
    asked: () => asked,
  });
}

test('a token that has expired is renewed once, for all calls', () =>
  withGuarded([3_000], async ({ address, token, asked }) => {
    using client = connect(address, { token });
    await client.append('order.1', [{ type: 'Placed' }]);
    expect(asked()).toBe(1);
    await sleep(3_100);
    const calls = Array.from({ length: 10 }, (_, i) => [
      client.append(`order.many.${i.toString()}`, [{ type: 'Placed' }], { expectedVersion: 0 }),
      client.getVersion('order.1'),
      all(client.readStream('order.1')),
    ]);
    await Promise.all(calls.flat());
    expect(asked()).toBe(2);
  }));

test('a subscription goes on over tokens that expire, without gap or repeat', () =>
  withGuarded([3_000, 4_500, 6_000], async ({ address, admin, token, asked }) => {
    using writer = connect(address, { token: admin });
    using client = connect(address, { token });
    const stopped = new AbortController();
    const write = async (): Promise<number> => {
      for (let i = 1; ; i++) {
        if (asked() > 3) stopped.abort();
        await writer.append(`order.${(i % 7).toString()}`, [{ type: 'Placed', data: i.toString() }]);
        if (stopped.signal.aborted) return i;
        await sleep(5);
      }
    };
    const written = write();
    const got: string[] = [];
    let last: number | undefined;
    void written.then((count) => (last = count));
    for await (const { data } of client.subscribe({ patterns: ['order.*'], heartbeatMs: 1_000 })) {
      got.push(String(data));
      if (got.length === last) break;
    }
    expect(got).toEqual(Array.from({ length: await written }, (_, i) => (i + 1).toString()));
    expect(asked()).toBe(4);
  }));

test('a session ends when its token expires; what has no result was not stored', () =>
  withGuarded([3_000], async ({ address, token, asked }) => {
    using client = connect(address, { token });
    const session = client.appendSession();
    const stored: string[] = [];
    const lost: string[] = [];
    const results: Promise<unknown>[] = [];
    try {
      for (let i = 1; ; i++) {
        await session.ready();
        const stream = `order.session.${i.toString()}`;
        const result = session.append(stream, [{ type: 'Placed' }], { expectedVersion: 0 }).then(
          () => stored.push(stream),
          (error: unknown) => {
            expect(error).toBeInstanceOf(UnauthenticatedError);
            expect(error).toMatchObject({ reason: 'expired' });
            lost.push(stream);
          },
        );
        results.push(result);
        await sleep(1);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(UnauthenticatedError);
    }
    await Promise.all(results);
    const names = (await all(client.listStreams({ pattern: 'order.session.*' }))).map(({ stream }) => stream);
    expect(names.sort()).toEqual(stored.sort());
    expect(stored.length).toBeGreaterThan(100);
    await using next = client.appendSession();
    await Promise.all(
      lost.map((stream) => next.append(stream, [{ type: 'Placed' }], { expectedVersion: 0 })),
    );
    expect(asked()).toBe(2);
  }));

test('a session that begins with an expired token has a new one', () =>
  withGuarded([2_500], async ({ address, token, asked }) => {
    using client = connect(address, { token });
    await client.append('order.1', [{ type: 'Placed' }]);
    await sleep(2_600);
    await using session = client.appendSession();
    await Promise.all(Array.from({ length: 50 }, () => session.append('order.1', [{ type: 'Placed' }])));
    expect(await client.getVersion('order.1')).toMatchObject({ version: 51n });
    expect(asked()).toBe(2);
  }));

test('what is not granted, and what may be seen of it', () =>
  withGuarded([], async ({ address, admin, token }) => {
    using owner = connect(address, { token: admin });
    using client = connect(address, { token });
    const shared = { type: 'Placed', correlationId: 'c-1' };
    await owner.appendMulti([
      { stream: 'order.1', events: [shared] },
      { stream: 'bill.1', events: [shared] },
    ]);
    const denied = await failureOf(client.append('bill.1', [shared]));
    expect(denied).toBeInstanceOf(AccessDeniedError);
    expect(denied).toMatchObject({ action: 'append', subject: 'bill.1' });
    expect(await failureOf(all(client.readAll()))).toMatchObject({ action: 'read', subject: '>' });
    expect(await failureOf(all(client.listStreams({ pattern: '*.1' })))).toMatchObject({ subject: '*.1' });
    const streams = async (events: AsyncIterable<{ stream: string }>): Promise<string[]> =>
      (await all(events)).map(({ stream }) => stream);
    expect(await streams(client.readAll({ permittedOnly: true }))).toEqual(['order.1']);
    expect(await streams(client.listStreams({ permittedOnly: true }))).toEqual(['order.1']);
    for await (const { stream } of client.subscribe({ permittedOnly: true })) {
      expect(stream).toBe('order.1');
      break;
    }
    for (const [reader, limitedToGrants, found] of [
      [client, true, ['order.1']],
      [owner, false, ['order.1', 'bill.1']],
    ] as const) {
      const read = reader.readByCorrelation('c-1', {});
      expect(await streams(read)).toEqual(found);
      expect(read.head).toMatchObject({ limitedToGrants });
    }
    using nobody = connect(address);
    expect(await failureOf(nobody.getVersion('order.1'))).toMatchObject({ reason: 'missing' });
  }));
