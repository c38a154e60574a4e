import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { connect } from '../../src/client/client';
import type { Limits } from '../../src/limits';
import { startGuarded, type GuardedGateway } from '../support/access';
import { newEvents } from '../support/attempts';
import { until } from '../support/nats-server';
import { inOneProcess } from '../support/one-process';
import { makeReplicaDir } from '../support/replica-dir';
import { connectRpc } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';

/** What the audit log says of callers, on a real auth file and a real nats-server. */

const actions = ['append', 'read', 'subscribe'];
const principals = {
  admin: { grants: [{ actions: [...actions, 'info', 'admin'], streams: ['>'] }] },
  slow: { grants: [{ actions, streams: ['order.>'] }], limits: { appends_per_s: 1 } },
  orders: { grants: [{ actions, streams: ['order.>'] }], limits: { lookups: 64 } },
};

let folder: string;
let guarded: GuardedGateway;
beforeEach(() => (folder = makeReplicaDir()));
afterEach(() => guarded[Symbol.asyncDispose]());

async function start(
  audit: { events?: string; when_full?: string } = {},
  limits: Partial<Limits> = {},
): Promise<GuardedGateway> {
  const more = { audit: { file: join(folder, 'audit.jsonl'), ...audit } };
  return (guarded = await startGuarded(principals, limits, [], more));
}

type Line = Record<string, unknown>;

function text(file = 'audit.jsonl'): string {
  const path = join(folder, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function lines(file?: string): Line[] {
  return text(file)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

/** Waits for a number of lines, and returns them. */
async function linesOnce(count: number): Promise<Line[]> {
  await until(() => lines().length >= count);
  return lines();
}

test('appends of all kinds and denials, each with who, where and what', async () => {
  await start();
  const orders = guarded.as('orders');
  const one = await orders.append({ stream: 'order.1', events: newEvents(1) });
  const multi = await orders.appendMulti({
    appends: ['order.2', 'order.3'].map((stream) => ({ stream, events: newEvents(1) })),
  });
  await failureOf(orders.append({ stream: 'order.1', events: newEvents(1), expectedVersion: 0n }));
  await failureOf(orders.append({ stream: 'secret.1', events: newEvents(1) }));
  await failureOf(orders.readAll({ patterns: ['secret.>'] }));
  await failureOf(orders.getVersion({ stream: 'secret.2' }));
  await failureOf(guarded.as(undefined).readAll());
  await orders.readAll({ patterns: ['order.>'] });
  const found = await linesOnce(7);
  expect(found).toHaveLength(7);
  const token = { kind: 'token', id: 'orders' };
  for (const line of found.slice(0, 6)) {
    expect(line).toMatchObject({ principal: 'token:orders', credential: token, generation: 1 });
    expect(line['peer']).toMatch(/^127\.0\.0\.1:\d+$/);
  }
  const of = (call: string, outcome: string, streams: string[], more: object = {}): object =>
    expect.objectContaining({ call, outcome, streams, stream_count: streams.length, ...more }) as object;
  const position = (value: bigint): string => value.toString();
  expect(found).toEqual([
    of('Append', 'OK', ['order.1'], {
      action: 'append',
      commit_id: one.commitId,
      position: position(one.position),
    }),
    of('AppendMulti', 'OK', ['order.2', 'order.3'], {
      commit_id: multi.commitId,
      position: position(multi.position),
    }),
    of('Append', 'VERSION_CONFLICT', ['order.1']),
    of('Append', 'ACCESS_DENIED', ['secret.1'], { action: 'append' }),
    of('ReadAll', 'ACCESS_DENIED', ['secret.>'], { action: 'read' }),
    of('GetVersion', 'ACCESS_DENIED', ['secret.2'], { action: 'read' }),
    of('ReadAll', 'UNAUTHENTICATED', [], { principal: '', credential: { kind: 'none', id: '' } }),
  ]);
});

test('an append without events is a read', async () => {
  await start();
  await guarded.as('orders').append({ stream: 'order.1' });
  expect(await linesOnce(1)).toMatchObject([{ call: 'Append', action: 'read', outcome: 'OK' }]);
});

test('each append of a session has a line, in the order in which they end', async () => {
  await start();
  using sluice = connect(guarded.gateway.address, { token: guarded.file.tokenOf('orders') });
  const session = sluice.appendSession();
  const appends = Array.from({ length: 200 }, (_, number) =>
    session.append(number % 50 === 49 ? 'secret.1' : 'order.1', [{ type: 'T' }]),
  );
  const outcomes = await Promise.allSettled(appends);
  await session.close();
  const stored = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  expect(stored).toHaveLength(196);
  await until(() => lines().filter(({ outcome }) => outcome === 'OK').length === 196);
  const found = lines().filter(({ outcome }) => outcome === 'OK');
  expect(found.map((line) => line['position'])).toEqual(stored.map(({ position }) => position.toString()));
  expect(new Set(found.map((line) => line['call']))).toEqual(new Set(['AppendSession']));
  // Those that are alike are counted together, here until the gateway stops.
  const denied = lines().filter(({ outcome }) => outcome === 'ACCESS_DENIED');
  expect(denied).toMatchObject([{ streams: ['secret.1'], call: 'AppendSession' }]);
});

test('denied: no appends; a limit that is exceeded for long is counted', async () => {
  await start({ events: 'denied' }, { auditDenialsWindowMs: 300 });
  const slow = guarded.as('slow');
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, () => slow.append({ stream: 'order.1', events: newEvents(1) })),
  );
  const refused = outcomes.filter(({ status: outcome }) => outcome === 'rejected').length;
  expect(refused).toBeGreaterThan(40);
  const of = { principal: 'token:slow', call: 'Append', outcome: 'QUOTA_EXCEEDED', limit: 'appends_per_s' };
  expect(await linesOnce(2)).toEqual([
    expect.objectContaining(of),
    expect.objectContaining({ ...of, count: refused - 1 }),
  ]);
});

test('all: reads, subscriptions and sessions when they begin and end', async () => {
  await start({ events: 'all' });
  const orders = guarded.as('orders');
  await orders.readStream({ stream: 'order.1' });
  for await (const update of orders.subscribe({ patterns: ['order.>'] }))
    if (update.notice !== undefined) break;
  const found = await linesOnce(4);
  expect(found.map(({ call, phase, streams, outcome }) => [call, phase, streams, outcome])).toEqual([
    ['ReadStream', 'begun', ['order.1'], 'OK'],
    ['ReadStream', 'ended', ['order.1'], 'OK'],
    ['Subscribe', 'begun', ['order.>'], 'OK'],
    ['Subscribe', 'ended', ['order.>'], 'CANCELLED'],
  ]);
});

inOneProcess('each worker has a line for the denials that it leaves out')(
  'no line has a credential, or anything of an event',
  async () => {
    await start({ events: 'all' });
    const secret = 'planted-secret';
    const token = guarded.file.tokenOf('orders');
    const orders = guarded.as('orders');
    const [event] = newEvents(1);
    const events = [
      {
        ...event,
        payload: { $case: 'text' as const, value: secret },
        tags: [secret],
        metadata: new Map([[secret, secret]]),
      },
    ];
    await orders.append({ stream: 'order.1', events });
    await failureOf(orders.append({ stream: 'secret.1', events }));
    await orders.readAll({ patterns: ['order.>'], eventTypes: [secret] });
    await failureOf(orders.readByCorrelation({ correlationId: '' }));
    for (const wrong of [
      secret,
      `slu_${secret}`,
      `${token}x`,
      token.slice(0, -1),
      `eyJhbGciOiJub25lIn0.${secret}.`,
    ]) {
      using client = connectRpc(guarded.gateway.address, wrong);
      await failureOf(client.getVersion({ stream: 'order.1' }));
    }
    await until(() => lines().some(({ outcome }) => outcome === 'UNAUTHENTICATED'));
    await guarded.gateway[Symbol.asyncDispose]();
    expect(text()).not.toContain(secret);
    expect(text()).not.toContain(token.slice(4, 30));
    expect(lines().filter(({ outcome }) => outcome === 'UNAUTHENTICATED')).toHaveLength(2); // the first, and the others
  },
);

describe('an audit log that cannot be written', () => {
  beforeEach(() => {
    symlinkSync('/dev/full', join(folder, 'audit.jsonl'));
  });

  test('refuse: nothing is stored without its line', async () => {
    await start({ when_full: 'refuse' });
    const orders = guarded.as('orders');
    let stored = 0;
    await until(async () => {
      const failure = await orders.append({ stream: 'order.1', events: newEvents(1) }).then(
        () => {
          stored++;
        },
        (error: unknown) => error,
      );
      return failure !== undefined;
    });
    const refused = await failureOf(orders.append({ stream: 'order.1', events: newEvents(1) }));
    expect([refused.code, refused.reason]).toEqual([status.RESOURCE_EXHAUSTED, 'OVERLOADED']);
    expect((await orders.readStream({ stream: 'order.1' })).events).toHaveLength(stored);

    rmSync(join(folder, 'audit.jsonl'));
    await guarded.gateway.reload();
    await until(() =>
      orders.append({ stream: 'order.1', events: newEvents(1) }).then(
        () => true,
        () => false,
      ),
    );
    await linesOnce(stored + 1);
    const { events } = await orders.readStream({ stream: 'order.1' });
    expect(lines().map((line) => line['position'])).toEqual(
      events.map(({ position }) => position.toString()),
    );
  });

  test('drop: appends go on, and a line counts what is missing', async () => {
    await start({}, { auditBytesMax: 2_000 });
    const orders = guarded.as('orders');
    for (let number = 0; number < 50; number++)
      await orders.append({ stream: 'order.1', events: newEvents(1) });
    rmSync(join(folder, 'audit.jsonl'));
    await guarded.gateway.reload();
    await until(() => lines().some((line) => 'dropped' in line));
    await orders.append({ stream: 'order.1', events: newEvents(1) });
    await until(() => lines().at(-1)?.['outcome'] === 'OK');
    const found = lines();
    const dropped = found.reduce((sum, line) => sum + Number(line['dropped'] ?? 0), 0);
    expect(dropped).toBeGreaterThan(30);
    expect(found.filter(({ outcome }) => outcome === 'OK').length + dropped).toBe(51);
  });
});

inOneProcess('the error is that of a start in the process of the test')(
  'a file that cannot be opened ends the start',
  async () => {
    folder = join(folder, 'missing');
    await expect(start()).rejects.toMatchObject({
      stage: 'settings',
      message: expect.stringMatching(
        /^the audit log .*missing\/audit\.jsonl cannot be opened: ENOENT/,
      ) as string,
    });
    folder = makeReplicaDir();
    await start();
  },
);

test('refuse, at a reload: nothing is stored until the file can be opened', async () => {
  const more: { audit?: object } = {};
  guarded = await startGuarded(principals, {}, [], more);
  const admin = guarded.as('admin');
  const append = async (): Promise<unknown> => admin.append({ stream: 'order.1', events: newEvents(1) });
  await append();
  more.audit = { file: join(folder, 'later', 'audit.jsonl'), when_full: 'refuse' };
  guarded.file.write(principals);
  await guarded.gateway.reload();
  expect((await failureOf(append())).reason).toBe('OVERLOADED');
  expect((await admin.serverInfo()).access?.authFile).toMatchObject({
    generation: 2n,
    problems: [expect.stringMatching(/^appends are refused until the audit log can be opened: .*ENOENT/)],
  });
  mkdirSync(join(folder, 'later'));
  await guarded.gateway.reload();
  await append();
  expect((await admin.serverInfo()).access?.authFile?.problems).toEqual([]);
  await until(() => lines('later/audit.jsonl').length === 1);
  expect((await admin.readStream({ stream: 'order.1' })).events).toHaveLength(2);
});

test('a file that was renamed is continued under its name after a reload, and no line is lost', async () => {
  await start();
  const orders = guarded.as('orders');
  const appended: bigint[] = [];
  const over = new AbortController();
  const writing = (async () => {
    while (!over.signal.aborted) {
      const { position } = await orders.append({ stream: 'order.1', events: newEvents(1) });
      appended.push(position);
    }
  })();
  for (const number of [1, 2, 3]) {
    await sleep(100);
    renameSync(join(folder, 'audit.jsonl'), join(folder, `audit.${number}`));
    await guarded.gateway.reload();
  }
  await sleep(100);
  over.abort();
  await writing;
  await guarded.gateway[Symbol.asyncDispose]();
  const files = ['audit.1', 'audit.2', 'audit.3', 'audit.jsonl'];
  expect(files.map((file) => lines(file).length > 0)).toEqual([true, true, true, true]);
  expect(files.flatMap((file) => lines(file).map((line) => line['position']))).toEqual(
    appended.map((position) => position.toString()),
  );
});
