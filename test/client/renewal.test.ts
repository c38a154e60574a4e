import { setTimeout as sleep } from 'node:timers/promises';
import { AccessDeniedError, connect, UnauthenticatedError } from '../../src/client/client';
import { startGuarded, type PrincipalEntry, type Principals } from '../support/access';
import { until } from '../support/nats-server';
import { all, failureOf } from './outcomes';

/** Tokens that expire while a client uses them, against a gateway. */

interface Guarded {
  readonly address: string;
  /** Never expires, and may do everything. */
  readonly admin: string;
  /** A token function for `order.>`: another token each time. */
  readonly token: () => Promise<string>;
  /** How often it was called. */
  readonly asked: () => number;
  /** Lets all tokens expire that the function has returned, after this time; resolves when the gateway knows it. */
  readonly expire: (afterMs?: number) => Promise<void>;
}

const actions = ['append', 'read', 'subscribe'];
const orders: PrincipalEntry = { grants: [{ actions, streams: ['order.>'] }] };
const everything: PrincipalEntry = { grants: [{ actions, streams: ['>'] }, { actions: ['info', 'admin'] }] };
const names = ['first', 'second', 'third', 'fourth', 'fifth'];

async function withGuarded(test: (guarded: Guarded) => Promise<void>): Promise<void> {
  const withExpiry = (count: number, expires?: string): Principals =>
    Object.fromEntries(
      names.map((name, i) => [name, i < count && expires !== undefined ? { ...orders, expires } : orders]),
    );
  await using guarded = await startGuarded({ admin: everything, ...withExpiry(0), 'round-0': orders });
  let asked = 0;
  let rounds = 0;
  await test({
    address: guarded.gateway.address,
    admin: guarded.file.tokenOf('admin'),
    token: () => Promise.resolve(guarded.file.tokenOf(names[asked++] ?? 'none')),
    asked: () => asked,
    async expire(afterMs = 0) {
      const expires = new Date(Date.now() + afterMs).toISOString();
      const round = `round-${(++rounds).toString()}`;
      guarded.file.write({ admin: everything, ...withExpiry(asked, expires), [round]: orders });
      const probe = guarded.as(round);
      await until(async () => {
        const accepted = await probe.getVersion({ stream: 'order.1' }).catch(() => undefined);
        return accepted !== undefined;
      });
    },
  });
}

test('a token that has expired is renewed once, for all calls', () =>
  withGuarded(async ({ address, token, asked, expire }) => {
    using client = connect(address, { token });
    await client.append('order.1', [{ type: 'Placed' }]);
    expect(asked()).toBe(1);
    const lifeMs = 2_000;
    await expire(lifeMs);
    await sleep(lifeMs);
    const calls = Array.from({ length: 10 }, (_, i) => [
      client.append(`order.many.${i.toString()}`, [{ type: 'Placed' }], { expectedVersion: 0 }),
      client.getVersion('order.1'),
      all(client.readStream('order.1')),
    ]);
    await Promise.all(calls.flat());
    expect(asked()).toBe(2);
  }));

test('a subscription goes on over tokens that expire, without gap or repeat', () =>
  withGuarded(async ({ address, admin, token, asked, expire }) => {
    using writer = connect(address, { token: admin });
    using client = connect(address, { token });
    let written = 0;
    let isOver = false;
    const write = async (): Promise<void> => {
      while (!isOver) {
        const data = (++written).toString();
        await writer.append(`order.${(written % 7).toString()}`, [{ type: 'Placed', data }]);
        await sleep(5);
      }
    };
    const writing = write();
    const expiring = (async () => {
      for (let round = 1; round <= 3; round++) {
        await until(() => Promise.resolve(asked() === round));
        await expire();
      }
      await until(() => Promise.resolve(asked() === 4));
      isOver = true;
      await writing;
      await writer.append('order.0', [{ type: 'Last', data: (++written).toString() }]);
    })();
    const got: string[] = [];
    for await (const { type, data } of client.subscribe({ patterns: ['order.*'] })) {
      got.push(String(data));
      if (type === 'Last') break;
    }
    await expiring;
    expect(got).toEqual(Array.from({ length: written }, (_, i) => (i + 1).toString()));
    expect(asked()).toBe(4);
  }));

test('a session ends when its token expires; what has no result was not stored', () =>
  withGuarded(async ({ address, token, asked, expire }) => {
    using client = connect(address, { token });
    const session = client.appendSession();
    const stored: string[] = [];
    const lost: string[] = [];
    const results: Promise<unknown>[] = [];
    let expiring: Promise<void> | undefined;
    try {
      for (let i = 1; ; i++) {
        await session.ready();
        if (i === 200) expiring = expire();
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
    await expiring;
    await Promise.all(results);
    const found = (await all(client.listStreams({ pattern: 'order.session.*' }))).map(({ stream }) => stream);
    expect(found.sort()).toEqual(stored.sort());
    expect(stored.length).toBeGreaterThan(100);
    await using next = client.appendSession();
    await Promise.all(
      lost.map((stream) => next.append(stream, [{ type: 'Placed' }], { expectedVersion: 0 })),
    );
    expect(asked()).toBe(2);
  }));

test('a session that begins with an expired token has a new one', () =>
  withGuarded(async ({ address, token, asked, expire }) => {
    using client = connect(address, { token });
    await client.append('order.1', [{ type: 'Placed' }]);
    await expire();
    await using session = client.appendSession();
    await Promise.all(Array.from({ length: 50 }, () => session.append('order.1', [{ type: 'Placed' }])));
    expect(await client.getVersion('order.1')).toMatchObject({ version: 51n });
    expect(asked()).toBe(2);
  }));

test('what is not granted, and what may be seen of it', () =>
  withGuarded(async ({ address, admin, token }) => {
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
