import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SubscribeResponse } from '../../generated/sluice/v1/event_store_service';
import { timestamp } from '../contract/contract-store';
import { newEvents } from '../support/attempts';
import { startGatewayProcess } from '../support/gateway';
import { consumersOf } from '../support/monitor';
import { until } from '../support/nats-server';
import { residentBytes } from '../support/resident-memory';
import { singleServer, type Environment } from './environment';
import { followThroughFailures } from './follow-rows';

let server: Environment;
beforeAll(async () => {
  server = await singleServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test('test_follow_through_failures', () => followThroughFailures(server, 100_000), 300_000);

test('test_append_to_delivery', async () => {
  const { client, nodes } = server;
  // A gateway that was killed leaves its consumer to the server for some seconds.
  await until(async () => (await consumersOf(nodes)) === 1, 30_000);
  const stream = 'delivery';
  const sentAt = new Map<string, number>();
  const tookMs: number[] = [];
  const updates = client.subscribe({ stream });
  for (let caughtUp = false; !caughtUp;) {
    const { value } = await updates.next();
    caughtUp = value?.notice?.$case === 'caughtUp';
  }
  for (let i = 0; i < 500; i++) {
    const events = newEvents(1);
    sentAt.set(events[0]?.id ?? '', performance.now());
    const appended = client.append({ stream, events });
    const { value } = await updates.next();
    const id = value?.events[0]?.id ?? '';
    tookMs.push(performance.now() - (sentAt.get(id) ?? NaN));
    await appended;
  }
  expect(await consumersOf(nodes)).toBe(1);
  await updates.return();
  tookMs.sort((a, b) => a - b);
  const [p50, p99] = [tookMs[250] ?? NaN, tookMs[495] ?? NaN];
  process.stdout.write(`append to delivery: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms\n`);
  expect(p50).toBeLessThan(250);
});

test('test_follow_patterns_times_and_filters', async () => {
  const { client } = server;
  const write = async (round: string): Promise<bigint> => {
    await client.append({ stream: 'shop.order.1', events: [{ id: `${round}-1`, type: 'OrderPlaced' }] });
    await client.append({ stream: 'shop.invoice.7', events: [{ id: `${round}-2`, type: 'InvoiceSent' }] });
    const last = await client.append({
      stream: 'shop.order.1',
      events: [
        { id: `${round}-3`, type: 'OrderPaid' },
        { id: `${round}-4`, type: 'Noted' },
      ],
      withCommitTime: true,
    });
    const { seconds = 0n, nanos = 0 } = last.commitTime ?? {};
    return seconds * 1_000_000_000n + BigInt(nanos);
  };
  await write('early');
  const from = await write('middle');
  const idsOf = async (request: Parameters<typeof client.subscribe>[0], count: number): Promise<string[]> => {
    const ids: string[] = [];
    for await (const { events } of client.subscribe(request)) {
      ids.push(...events.map(({ id }) => id));
      if (ids.length >= count) break;
    }
    return ids;
  };
  expect(await idsOf({ patterns: ['shop.order.*'], fromTime: timestamp(from) }, 2)).toEqual([
    'middle-3',
    'middle-4',
  ]);
  const live = [
    idsOf({ patterns: ['shop.>'], fromTime: timestamp(from) }, 6),
    idsOf({ patterns: ['shop.*.1', 'shop.invoice.*'], eventTypePrefixes: ['Order'] }, 6),
    idsOf({ stream: 'shop.invoice.7', eventTypes: ['InvoiceSent'] }, 3),
  ];
  await write('late');
  expect(await Promise.all(live)).toEqual([
    ['middle-3', 'middle-4', 'late-1', 'late-2', 'late-3', 'late-4'],
    ['early-1', 'early-3', 'middle-1', 'middle-3', 'late-1', 'late-3'],
    ['early-2', 'middle-2', 'late-2'],
  ]);
});

const stallMs = 30_000;
const manyEvents = 50_000;

test('test_slow_subscriber', async () => {
  const { urls } = server;
  await using gateway = await startGatewayProcess(urls);
  const { client, process: gatewayProcess } = gateway;
  const stream = 'slow';
  const started = client.subscribe({ stream });
  const kinds: string[] = [];
  const versions: bigint[] = [];
  const take = ({ events, notice }: SubscribeResponse): void => {
    if (notice !== undefined) kinds.push(notice.$case);
    versions.push(...events.map(({ version }) => version));
  };
  while (!kinds.includes('caughtUp')) take((await started.next()).value as SubscribeResponse);
  const before = residentBytes(gatewayProcess.pid);
  let quick = 0;
  const other = client.subscribe({ stream });
  const reading = (async () => {
    while (quick < manyEvents) quick += ((await other.next()).value as SubscribeResponse).events.length;
  })();
  const stalledAt = Date.now();
  for (let i = 0; i < manyEvents; i += 50) await client.append({ stream, events: newEvents(50, 1_000) });
  await reading; // while the slow one has taken nothing
  const after = residentBytes(gatewayProcess.pid);
  await sleep(stalledAt + stallMs - Date.now());
  kinds.length = 0;
  while (versions.length < manyEvents) take((await started.next()).value as SubscribeResponse);
  expect(versions).toEqual(Array.from({ length: manyEvents }, (_, index) => BigInt(index + 1)));
  expect(kinds).toContain('fellBehind');
  while (!kinds.includes('caughtUp')) take((await started.next()).value as SubscribeResponse);
  // 50 MB were written meanwhile.
  expect(after - before).toBeLessThan(150 << 20);
  await Promise.all([started.return(), other.return()]);
  // One for each gateway.
  await until(async () => (await consumersOf(server.nodes)) === 2, 30_000);
}, 180_000);
