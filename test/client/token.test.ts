import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import {
  AccessDeniedError,
  CancelledError,
  connect,
  DeadlineExceededError,
  OutcomeUnknownError,
  QuotaExceededError,
  UnauthenticatedError,
  type ConnectOptions,
} from '../../src/client/client';
import { until } from '../support/nats-server';
import { patience } from '../support/patience';
import { failureWith, startGuardedServer, type GuardedServer } from './guarded-server';
import { all, failureOf } from './outcomes';

/** Tokens of the client, against a server of grpc-js that refuses them when a test wants it. */

const event = { type: 'Happened' };

/** A token function that returns each text once, and the last one for ever; a text that begins with "!" is an error. */
function tokensOf(...texts: readonly string[]): { readonly token: () => Promise<string>; asked: number } {
  const source = {
    asked: 0,
    async token(): Promise<string> {
      const text = texts[Math.min(source.asked++, texts.length - 1)] ?? '';
      await sleep(5);
      if (text.startsWith('!')) throw new Error(text.slice(1));
      return text;
    },
  };
  return source;
}

async function withServer(
  accepted: readonly string[],
  test: (server: GuardedServer) => Promise<void>,
): Promise<void> {
  await using server = await startGuardedServer(accepted);
  await test(server);
}

describe('a token', () => {
  test('goes with every call', () =>
    withServer(['good'], async (server) => {
      using client = connect(server.address, { token: 'good' });
      await client.append('s', [event]);
      await client.getVersion('s');
      await all(client.listStreams());
      await using session = client.appendSession();
      await session.append('s', [event]);
      expect(server.seen).toEqual(Array.from({ length: 4 }, () => 'Bearer good'));
    }));

  test.each(['missing', 'expired', 'invalid'] as const)('that is %s is an error, once', (cause) =>
    withServer([], async (server) => {
      server.cause = cause;
      using client = connect(server.address, { token: 'bad' });
      const error = await failureOf(client.append('s', [event]));
      expect(error).toBeInstanceOf(UnauthenticatedError);
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', status: 16, reason: cause });
      expect(server.seen).toHaveLength(1);
    }),
  );

  test('that a proxy refuses without a reason is invalid', () =>
    withServer(['good'], async (server) => {
      using client = connect(server.address, { token: 'good' });
      server.failures.push({ code: status.UNAUTHENTICATED, details: 'no' });
      expect(await failureOf(client.getVersion('s'))).toMatchObject({ reason: 'invalid', message: 'no' });
    }));

  const secret = 'slu_secret';
  test.each(['', `${secret} `, `${secret}\n`, `${secret}ü`, 7 as unknown as string])(
    'that cannot be sent is an error without it: %j',
    async (token) => {
      expect(() => connect('127.0.0.1:1', { token })).toThrow(TypeError);
      expect(() => connect('127.0.0.1:1', { token })).not.toThrow(secret);
      using client = connect('127.0.0.1:1', { token: () => token });
      const error = (await failureOf(client.getVersion('s'))) as Error;
      expect(error).toBeInstanceOf(UnauthenticatedError);
      expect(`${error.stack ?? ''}${String(error.cause)}`).not.toContain(secret);
    },
  );

  test('cannot be given twice', () => {
    const metadata = { authorization: 'Bearer b' };
    expect(() => connect('127.0.0.1:1', { token: 'a', metadata })).toThrow(TypeError);
  });
});

describe('plain text', () => {
  const refused = [
    'gateway.example.com:50051',
    '10.0.0.1:50051',
    '128.0.0.1',
    '[2001:db8::1]:50051',
    '::2',
    'localhost.example.com:50051',
    'example.com,localhost',
    'ipv4:127.0.0.1:1,10.0.0.1:1',
    'dns:gateway:50051',
    'dns:///gateway',
    'dns://8.8.8.8/localhost:50051',
    'DNS:localhost:1',
    'unixes:/path',
    'xds:///localhost',
    '',
    'localhost:50051@gateway',
    '127.0.0.1.example.com',
    '0.0.0.0:50051',
    '2130706433',
  ];
  test.each(refused)('a token does not go to %s', (address) => {
    let asked = 0;
    const token = (): string => `token ${++asked}`;
    for (const options of [{ token }, { token: 'good' }]) {
      expect(() => connect(address, options)).toThrow(TypeError);
      expect(() => connect(address, options)).toThrow('plain text');
    }
    expect(asked).toBe(0);
  });

  test.each([
    'localhost:50051',
    'LocalHost',
    '127.0.0.1:1',
    '127.8.9.10',
    '::1',
    '[::1]:1',
    '[0:0:0:0:0:0:0:1]:1',
    'ipv4:127.0.0.1:1,127.0.0.2:1',
    'ipv6:[::1]:1',
    'dns:localhost:1',
    'dns:///localhost:1',
    'unix:/run/sluice.sock',
    'unix:///run/sluice.sock',
    'unix:relative.sock',
    '[::ffff:127.0.0.1]:1',
  ])('it goes to %s', (address) => {
    connect(address, { token: 'good' }).close();
  });

  test('with TLS it goes everywhere', () => {
    connect('gateway.example.com:50051', { token: 'good', tls: true }).close();
  });

  test('a proxy is not used for it', async () => {
    const proxy = process.env['grpc_proxy'];
    process.env['grpc_proxy'] = 'http://127.0.0.1:1';
    try {
      await withServer(['good'], async ({ address }) => {
        using client = connect(address.replace('127.0.0.1', 'localhost'), { token: 'good' });
        expect(await client.getVersion('s')).toMatchObject({ version: 1n });
      });
    } finally {
      if (proxy === undefined) delete process.env['grpc_proxy'];
      else process.env['grpc_proxy'] = proxy;
    }
  });
});

test('a gateway is reached at a Unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-socket-'));
  try {
    await using server = await startGuardedServer(['good'], `unix:${join(folder, 'gateway.sock')}`);
    using client = connect(server.address, { token: 'good', appendAttemptsMax: 1 });
    expect(await client.append('s', [event])).toMatchObject({ version: 1n });
    await all(client.listStreams());
    server.failures.push({ code: status.UNKNOWN, details: 'lost' });
    const lost = await failureOf(client.append('s', [event]));
    expect(lost).toBeInstanceOf(OutcomeUnknownError);
    using nobody = connect(`unix:${join(folder, 'nobody.sock')}`, { appendAttemptsMax: 1 });
    expect(await failureOf(nobody.append('s', [event]))).toMatchObject({ code: 'UNAVAILABLE' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('a token function', () => {
  test('is asked when there is no token yet, once for all calls', () =>
    withServer(['good'], async (server) => {
      const tokens = tokensOf('good');
      using client = connect(server.address, tokens);
      expect(tokens.asked).toBe(0);
      await Promise.all(Array.from({ length: 20 }, () => client.getVersion('s')));
      await client.append('s', [event]);
      await all(client.listStreams());
      expect(tokens.asked).toBe(1);
      expect(server.seen).toEqual(Array.from({ length: 22 }, () => 'Bearer good'));
    }));

  test.each(['expired', 'invalid'])('is asked again when its token is %s, once for all calls', (cause) =>
    withServer(['new'], async (server) => {
      server.cause = cause;
      const tokens = tokensOf('old', 'new');
      using client = connect(server.address, tokens);
      await Promise.all(Array.from({ length: 20 }, () => client.getVersion('s')));
      await all(client.listStreams());
      expect(tokens.asked).toBe(2);
      expect(server.seen.filter((seen) => seen === 'Bearer old')).toHaveLength(20);
    }),
  );

  test('an append is sent again with the same commit id', () =>
    withServer(['new'], async (server) => {
      using client = connect(server.address, tokensOf('old', 'new'));
      const { commitId } = await client.append('s', [event]);
      expect(server.commitIds).toEqual([commitId, commitId]);
    }));

  test('is asked again only once for a call', () =>
    withServer([], async (server) => {
      const tokens = tokensOf('bad');
      using client = connect(server.address, tokens);
      for (const call of [client.append('s', [event]), client.getVersion('s'), all(client.listStreams())]) {
        expect(await failureOf(call)).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'expired' });
      }
      expect(server.seen).toHaveLength(6);
    }));

  test('is not asked again for a token that the gateway did not see', () =>
    withServer([], async (server) => {
      server.cause = 'missing';
      const tokens = tokensOf('good');
      using client = connect(server.address, tokens);
      expect(await failureOf(client.getVersion('s'))).toMatchObject({ reason: 'missing' });
      expect(tokens.asked).toBe(1);
    }));

  test('a listing that has begun is not made again, but the next one has a new token', () =>
    withServer(['old', 'new'], async (server) => {
      const tokens = tokensOf('old', 'new');
      using client = connect(server.address, tokens);
      const list = async (): Promise<void> => {
        for await (const { stream } of client.listStreams({ pattern: '>' })) {
          expect(stream).toBe('a');
          server.expire();
        }
      };
      expect(await failureOf(list())).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(server.seen).toEqual(['Bearer old']);
      await all(client.listStreams());
      expect(server.seen).toEqual(['Bearer old', 'Bearer new']);
    }));

  test('that fails is an error with its cause, and is asked again by the next call', () =>
    withServer(['good'], async (server) => {
      const tokens = tokensOf('!no network', 'good');
      using client = connect(server.address, tokens);
      const error = await failureOf(client.append('s', [event]));
      expect(error).toBeInstanceOf(UnauthenticatedError);
      expect(error).toMatchObject({
        code: 'UNAUTHENTICATED',
        reason: 'missing',
        message: 'the token function failed: no network',
        cause: { message: 'no network' },
      });
      expect(server.seen).toEqual([]);
      await client.append('s', [event]);
    }));

  test.each<[string, ConnectOptions['token']]>([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['returns nothing', () => undefined as unknown as string],
    ['returns an empty text', () => ''],
  ])('that %s is an error', (_name, token) =>
    withServer([], async (server) => {
      using client = connect(server.address, { token });
      expect(await failureOf(client.getVersion('s'))).toMatchObject({ reason: 'missing' });
      const session = client.appendSession();
      expect(await failureOf(session.append('s', [event]))).toMatchObject({ reason: 'missing' });
      expect(await failureOf(session.close())).toMatchObject({ reason: 'missing' });
      expect(server.seen).toEqual([]);
    }),
  );

  test('that hangs ends with the deadline of the call, or with the signal', () =>
    withServer(['good'], async (server) => {
      let asked = 0;
      const token = (): Promise<string> =>
        ++asked === 1 ? new Promise<string>(() => undefined) : Promise.resolve('good');
      using client = connect(server.address, { token, deadlineMs: 400 });
      const beganMs = Date.now();
      const short = client.getVersion('s', { deadlineMs: 50 });
      expect(await failureOf(short)).toBeInstanceOf(DeadlineExceededError);
      const reason = new Error('enough');
      const aborted = client.getVersion('s', { signal: AbortSignal.abort(reason) });
      expect(await failureOf(aborted)).toBe(reason);
      const controller = new AbortController();
      const later = failureOf(all(client.listStreams({ signal: controller.signal })));
      controller.abort(reason);
      expect(await later).toBe(reason);
      // A listing has no deadline, but waits no longer for the function than a call by default.
      const error = await failureOf(all(client.listStreams()));
      expect(error).toMatchObject({
        reason: 'missing',
        message: expect.stringContaining('400 ms') as string,
      });
      expect(Date.now() - beganMs).toBeLessThan(10_000 * patience);
      expect(asked).toBe(1);
      expect(await client.getVersion('s')).toMatchObject({ version: 1n });
    }));
});

describe('a subscription', () => {
  test('continues with a new token, without gap or repeat', () =>
    withServer(['1', '2', '3', '4', '5'], async (server) => {
      const tokens = tokensOf('0', '1', '2', '3', '4', '5');
      using client = connect(server.address, tokens);
      const reconnects: Error[] = [];
      const positions: bigint[] = [];
      const options = { onReconnect: (error: Error) => void reconnects.push(error) };
      server.publish();
      for await (const { position } of client.subscribe(options)) {
        positions.push(position);
        if (positions.length === 10) break;
        if (position % 2n === 0n) server.expire();
        server.publish();
      }
      expect(positions).toEqual(Array.from({ length: 10 }, (_, i) => BigInt(i + 1)));
      expect(server.seen).toEqual(['0', '1', '2', '3', '4', '5'].map((token) => `Bearer ${token}`));
      expect(reconnects).toEqual([]);
    }));

  test('waits for a token function that fails for a while', () =>
    withServer(['new'], async (server) => {
      const tokens = tokensOf('!away', '!away', 'new', '!away', 'new');
      using client = connect(server.address, tokens);
      const reasons: string[] = [];
      const positions: bigint[] = [];
      const options = { onReconnect: ({ message }: Error) => void reasons.push(message) };
      server.publish();
      for await (const { position } of client.subscribe(options)) {
        positions.push(position);
        if (position === 2n) break;
        server.expire();
        server.publish();
      }
      expect(positions).toEqual([1n, 2n]);
      expect(reasons).toEqual(Array.from({ length: 3 }, () => 'the token function failed: away'));
    }));

  test('ends when a new token is refused, and with a token that is a text', () =>
    withServer(['good'], async (server) => {
      for (const token of ['good', tokensOf('good').token]) {
        using client = connect(server.address, { token });
        server.accepted.add('good');
        server.publish();
        const follow = async (): Promise<void> => {
          for await (const { position } of client.subscribe()) {
            expect(position).toBeGreaterThan(0n);
            server.accepted.clear();
            server.expire();
          }
        };
        expect(await failureOf(follow())).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'expired' });
      }
    }));

  test('ends when it is not granted any more', () =>
    withServer(['good'], async (server) => {
      using client = connect(server.address, tokensOf('good'));
      const facts = { action: 'subscribe', pattern: 'order.>' };
      server.failures.push(failureWith(status.PERMISSION_DENIED, 'ACCESS_DENIED', facts));
      const error = await failureOf(all(client.subscribe({ patterns: ['order.>'] })));
      expect(error).toBeInstanceOf(AccessDeniedError);
      expect(error).toMatchObject({ code: 'ACCESS_DENIED', action: 'subscribe', subject: 'order.>' });
    }));

  test('waits where a quota is used up', () =>
    withServer(['good'], async (server) => {
      using client = connect(server.address, tokensOf('good'));
      server.failures.push(
        failureWith(status.RESOURCE_EXHAUSTED, 'QUOTA_EXCEEDED', { limit: 'subscriptions' }),
      );
      server.publish();
      for await (const { position } of client.subscribe()) {
        expect(position).toBe(1n);
        break;
      }
    }));
});

describe('a session', () => {
  test('begins with a token, and again if that is refused', () =>
    withServer(['new'], async (server) => {
      const tokens = tokensOf('old', 'new');
      using client = connect(server.address, tokens);
      await using session = client.appendSession();
      const results = await Promise.all([1, 2, 3].map(() => session.append('s', [event])));
      expect(results.map(({ commitId }) => commitId)).toEqual(server.commitIds);
      expect(new Set(server.commitIds).size).toBe(3);
      expect(server.seen).toEqual(['Bearer old', 'Bearer new']);
    }));

  test('that is closed before there is a token stores what it has', () =>
    withServer(['new'], async (server) => {
      using client = connect(server.address, tokensOf('old', 'new'));
      const session = client.appendSession();
      const result = session.append('s', [event]);
      await session.close();
      expect(await result).toMatchObject({ version: 1n });
      await client.appendSession().close();
    }));

  test('ends when a new token is refused too', () =>
    withServer([], async (server) => {
      using client = connect(server.address, tokensOf('old'));
      const session = client.appendSession();
      expect(await failureOf(session.append('s', [event]))).toBeInstanceOf(UnauthenticatedError);
      expect(await failureOf(session.close())).toBeInstanceOf(UnauthenticatedError);
      expect(server.seen).toHaveLength(2);
    }));

  test('ends when its token expires, and the next one has a new token', () =>
    withServer(['old', 'new'], async (server) => {
      using client = connect(server.address, tokensOf('old', 'new'));
      const session = client.appendSession();
      await session.append('s', [event]);
      const unanswered = failureOf(session.append('unanswered', [event]));
      await until(() => Promise.resolve(server.commitIds.length === 2));
      server.expire();
      expect(await unanswered).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'expired' });
      expect(await failureOf(session.close())).toBeInstanceOf(UnauthenticatedError);
      await using next = client.appendSession();
      await next.append('s', [event]);
      expect(server.seen).toEqual(['Bearer old', 'Bearer new']);
    }));

  test('ends with its deadline or its signal while it waits for a token', () =>
    withServer([], async (server) => {
      using client = connect(server.address, { token: () => new Promise<string>(() => undefined) });
      const late = client.appendSession({ deadlineMs: 30 });
      expect(await failureOf(late.append('s', [event]))).toBeInstanceOf(DeadlineExceededError);
      const controller = new AbortController();
      const session = client.appendSession({ signal: controller.signal });
      const aborted = failureOf(session.append('s', [event]));
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await aborted).toBe(reason);
    }));

  test('ends when the client is closed while it waits for a token', () =>
    withServer([], async (server) => {
      const client = connect(server.address, { token: () => new Promise<string>(() => undefined) });
      const session = client.appendSession();
      const waiting = [session.append('s', [event]), client.getVersion('s'), all(client.subscribe())];
      const errors = Promise.all(waiting.map(failureOf));
      client.close();
      for (const error of await errors) expect(error).toBeInstanceOf(CancelledError);
      const tokens = tokensOf('good');
      const closed = connect(server.address, tokens);
      closed.close();
      expect(await failureOf(closed.getVersion('s'))).toBeInstanceOf(CancelledError);
      expect(() => closed.appendSession()).toThrow(CancelledError);
      expect(tokens.asked).toBe(0);
    }));
});

describe('an append', () => {
  const exceeded = (retryMs: number): ReturnType<typeof failureWith> =>
    failureWith(status.RESOURCE_EXHAUSTED, 'QUOTA_EXCEEDED', { limit: 'appends_per_s' }, retryMs);

  test('waits where a quota is used up, with the same commit id', () =>
    withServer(['good'], async (server) => {
      using client = connect(server.address, { token: 'good' });
      server.failures.push(exceeded(60), exceeded(60));
      const beganMs = Date.now();
      const { commitId } = await client.append('s', [event]);
      expect(Date.now() - beganMs).toBeGreaterThanOrEqual(60 + 2 * 60 - 5);
      expect(server.commitIds).toEqual([commitId, commitId, commitId]);
    }));

  test('does not wait longer than its deadline', () =>
    withServer(['good'], async (server) => {
      using client = connect(server.address, { token: 'good' });
      server.failures.push(exceeded(30_000));
      const error = await failureOf(client.append('s', [event], { deadlineMs: 10_000 }));
      expect(error).toBeInstanceOf(QuotaExceededError);
      expect(error).toMatchObject({ code: 'QUOTA_EXCEEDED', limit: 'appends_per_s', retryDelayMs: 30_000 });
      expect(server.commitIds).toHaveLength(1);
    }));

  test('that is not granted is not sent again', () =>
    withServer(['good'], async (server) => {
      using client = connect(server.address, { token: 'good' });
      const facts = { action: 'append', stream: 's' };
      server.failures.push(failureWith(status.PERMISSION_DENIED, 'ACCESS_DENIED', facts));
      const error = await failureOf(client.append('s', [event]));
      expect(error).toBeInstanceOf(AccessDeniedError);
      expect(error).toMatchObject({ status: 7, action: 'append', subject: 's' });
      expect(server.commitIds).toHaveLength(1);
    }));
});
