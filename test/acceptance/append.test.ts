import { performance } from 'node:perf_hooks';
import { status } from '@grpc/grpc-js';
import { newEvents } from '../support/attempts';
import { infoNow } from '../support/info-now';
import { sumOver } from '../support/monitor';
import { until } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';
import { singleServer, type Environment } from './environment';
import { appendMultiThroughKills } from './multi-rows';
import {
  appendSessions,
  batchAppend,
  firstWriteWins,
  singleEventLifecycle,
  versions,
} from './replicated-rows';

let server: Environment;
beforeAll(async () => {
  server = await singleServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test('test_single_event_lifecycle', () => singleEventLifecycle(server));
test('test_batch_append_small', () => batchAppend(server, 10));
test('test_batch_append_medium', () => batchAppend(server, 100));
test('test_batch_append_large', () => batchAppend(server, 1_000));
test('test_first_write_wins', () => firstWriteWins(server), 120_000);
test('test_append_session', () => appendSessions(server), 120_000);
test('test_append_multi', () => appendMultiThroughKills(server), 180_000);

test('test_incremental_appends', async () => {
  const { client, nodes } = server;
  const stream = 'incremental';
  const costs: number[] = [];
  for (let batch = 1; batch <= 5; batch++) {
    const before = await sumOver(nodes, 'append', 'in_msgs');
    const { version } = await client.append({ stream, events: newEvents(10) });
    expect(version).toBe(BigInt(batch * 10));
    await until(async () => (await sumOver(nodes, 'append', 'in_msgs')) > before);
    costs.push((await sumOver(nodes, 'append', 'in_msgs')) - before);
  }
  const { events } = await client.readStream({ stream });
  expect(events.map(({ version }) => version)).toEqual(versions(1n, 50n));
  // One message to the store each, except for the first, which asks for the version; the index may add one at any time.
  expect(Math.min(...costs.slice(1))).toBe(1);
  expect(costs[4]).toBeLessThanOrEqual((costs[0] as number) + 1);
});

test('test_optimistic_concurrency_success', async () => {
  const { client } = server;
  const stream = 'occ.success';
  for (const expectedVersion of [0n, 1n]) {
    const { version } = await client.append({ stream, events: newEvents(1), expectedVersion });
    expect(version).toBe(expectedVersion + 1n);
  }
});

test('test_optimistic_concurrency_conflict', async () => {
  const { client } = server;
  const stream = 'occ.conflict';
  const events = newEvents(1);
  await client.append({ stream, events });
  const before = await infoNow(client);
  const failure = await failureOf(client.append({ stream, events: newEvents(3), expectedVersion: 0n }));
  expect(failure.code).toBe(status.ABORTED);
  expect(failure.detail('sluice.v1.VersionConflict')).toEqual({
    stream,
    expectedVersion: 0n,
    actualVersion: 1n,
    mustExist: false,
  });
  const info = failure.detail('google.rpc.ErrorInfo');
  expect(info).toMatchObject({ domain: 'sluice.v1', reason: 'VERSION_CONFLICT' });
  expect(Object.fromEntries(info?.metadata ?? [])).toEqual({ stream, expected: '0', actual: '1' });
  expect(failure.detail('google.rpc.PreconditionFailure')?.violations).toEqual([
    expect.objectContaining({ type: 'VERSION_CONFLICT', subject: stream }),
  ]);

  expect((await client.getVersion({ stream })).version).toBe(1n);
  expect((await client.readStream({ stream })).events.map(({ id }) => id)).toEqual([events[0]?.id]);
  expect((await infoNow(client)).store?.messageCount).toBe(before.store?.messageCount);
});

test('test_empty_event_batch', async () => {
  const { client } = server;
  const stream = 'empty-batch';
  const nothing = { version: 0n, firstVersion: 0n, position: 0n, replayed: false, commitId: '' };
  expect(await client.append({ stream, events: [] })).toMatchObject(nothing);
  expect(await client.append({ stream, events: [], expectedVersion: 0n })).toMatchObject(nothing);
  const { version, position } = await client.append({ stream, events: newEvents(3) });
  const before = await infoNow(client);
  for (const expectedVersion of [undefined, 3n]) {
    const answer = await client.append({ stream, events: [], expectedVersion, withCommitTime: true });
    expect(answer).toMatchObject({ ...nothing, version, position });
    expect(answer.commitTime).toEqual((await client.getVersion({ stream })).commitTime);
  }
  for (const expectedVersion of [0n, 2n, 4n]) {
    const failure = await failureOf(client.append({ stream, events: [], expectedVersion }));
    expect(failure.code).toBe(status.ABORTED);
    expect(failure.detail('sluice.v1.VersionConflict')).toEqual({
      stream,
      expectedVersion,
      actualVersion: 3n,
      mustExist: false,
    });
  }
  expect((await infoNow(client)).store?.messageCount).toBe(before.store?.messageCount);
});

test('test_high_volume_sequential', async () => {
  const { client } = server;
  const runs = [
    { name: '10,000 events one at a time', count: 10_000, batch: 1 },
    { name: '10,000 events in batches of 100', count: 10_000, batch: 100 },
    { name: '12,000 events in batches of 100', count: 12_000, batch: 100 },
  ];
  for (const { name, count, batch } of runs) {
    const stream = `volume.${count}.${batch}`;
    const all = newEvents(count, 64);
    const startedAt = performance.now();
    for (let at = 0; at < count; at += batch) {
      await client.append({ stream, events: all.slice(at, at + batch), expectedVersion: BigInt(at) });
    }
    const appendedAt = performance.now();
    const { events, header } = await client.readStream({ stream });
    const readAt = performance.now();
    expect(header.version).toBe(BigInt(count));
    expect(events.map(({ version }) => version)).toEqual(versions(1n, BigInt(count)));
    expect(events.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    const rate = (fromMs: number, toMs: number): string =>
      Math.round((count * 1_000) / (toMs - fromMs)).toString();
    process.stdout.write(
      `one server, synced every two minutes, ${name}: ${rate(startedAt, appendedAt)} events/s appended, ${rate(appendedAt, readAt)} read (the original: 167)\n`,
    );
  }
}, 240_000);
