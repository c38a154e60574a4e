import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry } from 'prom-client';
import {
  AppendSessionRequest,
  type AppendSessionResponse,
} from '../../generated/sluice/v1/event_store_service';
import { uuidV7 } from '../../src/uuid';
import { newEvents } from '../support/attempts';
import { makeAuthFile } from '../support/access';
import { startTestGateway, type LocalGateway } from '../support/gateway';
import { metricsOf, type MetricsPage } from '../support/metrics-page';
import { startNats, until, type TestNats } from '../support/nats-server';
import { connectRpc } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';

/** Metrics after traffic that is known. */

const anyPort = '--http-listen=127.0.0.1:0';
/** A page may be this old. */
const ageMaxMs = 20;

let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

let stores = 0;

/** The flags of a store that no other gateway has. */
function newStore(): string[] {
  const name = `M${(stores++).toString()}`;
  return [`--store-name=${name}`, `--store-prefix=${name.toLowerCase()}`];
}

function startOn(store: readonly string[], ...flags: string[]): Promise<LocalGateway> {
  return startTestGateway([nats.url], [anyPort, ...store, ...flags], { metricsAgeMaxMs: ageMaxMs });
}

/** A gateway with a store of its own. */
function start(...flags: string[]): Promise<LocalGateway> {
  return startOn(newStore(), ...flags);
}

async function pageOf({ http }: LocalGateway): Promise<MetricsPage> {
  await sleep(2 * ageMaxMs);
  return metricsOf(http);
}

const service = 'sluice.v1.EventStoreService';

test('appends: by outcome, with their events and bytes, repetitions apart', async () => {
  await using gateway = await start();
  const { client } = gateway;
  const commitId = uuidV7();
  const events = newEvents(3, 100);
  await client.append({ stream: 'a.1', events, commitId });
  await client.append({ stream: 'a.1', events, commitId });
  const expectedVersion = 7n;
  const conflict = await failureOf(client.append({ stream: 'a.1', events, expectedVersion }));
  expect(conflict.reason).toBe('VERSION_CONFLICT');
  await client.appendMulti({
    appends: [
      { stream: 'a.2', events: newEvents(2, 100) },
      { stream: 'a.3', events: newEvents(1, 100) },
    ],
  });
  expect((await failureOf(client.append({ stream: 'not a name', events }))).reason).toBe('INVALID_REQUEST');

  const page = await pageOf(gateway);
  expect(page.value('sluice_appends_total', { outcome: 'OK' })).toBe(3);
  expect(page.value('sluice_appends_total', { outcome: 'VERSION_CONFLICT' })).toBe(1);
  expect(page.value('sluice_appends_total')).toBe(4);
  expect(page.value('sluice_append_replays_total')).toBe(1);
  expect(page.value('sluice_appended_events_total')).toBe(6);
  const bytes = page.value('sluice_appended_bytes_total') ?? 0;
  expect(bytes).toBeGreaterThan(600);
  expect(bytes).toBeLessThan(3_000);
  expect(page.value('sluice_append_seconds_count')).toBe(4);
  const sum = page.value('sluice_append_seconds_sum') ?? 0;
  expect(sum).toBeGreaterThan(0);
  expect(sum).toBeLessThan(10);
  expect(page.value('sluice_append_seconds_bucket', { le: '+Inf' })).toBe(4);

  const append = { grpc_service: service, grpc_method: 'Append', grpc_type: 'unary' };
  expect(page.value('grpc_server_started_total', append)).toBe(4);
  expect(page.value('grpc_server_handled_total', { ...append, grpc_code: 'OK' })).toBe(2);
  expect(page.value('grpc_server_handled_total', { ...append, grpc_code: 'InvalidArgument' })).toBe(1);
  expect(page.value('grpc_server_handled_total', append)).toBe(4);
  expect(page.value('grpc_server_handling_seconds_count', append)).toBe(4);
  expect(page.value('grpc_server_msg_received_total', append)).toBe(4);
  expect(page.value('grpc_server_msg_sent_total', append)).toBe(2);
});

test('appends with conditions: attempts over all streams, and what became of each', async () => {
  await using gateway = await start();
  const { client } = gateway;
  const events = [{ type: 'Happened', tags: ['seat'] }];
  const condition = { query: { items: [{ tags: ['seat'] }] } };
  await client.append({ stream: 'c.1', events, condition });
  const refused = await failureOf(client.append({ stream: 'c.2', events, condition }));
  expect(refused.reason).toBe('APPEND_CONDITION_FAILED');
  const within = { query: { items: [{ tags: ['other'] }] }, withinStream: 'c.1' };
  await client.append({ stream: 'c.1', events, condition: within });

  const page = await pageOf(gateway);
  expect(page.value('sluice_appends_total', { outcome: 'OK' })).toBe(2);
  expect(page.value('sluice_appends_total', { outcome: 'APPEND_CONDITION_FAILED' })).toBe(1);
  // The refusal needs no attempt, and the condition within a stream has a fence of its own.
  const attempts = 'sluice_append_condition_attempts_total';
  expect(page.value(attempts, { end: 'decided' })).toBe(1);
  expect(page.value('sluice_append_conditions_waiting')).toBe(0);
});

test('attempts that another gateway overtakes are counted as lost', async () => {
  const store = newStore();
  await using gateway = await startOn(store);
  await using other = await startOn(store);
  const stop = new AbortController();
  const busy = Promise.all(
    Array.from({ length: 8 }, async (_, number) => {
      while (!stop.signal.aborted)
        await other.client.append({ stream: `busy.${number.toString()}`, events: newEvents(1) });
    }),
  );
  const attempts = async (end: string): Promise<number> =>
    (await pageOf(gateway)).value('sluice_append_condition_attempts_total', { end }) ?? 0;
  let decided = 0;
  try {
    await until(async () => {
      const condition = { query: { items: [{ tags: ['nobody has it'] }] } };
      await gateway.client.append({ stream: 'c.1', events: newEvents(1), condition });
      decided++;
      return (await attempts('lost')) > 0;
    });
  } finally {
    stop.abort();
    await busy;
  }
  expect(await attempts('decided')).toBe(decided);
});

test('appends of a session, of which each counts, and each message once', async () => {
  await using gateway = await start();
  const session = gateway.client.raw.appendSession();
  const append = { stream: 's.1', events: newEvents(1) };
  let results = 0;
  session.on('data', ({ answers }: AppendSessionResponse) => (results += answers.length));
  for (let i = 0; i < 5; i++) session.write(AppendSessionRequest.fromPartial({ appends: [{ append }] }));
  await until(() => results === 5);
  session.end();
  const labels = { grpc_method: 'AppendSession', grpc_type: 'bidi_stream' };
  await until(
    async () =>
      (await pageOf(gateway)).value('grpc_server_handled_total', { ...labels, grpc_code: 'OK' }) === 1,
  );
  const page = await pageOf(gateway);
  expect(page.value('sluice_appends_total', { outcome: 'OK' })).toBe(5);
  expect(page.value('grpc_server_msg_received_total', labels)).toBe(5);
  const sent = page.value('grpc_server_msg_sent_total', labels) ?? 0;
  expect(sent).toBeGreaterThanOrEqual(1);
  expect(sent).toBeLessThanOrEqual(5);
});

test('reads: by outcome, with their events', async () => {
  await using gateway = await start();
  const { client } = gateway;
  const events = newEvents(5, 50);
  await client.append({ stream: 'r.1', events });
  await client.readStream({ stream: 'r.1', maxCount: 2n });
  await client.readAll();
  await client.readByCorrelation({ correlationId: 'nothing' });
  await client.listStreams();
  await client.getVersion({ stream: 'r.1' });
  await client.getCommit({ commitId: '0190f3a1-0000-7000-8000-000000000001' });
  await client.streams.get({ stream: 'r.1' });
  await client.serverInfo();
  await client.append({ stream: 'r.1', events: newEvents(1), validateOnly: true });
  await client.appendMulti({ appends: [{ stream: 'r.1', events: newEvents(1) }], validateOnly: true });
  const page = await pageOf(gateway);
  expect(page.value('sluice_appends_total', { outcome: 'OK' })).toBe(1);
  for (const rpc of [
    'Append',
    'AppendMulti',
    'ReadStream',
    'ReadAll',
    'ReadByCorrelation',
    'ListStreams',
    'GetVersion',
    'GetCommit',
    'GetStream',
    'GetServerInfo',
  ])
    expect({ rpc, ok: page.value('sluice_reads_total', { rpc, outcome: 'OK' }) }).toEqual({ rpc, ok: 1 });
  expect(page.value('sluice_read_events_total', { rpc: 'ReadStream' })).toBe(2);
  expect(page.value('sluice_read_events_total', { rpc: 'ReadAll' })).toBe(5);
  expect(page.value('sluice_read_bytes_total', { rpc: 'ReadAll' })).toBeGreaterThan(5 * 50);
  expect(page.value('sluice_replica_filled')).toBe(1);
  expect(page.value('sluice_replica_applied_position')).toBe(1);
});

test('controls: by kind and outcome', async () => {
  await using gateway = await start();
  const { client } = gateway;
  await client.append({ stream: 'k.1', events: newEvents(3) });
  await client.streams.truncate({ stream: 'k.1', beforeVersion: 2n });
  await client.streams.delete({ stream: 'k.1' });
  await client.streams.delete({ stream: 'k.2' }).catch(() => undefined);
  const page = await pageOf(gateway);
  const of = (control: string, outcome: string) =>
    page.value('sluice_stream_controls_total', { control, outcome });
  expect([of('truncate', 'OK'), of('delete', 'OK'), of('delete', 'STREAM_NOT_FOUND')]).toEqual([1, 1, 1]);
});

test('a caller that goes is counted as canceled, once', async () => {
  await using gateway = await start();
  const { client } = gateway;
  await client.append({ stream: 'c.1', events: newEvents(2) });
  for await (const { notice } of client.subscribe({ patterns: ['>'] })) {
    if (notice?.$case !== 'caughtUp') continue;
    const page = await pageOf(gateway);
    expect(page.value('sluice_subscriptions', { state: 'live' })).toBe(1);
    expect(page.value('sluice_subscriptions', { state: 'catching_up' })).toBe(0);
    expect(page.value('sluice_subscription_lag_commits', { state: 'live' })).toBe(0);
    expect(page.value('sluice_bound_usage', { bound: 'subscriptions_max' })).toBe(1);
    break;
  }
  await until(async () => (await pageOf(gateway)).value('sluice_subscriptions') === 0);
  const page = await pageOf(gateway);
  const subscribe = { grpc_method: 'Subscribe' };
  expect(page.value('grpc_server_handled_total', { ...subscribe, grpc_code: 'Canceled' })).toBe(1);
  expect(page.value('grpc_server_handled_total', subscribe)).toBe(1);
  expect(page.value('sluice_reads_total', { rpc: 'Subscribe' })).toBe(1);
  expect(page.value('sluice_read_events_total', { rpc: 'Subscribe' })).toBe(2);
});

test('what is refused, by bound, by limit, by cause and by action', async () => {
  const file = makeAuthFile({
    writer: {
      grants: [{ actions: ['append', 'read'], streams: ['w.>'] }],
      limits: { appends_per_s: 1 },
    },
  });
  await using gateway = await start(`--auth-file=${file.path}`, '--reads-max=1');
  using writer = connectRpc(gateway.address, file.tokenOf('writer'));
  using stranger = connectRpc(gateway.address, 'slc_wrong');
  const fail = async (call: Promise<unknown>): Promise<string | undefined> => (await failureOf(call)).reason;
  expect(await fail(gateway.client.getVersion({ stream: 'w.1' }))).toBe('UNAUTHENTICATED');
  expect(await fail(stranger.getVersion({ stream: 'w.1' }))).toBe('UNAUTHENTICATED');
  expect(await fail(writer.getVersion({ stream: 'x.1' }))).toBe('ACCESS_DENIED');
  await writer.append({ stream: 'w.1', events: newEvents(1) });
  expect(await fail(writer.append({ stream: 'w.1', events: newEvents(1) }))).toBe('QUOTA_EXCEEDED');
  const reads = await Promise.allSettled(
    Array.from({ length: 50 }, () => writer.readStream({ stream: 'w.1' })),
  );
  const refused = reads.filter(({ status }) => status === 'rejected').length;
  expect(refused).toBeGreaterThan(0);

  const page = await pageOf(gateway);
  expect(page.value('sluice_authentication_failures_total', { cause: 'missing' })).toBe(1);
  expect(page.value('sluice_authentication_failures_total', { cause: 'invalid' })).toBe(1);
  expect(page.value('sluice_access_denials_total', { action: 'read' })).toBe(1);
  expect(page.value('sluice_quota_refusals_total', { limit: 'appends_per_s' })).toBe(1);
  const byBound = page.value('sluice_refusals_total', { bound: 'reads_max' }) ?? 0;
  const byQuota = page.value('sluice_quota_refusals_total', { limit: 'reads' }) ?? 0;
  expect(byBound + byQuota).toBe(refused);
  expect(page.value('sluice_bound_limit', { bound: 'reads_max' })).toBe(1);
  expect(page.value('sluice_auth_file_generation')).toBe(1);
  expect(page.value('sluice_auth_file_last_reload_successful')).toBe(1);
  const ageS = Date.now() / 1_000 - (page.value('sluice_auth_file_loaded_timestamp_seconds') ?? 0);
  expect(ageS).toBeGreaterThanOrEqual(0);
  expect(ageS).toBeLessThan(60);

  file.write({ writer: { grants: [{ actions: ['nonsense'] }] } });
  await gateway.reload();
  const after = await pageOf(gateway);
  expect(after.value('sluice_auth_file_last_reload_successful')).toBe(0);
  expect(after.value('sluice_auth_file_generation')).toBe(1);
});

test('connections to NATS, and what they carried', async () => {
  await using own = await startNats();
  await using gateway = await startTestGateway([own.url], [anyPort], { metricsAgeMaxMs: ageMaxMs });
  const before = await pageOf(gateway);
  for (const role of ['append', 'read', 'tail']) {
    expect(before.value('sluice_nats_connections', { role })).toBe(1);
    expect(before.value('sluice_nats_connections_wanted', { role })).toBe(1);
    expect(before.value('sluice_nats_reconnects_total', { role })).toBe(0);
  }
  await own.kill();
  await until(async () => (await pageOf(gateway)).value('sluice_nats_connections') === 0);
  expect((await pageOf(gateway)).value('sluice_serving', { service: 'gateway' })).toBe(0);
  await own.start();
  await until(async () => (await pageOf(gateway)).value('sluice_nats_connections') === 3, 30_000);
  const after = await pageOf(gateway);
  for (const role of ['append', 'read', 'tail'])
    expect(after.value('sluice_nats_reconnects_total', { role })).toBeGreaterThanOrEqual(1);
  await until(async () => {
    const requests = (await pageOf(gateway)).value('sluice_nats_requests_total', { role: 'append' }) ?? 0;
    return requests > (before.value('sluice_nats_requests_total', { role: 'append' }) ?? 0);
  });
}, 60_000);

test('an append whose answer was lost is counted by what was found out', async () => {
  await using own = await startNats();
  await using gateway = await startTestGateway([own.url], [anyPort], { metricsAgeMaxMs: ageMaxMs });
  const { client } = gateway;
  await client.append({ stream: 'd.1', events: newEvents(1) });
  const sent = async (): Promise<number> =>
    (await pageOf(gateway)).value('sluice_nats_requests_total', { role: 'append' }) ?? 0;
  const sentBefore = await sent();
  own.pause();
  const appends = Array.from({ length: 20 }, (_, i) =>
    client.append({ stream: `d.${i.toString()}`, events: newEvents(1) }),
  );
  const outcomes = Promise.allSettled(appends);
  await until(async () => (await sent()) >= sentBefore + appends.length);
  await own.kill();
  await own.start();
  const results = await outcomes;
  const page = await pageOf(gateway);
  const [stored, notStored, unknown] = ['stored', 'not_stored', 'unknown'].map(
    (end) => page.value('sluice_append_doubts_total', { end }) ?? 0,
  );
  const failed = results.filter(({ status }) => status === 'rejected').length;
  expect((stored ?? 0) + (notStored ?? 0) + (unknown ?? 0)).toBeGreaterThan(0);
  expect(unknown).toBe(page.value('sluice_appends_total', { outcome: 'OUTCOME_UNKNOWN' }));
  expect((notStored ?? 0) + (unknown ?? 0)).toBeLessThanOrEqual(failed);
}, 60_000);

test('the metrics of several processes can be combined', async () => {
  await using gateway = await start();
  await gateway.client.append({ stream: 'e.1', events: newEvents(2) });
  await until(async () => (await pageOf(gateway)).value('sluice_replica_applied_position') === 1);
  const json = await gateway.metricsAsJson();
  const sum = AggregatorRegistry.aggregate([json, json] as never);
  const text = await sum.metrics();
  expect(text).toMatch(/^sluice_appended_events_total 4$/m);
  expect(text).toMatch(/^sluice_append_seconds_count 2$/m);
  expect(text).toMatch(/^sluice_replica_applied_position 1$/m);
  expect(text).toMatch(/^sluice_build_info\{.*\} 1$/m);
});
