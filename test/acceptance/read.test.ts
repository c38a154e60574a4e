import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { Direction, ReadEndReason, StreamState } from '../../generated/sluice/v1/event_store_service';
import { nanos, timestamp } from '../contract/contract-store';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { consumersOf, sumOver } from '../support/monitor';
import { replicated } from '../support/info-now';
import { until } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';
import { singleServer, type Environment } from './environment';
import { getVersion, versions } from './replicated-rows';

let server: Environment;
beforeAll(async () => {
  server = await singleServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test('test_get_version', () => getVersion(server));

test('test_empty_aggregate_read', async () => {
  const { client, nodes } = server;
  // That of the gateway itself, which may have to make another one after a restart.
  await until(async () => (await consumersOf(nodes)) === 1);
  const tookMs: number[] = [];
  for (let i = 0; i < 21; i++) {
    const stream = `nobody.${i}`;
    const startedAt = performance.now();
    const { header, events, end } = await client.readStream({ stream });
    tookMs.push(performance.now() - startedAt);
    expect({ header, events, end }).toEqual({
      header: {
        stream,
        version: 0n,
        position: 0n,
        commitTime: undefined,
        firstVersion: 0n,
        state: StreamState.UNSPECIFIED,
      },
      events: [],
      end: { reason: ReadEndReason.COMPLETE, eventCount: 0n, unreadableSkipped: 0n },
    });
  }
  expect(tookMs.sort((a, b) => a - b)[10]).toBeLessThan(50);
  expect(await consumersOf(nodes)).toBe(1);
  expect(await client.listStreams({ pattern: 'nobody.*' })).toEqual([]);
});

/** Ten events in commits of these sizes. */
const shapes = { single: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], mixed: [3, 4, 1, 2], whole: [10] };

/** from_version, to_version, backwards, max_count; the versions that must come, and why the read ends. */
const ranges: readonly [bigint, bigint, boolean, bigint, readonly bigint[], ReadEndReason][] = [
  [5n, 0n, false, 0n, versions(5n, 10n), ReadEndReason.COMPLETE],
  [0n, 0n, false, 0n, versions(1n, 10n), ReadEndReason.COMPLETE],
  [1n, 0n, false, 0n, versions(1n, 10n), ReadEndReason.COMPLETE],
  [10n, 0n, false, 0n, [10n], ReadEndReason.COMPLETE],
  [11n, 0n, false, 0n, [], ReadEndReason.COMPLETE],
  [2n ** 63n, 0n, false, 0n, [], ReadEndReason.COMPLETE],
  [5n, 7n, false, 0n, versions(5n, 7n), ReadEndReason.COMPLETE],
  [5n, 5n, false, 0n, [5n], ReadEndReason.COMPLETE],
  [5n, 99n, false, 0n, versions(5n, 10n), ReadEndReason.COMPLETE],
  [5n, 0n, false, 2n, [5n, 6n], ReadEndReason.MAX_COUNT],
  [5n, 0n, false, 99n, versions(5n, 10n), ReadEndReason.COMPLETE],
  [0n, 0n, true, 0n, versions(1n, 10n).reverse(), ReadEndReason.COMPLETE],
  [5n, 0n, true, 0n, versions(1n, 5n).reverse(), ReadEndReason.COMPLETE],
  [5n, 3n, true, 0n, [5n, 4n, 3n], ReadEndReason.COMPLETE],
  [99n, 9n, true, 0n, [10n, 9n], ReadEndReason.COMPLETE],
  [0n, 0n, true, 3n, [10n, 9n, 8n], ReadEndReason.MAX_COUNT],
];

test('test_read_from_version', async () => {
  const { client } = server;
  for (const [shape, sizes] of Object.entries(shapes)) {
    const stream = `from-version.${shape}`;
    const sent = newEvents(10);
    let at = 0;
    for (const size of sizes) {
      await client.append({ stream, events: sent.slice(at, at + size) });
      at += size;
    }
    for (const [fromVersion, toVersion, backward, maxCount, expected, reason] of ranges) {
      const direction = backward ? Direction.BACKWARD : Direction.FORWARD;
      const { events, end, header } = await client.readStream({
        stream,
        fromVersion,
        toVersion,
        direction,
        maxCount,
      });
      const range = { fromVersion, toVersion, backward, maxCount };
      expect({ ...range, versions: events.map(({ version }) => version) }).toEqual({
        ...range,
        versions: expected,
      });
      expect(events.map(({ id }) => id)).toEqual(expected.map((version) => sent[Number(version) - 1]?.id));
      expect(end.reason).toBe(reason);
      expect(header.version).toBe(10n);
    }
    const reversed = await failureOf(client.readStream({ stream, fromVersion: 5n, toVersion: 4n }));
    expect(reversed.code).toBe(status.INVALID_ARGUMENT);
    expect(reversed.detail('google.rpc.BadRequest')?.fieldViolations.map(({ field }) => field)).toEqual([
      'to_version',
    ]);
  }
});

test('test_read_by_correlation', async () => {
  const { client, nodes } = server;
  const correlationId = `order-${randomUUID()}`;
  const ask = async (): Promise<readonly RecordedEvent[]> =>
    (await client.readByCorrelation({ correlationId })).events;
  const expected: { stream: string; id: string; position: bigint }[] = [];
  for (const stream of ['correlation.a', 'correlation.b', 'correlation.c']) {
    const [event] = newEvents(1);
    const events = [...newEvents(2), { ...event, correlationId }, ...newEvents(2)];
    const { position } = await client.append({ stream, events });
    expected.push({ stream, id: event?.id ?? '', position });
    // At once after the append, before anything can be replicated.
    expect(
      (await ask()).map(({ stream: of, id, position: at }) => ({ stream: of, id, position: at })),
    ).toEqual(expected);
    await client.append({ stream: 'correlation.foreign', events: newEvents(3) });
  }
  expect((await client.readByCorrelation({ correlationId: 'never-used' })).events).toEqual([]);

  // The cost is counted in messages that NATS sends, which cannot depend on how busy the machine is.
  const costs: number[] = [];
  for (const commits of [500, 5_000]) {
    for (let at = 0; at < commits; at += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          client.append({ stream: `correlation.noise.${index}`, events: newEvents(1) }),
        ),
      );
    }
    await replicated(client, 30_000);
    // A gateway that has appended none of them, so that it has nothing in memory.
    await using other = await startTestGateway(server.urls);
    const before = await sumOver(nodes, 'read', 'out_msgs');
    const { events } = await other.client.readByCorrelation({ correlationId });
    expect(events.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    costs.push((await sumOver(nodes, 'read', 'out_msgs')) - before);
  }
  // The three commits, and index records: 64 of the newest at most, and what their buckets hold.
  for (const cost of costs) expect(cost).toBeLessThan(150);
}, 120_000);

test('test_read_by_time_range', async () => {
  const { client } = server;
  const stream = 'time-range';
  const longAgo = '1999-12-31T23:59:59Z';
  const startNanos = BigInt(Date.now()) * 1_000_000n;
  for (let i = 0; i < 5; i++) {
    if (i > 0) await sleep(100);
    // What a producer thinks of the time does not count.
    const metadata = new Map([['timestamp', longAgo]]);
    await client.append({ stream, events: [{ type: 'T', metadata }] });
  }
  const all = (await client.readStream({ stream })).events;
  const times = all.map(({ commitTime }) => nanos(commitTime) ?? 0n);
  const [, second = 0n, , fourth = 0n] = times;
  for (const [index, time] of times.entries()) {
    expect(time).toBeGreaterThanOrEqual(index === 0 ? startNanos : (times[index - 1] ?? 0n) + 95_000_000n);
  }
  const read = async (from?: bigint, to?: bigint): Promise<bigint[]> => {
    const range = { fromTime: timestamp(from), toTime: timestamp(to) };
    return (await client.readStream({ stream, ...range })).events.map(({ version }) => version);
  };
  expect(await read(second, fourth)).toEqual([2n, 3n, 4n]);
  expect(await read(second + 1n, fourth)).toEqual([3n, 4n]);
  expect(await read(second, fourth - 1n)).toEqual([2n, 3n]);
  expect(await read(second, second)).toEqual([2n]);
  expect(await read(undefined, second)).toEqual([1n, 2n]);
  expect(await read(fourth)).toEqual([4n, 5n]);
  expect(await read(startNanos, times[4])).toEqual(versions(1n, 5n));
  expect(await read((times[4] ?? 0n) + 1n)).toEqual([]);
  expect(await read(undefined, BigInt(Date.parse(longAgo)) * 1_000_000n)).toEqual([]);

  const reversed = await failureOf(
    client.readStream({ stream, fromTime: timestamp(fourth), toTime: timestamp(second) }),
  );
  expect(reversed.code).toBe(status.INVALID_ARGUMENT);
  expect(reversed.detail('google.rpc.BadRequest')?.fieldViolations.map(({ field }) => field)).toEqual([
    'to_time',
  ]);
});

test('test_multiple_aggregates_isolation', async () => {
  const { client } = server;
  const streams = [
    'iso',
    'iso.a',
    'iso.a.b',
    'iso.ab',
    'iso.a-b',
    'iso.A',
    'iso.a.b.c',
    'is',
    'iso.aa',
    'iso-a',
  ];
  const sent = new Map(streams.map((stream) => [stream, [] as string[]]));
  for (let round = 0; round < 5; round++) {
    for (const stream of round % 2 === 0 ? streams : streams.toReversed()) {
      const events = newEvents(1);
      await client.append({ stream, events, expectedVersion: BigInt(round) });
      sent.get(stream)?.push(events[0]?.id ?? '');
    }
  }
  for (const [stream, ids] of sent) {
    const { events } = await client.readStream({ stream });
    expect(events.map((event) => event.stream)).toEqual(ids.map(() => stream));
    expect(events.map(({ id }) => id)).toEqual(ids);
    expect(events.map(({ version }) => version)).toEqual(versions(1n, 5n));
    const backward = await client.readStream({ stream, direction: Direction.BACKWARD });
    expect(backward.events.map(({ id }) => id)).toEqual(ids.toReversed());
    expect((await client.getVersion({ stream })).version).toBe(5n);
  }
});
