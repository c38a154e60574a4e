import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { connect, type NatsConnection } from 'nats';
import { streamInfo } from '../../src/jetstream/nats/api';
import { NotPermittedError } from '../../src/store/errors';
import { StateChangedError } from '../../src/store/state-store';
import type { SubscribeResponse } from '../../generated/sluice/v1/event_store_service';
import { linesOf } from '../cli/gateway-commands';
import { runSluice } from '../cli/process';
import { blocks, document, section } from '../docs/markdown';
import { newEvents } from '../support/attempts';
import { startTestGateway, startWithLimits, type GatewayProcess } from '../support/gateway';
import { metricsOf } from '../support/metrics-page';
import { consumersOf } from '../support/monitor';
import { startCluster, startNats, until, within, type TestNats } from '../support/nats-server';
import { openState } from '../support/opened-state';
import { appendTo, callFor, controlOf, openTestStore, truncateBefore } from '../support/opened-store';
import { makeReplicaDir } from '../support/replica-dir';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import { failureOf, type RpcFailure } from '../support/rpc-failure';

/** The permissions in docs/operations/security.md are sufficient, and each of them is necessary. */

const password = 'hush';
const login = { user: 'sluice', pass: password };
const loginFlags = ['--nats-user=sluice', `--nats-password=${password}`];

const [block] = blocks(section(document('docs/operations/security.md'), '## NATS permissions'));
/** The block in the document; the password is a variable of the configuration. */
const permissions = `SLUICE_NATS_PASSWORD: ${password}\n${block?.code ?? ''}`;
const subjects = Array.from(permissions.matchAll(/^ +"([^"]+)"/gm), ([, subject = '']) => subject);
/** What creates and changes the streams is needed for the first start, the first group and the first control only. */
const forTheFirstStart = subjects.filter((subject) => /\.STREAM\.(?:CREATE|UPDATE)\./.test(subject));

/** The configuration without one permission, or several. */
function without(...left: readonly string[]): string {
  const lines = permissions.split('\n');
  const kept = lines.filter((line) => !left.some((subject) => line.includes(`"${subject}"`)));
  expect(kept).toHaveLength(lines.length - left.length);
  return kept.join('\n');
}

/** Enough bytes for several requests to the consumer of the log. */
const commits = 12;
const commitBytes = 500_000;

/** Uses everything that a gateway does with the records of consumer groups; fails if something does not work. */
async function exerciseState(urls: readonly string[], replicas: number): Promise<void> {
  const call = { signal: AbortSignal.timeout(20_000), deadlineMs: performance.now() + 20_000 };
  await using opened = await openState(urls, 'EVENTS', replicas, { user: login.user, password });
  const { state } = opened;
  const key = 'group.permitted';
  const before = await state.get(key, call);
  const first = await state.put(key, Buffer.from('1'), before?.revision ?? 0n, call);
  const view = await state.watch(['group.*'], call);
  const revision = await state.put(key, Buffer.from('2'), first, call);
  await expect(state.put(key, Buffer.from('x'), 0n, call)).rejects.toThrow(StateChangedError);
  expect(await state.list('group.', call)).toHaveLength(1);
  await until(() => view.records.get(key)?.revision === revision, 8_000);
  view.close();
  const consumers = async (): Promise<number> =>
    (await streamInfo(opened.pool.append(), opened.name, undefined, { timeoutMs: 5_000 })).state
      .consumer_count;
  // The server would remove it by itself after 10 seconds.
  await within(8_000, async () => (await consumers()) === 0);
  await state.remove(key, revision, call);
}

/** Erases an event of a stream, truncates the stream and deletes it; fails if that does not work, or if the log keeps what is gone. */
async function exerciseControls(urls: readonly string[], replicas: number): Promise<void> {
  const limits = { sweepIntervalMs: 100 };
  await using opened = await openTestStore(urls, { replicas, login: { user: login.user, password }, limits });
  const stream = 'permitted.controls';
  const { store } = opened;
  await until(() => store.filling() === undefined, 60_000);
  const { version } = await store.append(appendTo(stream), callFor());
  const erasure = { kind: 'erase', fromVersion: version, toVersion: version, reason: 'asked' } as const;
  const controls = [erasure, truncateBefore(version + 1n), { kind: 'delete' }] as const;
  for (const [index, control] of controls.entries()) {
    expect(await store.control(controlOf(stream, control), callFor())).toMatchObject({ changed: true });
    await within(30_000, () => (store.facts.removal?.messages ?? 0) > index);
  }
}

/** Uses everything that a gateway does with NATS; fails if something does not work. */
async function exercise(
  urls: readonly string[],
  flags: readonly string[],
  nodes: readonly TestNats[],
): Promise<void> {
  const replica = `--replica-dir=${makeReplicaDir()}`;
  {
    await using gateway = await startTestGateway(urls, [...loginFlags, replica, ...flags]);
    const { client } = gateway;
    const live = await follow(client);
    const stream = 'permitted';
    await client.append({ stream, events: newEvents(1), expectedVersion: 0n });
    await client.append({ stream, events: newEvents(3, 400_000), withCommitTime: true });
    expect((await client.readStream({ stream })).events).toHaveLength(4);
    expect((await client.readStream({ stream, fromVersion: 3n })).events).toHaveLength(2);
    const { version, commitTime } = await client.getVersion({ stream });
    expect(version).toBe(4n);
    expect((await client.getVersion({ stream, asOf: commitTime })).version).toBe(4n);
    expect((await client.getVersion({ stream: 'nothing' })).version).toBe(0n);
    expect(await client.listStreams()).toHaveLength(1);
    const [event] = (await client.readStream({ stream, maxCount: 1n })).events;
    const correlated = await client.readByCorrelation({ correlationId: event?.correlationId ?? '' });
    expect(correlated.events).toHaveLength(1);
    expect((await client.readAll()).events).toHaveLength(4);
    for (let i = 0; i < commits; i++)
      await client.append({ stream: 'many', events: newEvents(1, commitBytes) });
    await until(() => live.eventCount === 4 + commits, 8_000);
  }
  await exerciseState(urls, nodes.length);
  await exerciseControls(urls, nodes.length);
  // The server would remove it by itself after 10 seconds.
  await within(8_000, async () => (await consumersOf(nodes)) === 0);
  // Its replica is compared with the log.
  await using again = await startTestGateway(urls, [...loginFlags, replica, ...flags]);
  expect((await again.client.readStream({ stream: 'permitted' })).events).toHaveLength(4);
}

/** Follows the whole store and counts its events. Resolves when the subscription is live; fails if it cannot be. */
async function follow(client: RpcClient): Promise<{ readonly eventCount: number }> {
  const live = { eventCount: 0 };
  const updates = client.subscribe();
  for (let notice: string | undefined; notice !== 'caughtUp';) {
    const { value } = await updates.next();
    notice = (value as SubscribeResponse).notice?.$case;
  }
  const count = async (): Promise<void> => {
    for await (const { events } of updates) live.eventCount += events.length;
  };
  count().catch(() => undefined); // it ends with the gateway
  return live;
}

test('with exactly these permissions everything works, and nothing else is permitted', async () => {
  expect(subjects).toHaveLength(17);
  await using nats = await startNats({ extraConfig: permissions });
  await exercise([nats.url], [], [nats]);
  const connection = await connect({ servers: nats.url, ...login });
  for (const subject of [
    'anything.else',
    '$JS.API.STREAM.DELETE.EVENTS',
    '$JS.API.STREAM.PURGE.EVENTS_STATE',
    '$JS.API.STREAM.MSG.DELETE.EVENTS_STATE',
    '$JS.API.STREAM.DELETE.EVENTS_STATE',
    '$JS.API.STREAM.UPDATE.EVENTS_STATE',
    '$JS.API.CONSUMER.CREATE.EVENTS_STATE.name.EVENTS_STATE.>',
    '$JS.API.STREAM.INFO.OTHERS',
    '$JS.API.STREAM.CREATE.OTHERS',
    '$JS.API.CONSUMER.CREATE.EVENTS',
    '$JS.API.CONSUMER.CREATE.EVENTS.name.es.>',
    '$JS.API.CONSUMER.CREATE.OTHERS.name',
    '$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.name',
    '$JS.API.CONSUMER.MSG.NEXT.OTHERS.name',
    '$JS.API.CONSUMER.DELETE.OTHERS.name',
    '$JS.API.DIRECT.GET.EVENTS',
  ]) {
    expect(await refused(connection, subject)).toBe(true);
  }
  await connection.close();
}, 60_000);

test('once the store exists, everything works without the permissions to create it', async () => {
  await using nats = await startNats({ extraConfig: permissions });
  {
    await using first = await startTestGateway([nats.url], loginFlags);
    await first.client.serverInfo();
    await exerciseState([nats.url], 1);
    await exerciseControls([nats.url], 1);
  }
  const config = join(nats.dataDir, 'nats.conf');
  const text = readFileSync(config, 'utf8');
  expect(forTheFirstStart).toHaveLength(3);
  writeFileSync(config, text.replace(permissions, without(...forTheFirstStart)));
  await nats.restart();
  await exercise([nats.url], ['--create-store=false'], [nats]);
}, 60_000);

/** Whether the server itself refuses a request at once. */
async function refused(connection: NatsConnection, subject: string): Promise<boolean> {
  const outcome: unknown = await connection
    .request(subject, '{}', { timeout: 2_000 })
    .catch((error: unknown) => error);
  return (outcome as { code?: string }).code === 'PERMISSIONS_VIOLATION';
}

test('they are sufficient with three replicas as well', async () => {
  await using cluster = await startCluster(3, { extraConfig: permissions });
  await exercise(cluster.urls, ['--store-replicas=3'], cluster.nodes);
}, 120_000);

test.each(subjects)(
  'something fails without %s',
  async (subject) => {
    await using nats = await startNats({ extraConfig: without(subject) });
    await expect(exercise([nats.url], [], [nats])).rejects.toThrow();
  },
  60_000,
);

/** A gateway that looks for what it has to remove all the time. */
function startProcess(url: string, workers: number): Promise<GatewayProcess> {
  const flags = [`--nats-url=${url}`, '--create-store', ...loginFlags, `--workers=${workers}`];
  const listen = ['--listen=127.0.0.1:0', '--http-listen=127.0.0.1:0'];
  return startWithLimits([...flags, ...listen], { sweepIntervalMs: 100, serverInfoAgeMaxMs: 10 });
}

async function troubleOf(client: RpcClient): Promise<string> {
  return (await client.serverInfo()).store?.log?.removalTrouble ?? '';
}

describe('a missing permission', () => {
  const denied = (failure: RpcFailure, subject: string): void => {
    expect({ code: failure.code, reason: failure.reason }).toEqual({
      code: status.PERMISSION_DENIED,
      reason: 'NOT_PERMITTED',
    });
    expect(failure.message).toContain(subject);
  };

  test('to append: appends are refused, also in several messages, and everything else works', async () => {
    await using nats = await startNats({ extraConfig: without('es.>') });
    await using gateway = await startTestGateway([nats.url], loginFlags);
    const { client } = gateway;
    const stream = 'refused';
    denied(await failureOf(client.append({ stream, events: newEvents(1) })), 'es.refused');
    denied(await failureOf(client.append({ stream, events: newEvents(4, 400_000) })), 'es.refused');
    expect((await client.getVersion({ stream })).version).toBe(0n);
    expect((await client.readStream({ stream })).events).toEqual([]);
  });

  test('to create the consumer of the log: reads and subscriptions are refused, appends work', async () => {
    await using nats = await startNats({ extraConfig: without('$JS.API.CONSUMER.CREATE.EVENTS.*') });
    await using gateway = await startTestGateway([nats.url], loginFlags);
    const { client } = gateway;
    for (let turn = 0; turn < 2; turn++) {
      for (const call of [
        client.readStream({ stream: 's' }),
        client.getVersion({ stream: 's' }),
        client
          .subscribe()
          .next()
          .then(() => client.readAll()),
      ])
        denied(await failureOf(call), '$JS.API.CONSUMER.CREATE.EVENTS.');
    }
    expect((await client.append({ stream: 's', events: newEvents(1) })).version).toBe(1n);
  });

  test('to note that the store has controls: these are refused, and everything else works', async () => {
    const subject = '$JS.API.STREAM.UPDATE.EVENTS';
    await using nats = await startNats({ extraConfig: without(subject) });
    await using opened = await openTestStore(nats.url, { login: { user: login.user, password } });
    const { store } = opened;
    const { position } = await store.append(appendTo('s'), callFor());
    const control = store.control(controlOf('s', { kind: 'delete' }), callFor());
    await expect(control).rejects.toThrow(NotPermittedError);
    await expect(control).rejects.toThrow(subject);
    expect((await store.append(appendTo('s'), callFor())).position).toBe(position + 1n);
  });

  test.each([
    ['$JS.API.STREAM.PURGE.EVENTS', 1],
    ['$JS.API.STREAM.MSG.DELETE.EVENTS', 2],
  ])(
    'to remove messages (%s), with %i workers: that is reported, and everything else works',
    async (subject, workers) => {
      await using nats = await startNats({ extraConfig: without(subject) });
      await using gateway = await startProcess(nats.url, workers);
      using other = connectRpc(gateway.address);
      const { client } = gateway;
      const [stream, last] = ['s', { toVersion: 1n, reason: 'asked' }];
      await client.append({ stream, events: newEvents(1) });
      await client.append({ stream, events: newEvents(1) });
      if (subject.includes('PURGE')) await client.streams.truncate({ stream, beforeVersion: 2n });
      else await client.streams.erase({ stream, fromVersion: 1n, ...last });
      // Each of two workers serves one of them.
      for (const caller of [client, other])
        await until(async () => (await troubleOf(caller)).includes(subject), 30_000);
      const page = await metricsOf(/http:\/\/[^:]+:\d+/.exec(gateway.process.stdout())?.[0]);
      expect(page.value('sluice_log_sweep_failures_total')).toBeGreaterThan(0);
      expect(page.value('sluice_log_removed_messages_total')).toBe(0);
      const { stdout } = await runSluice(['doctor', '--json', '--address', gateway.address]);
      expect(linesOf(stdout).find(({ check }) => check === 'removal')).toMatchObject({
        level: 'warn',
        message: expect.stringContaining(subject) as unknown,
      });
      expect((await client.append({ stream, events: newEvents(1) })).version).toBe(3n);
      const { events } = await other.readStream({ stream });
      expect(events.filter(({ erased }) => !erased).map(({ version }) => version)).toEqual([2n, 3n]);
    },
    60_000,
  );

  test('to fetch from the consumer of the log: reads and subscriptions are refused, appends work', async () => {
    await using nats = await startNats({ extraConfig: without('$JS.API.CONSUMER.MSG.NEXT.EVENTS.*') });
    await using gateway = await startTestGateway([nats.url], loginFlags);
    const { client } = gateway;
    // An empty log can be read: there is nothing to fetch.
    expect((await client.append({ stream: 's', events: newEvents(1) })).version).toBe(1n);
    denied(await failureOf(client.readStream({ stream: 's' })), '$JS.API.CONSUMER.MSG.NEXT.EVENTS.');
  });

  test.each(subjects.filter((subject) => subject.includes('EVENTS_STATE')))(
    'for consumer groups (%s): they are refused with its name, and everything else works',
    async (subject) => {
      await using nats = await startNats({ extraConfig: without(subject) });
      await using gateway = await startTestGateway([nats.url], loginFlags);
      const found: unknown = await exerciseState([nats.url], 1).catch((error: unknown) => error);
      const message = String(found);
      // NATS refuses it without a reply, and the consumer goes by itself later.
      if (subject.includes('CONSUMER.DELETE')) expect(message).toContain('did not come true');
      else {
        expect(found).toBeInstanceOf(NotPermittedError);
        expect(message).toContain(subject.replace(/[*>]$/, ''));
      }
      expect((await gateway.client.append({ stream: 's', events: newEvents(1) })).version).toBe(1n);
    },
  );

  test.each([
    ['$JS.API.STREAM.INFO.EVENTS', 'JetStream cannot be used'],
    ['$JS.API.STREAM.CREATE.EVENTS', 'the stream EVENTS cannot be created'],
  ])('to look at or make the store (%s): the gateway does not start', async (subject, message) => {
    await using nats = await startNats({ extraConfig: without(subject) });
    await expect(startTestGateway([nats.url], loginFlags)).rejects.toThrow(
      `${message}: NATS does not permit the gateway to use ${subject}`,
    );
  });

  test('to receive answers: the gateway does not start', async () => {
    const deaf = permissions.replace('_INBOX.>', 'nothing.>');
    await using nats = await startNats({ extraConfig: deaf });
    await expect(startTestGateway([nats.url], loginFlags)).rejects.toThrow(
      'NATS does not permit the gateway to subscribe to _INBOX.>',
    );
  });
});
