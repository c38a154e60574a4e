import { createHash, randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus as Serving } from '../../generated/grpc/health/v1/health';
import type { DeepPartial, Event, RecordedEvent } from '../../generated/sluice/v1/event';
import { ReadEndReason, StreamState } from '../../generated/sluice/v1/event_store_service';
import { connect, OutcomeUnknownError } from '../../src/client/client';
import { historyFaults, type Attempt, type Outcome } from '../support/history';
import { attempt, newEvents } from '../support/attempts';
import { startGatewayProcess } from '../support/gateway';
import { consumersOf, sumOver } from '../support/monitor';
import { until } from '../support/nats-server';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';
import { serves, type Environment } from './environment';

/** The rows of the acceptance table that must hold on a single server and on three. Each throws if it does not. */

/** test_connect_to_cluster: the gateway goes on when any one of its servers is killed. */
export async function connectToCluster({ nodes, client, ...environment }: Environment): Promise<void> {
  expect(await client.health()).toBe(Serving.SERVING);
  expect(await client.health('sluice.v1.EventStoreService')).toBe(Serving.SERVING);
  const { store } = await client.serverInfo();
  expect(store?.replicas).toBe(nodes.length);
  for (const node of nodes) {
    const [detail] = await streamsOf(node);
    expect(detail).toMatchObject({ name: 'EVENTS', config: { num_replicas: nodes.length, storage: 'file' } });
  }

  const stream = 'connect';
  let version = 0n;
  const acknowledged: bigint[] = [];
  const append = async (): Promise<void> => {
    const answer = await client.append({ stream, events: [{ type: 'T' }], expectedVersion: version });
    ({ version } = answer);
    acknowledged.push(answer.position);
  };
  await append();
  for (const node of nodes) {
    await node.kill();
    // With one server nothing can go on without it.
    if (nodes.length === 1) await node.start();
    // A new leader may have to be elected first; what was not acknowledged meanwhile may be stored.
    await until(async () => {
      try {
        await append();
        return true;
      } catch {
        ({ version } = await client.getVersion({ stream }).catch(() => ({ version })));
        return false;
      }
    }, 30_000);
    await until(async () => (await client.health()) === Serving.SERVING, 30_000);
    const { events } = await client.readStream({ stream });
    expect(events.map((event) => event.version)).toEqual(versions(1n, version));
    expect(events.map(({ position }) => position)).toEqual(expect.arrayContaining(acknowledged));
    if (nodes.length > 1) await node.start();
    await environment.settled();
  }
}

/** The JetStream streams that a server holds, with their configuration. */
async function streamsOf(node: Environment['nodes'][number]): Promise<{ name: string }[]> {
  const { account_details: accounts } = await node.monitor('/jsz?streams=true&config=true');
  const [account] = accounts as { stream_detail: { name: string }[] }[];
  return (account?.stream_detail ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** test_single_event_lifecycle: what is written comes back equal. */
export async function singleEventLifecycle({ client }: Environment): Promise<void> {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const payloads = [
    { $case: 'binary' as const, value: everyByte },
    { $case: 'text' as const, value: '{"total":42,"name":"Жук 🐞"}' },
    undefined,
  ];
  for (const [index, payload] of payloads.entries()) {
    const stream = `lifecycle.${index}`;
    const event = {
      id: randomUUID(),
      type: 'OrderPlaced',
      payload,
      contentType: 'application/json; charset=utf-8',
      correlationId: `correlation-${randomUUID()}`,
      causationId: `causation-${randomUUID()}`,
      tags: ['eu', 'eu', 'größe', 'a b'],
      metadata: new Map([
        ['user', 'Ünal'],
        ['__proto__', 'kept'],
        ['empty', ''],
      ]),
    };
    const beforeMs = Date.now();
    const answer = await client.append({ stream, events: [event], withCommitTime: true });
    expect(answer).toMatchObject({ version: 1n, firstVersion: 1n, replayed: false });
    expect(answer.position).toBeGreaterThan(0n);
    expect(Number(answer.commitTime?.seconds) * 1_000).toBeGreaterThan(beforeMs - 2_000);
    expect(Number(answer.commitTime?.seconds) * 1_000).toBeLessThan(Date.now() + 2_000);

    const { header, events, end } = await client.readStream({ stream });
    const { position, commitTime } = answer;
    expect(events).toEqual([{ ...event, stream, version: 1n, position, commitTime, erased: false }]);
    expect(header).toEqual({ stream, version: 1n, position, commitTime, ...whole });
    expect(end.reason).toBe(ReadEndReason.COMPLETE);
  }
}

/** test_batch_append_small, _medium and _large: one append of many events, small ones and of 2 KB. */
export async function batchAppend({ client }: Environment, count: number): Promise<void> {
  for (const payloadBytes of [16, 2_048]) {
    const stream = `batch.${count}.${payloadBytes}`;
    const events = newEvents(count, payloadBytes).map((event, index) => ({
      ...event,
      metadata: new Map([['index', index.toString()]]),
    }));

    await expectNothingStored(client, stream, [...events.slice(1), { id: 'without a type' }]);
    const conflict = await failureOf(client.append({ stream, events, expectedVersion: 1n }));
    expect(conflict.code).toBe(status.ABORTED);
    expect((await client.getVersion({ stream })).version).toBe(0n);

    const answer = await client.append({ stream, events, expectedVersion: 0n });
    expect(answer).toMatchObject({ firstVersion: 1n, version: BigInt(count) });
    const read = await client.readStream({ stream });
    expect(read.events.map(({ version }) => version)).toEqual(versions(1n, BigInt(count)));
    expect(read.events.map(said)).toEqual(events.map(said));
    expect(new Set(read.events.map(({ position }) => position))).toEqual(new Set([answer.position]));

    // Not even a part of it when it comes second.
    await expectNothingStored(client, stream, [...events.slice(1), { id: 'without a type' }]);
    expect((await failureOf(client.append({ stream, events, expectedVersion: 0n }))).code).toBe(
      status.ABORTED,
    );
    expect((await client.getVersion({ stream })).version).toBe(BigInt(count));
  }
}

/** What an event says, short: to compare megabytes of Buffers byte by byte takes jest ten seconds. */
function said({
  id,
  type,
  payload,
  metadata,
}: Pick<RecordedEvent, 'id' | 'type' | 'payload' | 'metadata'>): string {
  const value = payload?.value ?? '';
  const hash = createHash('sha256').update(value).digest('hex');
  return [id, type, payload?.$case, value.length, hash, ...metadata].join(' ');
}

async function expectNothingStored(
  client: RpcClient,
  stream: string,
  events: DeepPartial<Event>[],
): Promise<void> {
  const before = await client.getVersion({ stream });
  expect((await failureOf(client.append({ stream, events }))).code).toBe(status.INVALID_ARGUMENT);
  expect(await client.getVersion({ stream })).toEqual(before);
}

const rounds = 8;
const rivals = 32;

/** test_first_write_wins: 32 appends that expect 0 at once, over eight channels to two gateways, each round a new stream. */
export async function firstWriteWins({ urls, flags }: Environment): Promise<void> {
  await using one = await startGatewayProcess(urls, flags);
  await using other = await startGatewayProcess(urls, flags);
  const clients = Array.from({ length: 8 }, (_, index) => connectRpc([one, other][index % 2]?.address ?? ''));
  try {
    for (let round = 0; round < rounds; round++) {
      // Every second round others write without any expectation at the same time.
      const mixed = round % 2 === 1;
      const stream = `first.${round}`;
      const attempts = await Promise.all(
        Array.from({ length: mixed ? rivals * 1.5 : rivals }, (_, index) =>
          attempt(clients[index % clients.length] as RpcClient, {
            stream,
            events: newEvents(1 + (index % 3)),
            expectedVersion: mixed && index % 3 === 0 ? undefined : 0n,
          }),
        ),
      );
      const { events } = await (clients[0] as RpcClient).readStream({ stream });
      expect(historyFaults(attempts, events)).toEqual([]);
      expectOneWinner(attempts, events[0]?.id);
    }
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
}

/** Of the appends that expected an empty stream one was stored, or none if another came first. */
function expectOneWinner(attempts: readonly Attempt[], firstId: string | undefined): void {
  const winners = attempts.filter(({ outcome }) => outcome.kind === 'stored' && outcome.firstVersion === 1n);
  expect(winners.map(({ eventIds }) => eventIds[0])).toEqual([firstId]);
  for (const { expectedVersion, outcome } of attempts) {
    if (expectedVersion === undefined) expect(outcome.kind).toBe('stored');
    else if (outcome.kind === 'refused') expect(outcome.actualVersion).toBeGreaterThan(0n);
    else expect(outcome).toMatchObject({ kind: 'stored', firstVersion: 1n });
  }
}

const requests = 50;
/** The gateway looks at the end of the log now and then over the same connection. */
const othersMax = 10;

/** What can be read of a stream without controls, and of one that does not exist. */
const whole = { firstVersion: 1n, state: StreamState.ACTIVE };
const missing = { firstVersion: 0n, state: StreamState.UNSPECIFIED };

/** test_get_version: before, after 5, after a restart; one round trip; no consumer of its own. */
export async function getVersion(environment: Environment): Promise<void> {
  const { client, nodes } = environment;
  const stream = 'version';
  expect(await client.getVersion({ stream })).toEqual({
    version: 0n,
    position: 0n,
    commitTime: undefined,
    ...missing,
  });
  for (let i = 0; i < 5; i++) await client.append({ stream, events: newEvents(1) });
  const { header } = await client.readStream({ stream });
  const { position, commitTime } = header;
  expect(await client.getVersion({ stream })).toEqual({ version: 5n, position, commitTime, ...whole });

  const before = await sumOver(nodes, 'read', 'in_msgs');
  for (let i = 0; i < requests; i++) await client.getVersion({ stream });
  const asked = async (): Promise<number> => (await sumOver(nodes, 'read', 'in_msgs')) - before;
  await until(async () => (await asked()) >= requests);
  expect(await asked()).toBeLessThanOrEqual(requests + othersMax);
  // That of the gateway itself; others that were killed leave theirs for some seconds.
  await until(async () => (await consumersOf(nodes)) === 1, 30_000);

  await environment.restart();
  expect(await client.getVersion({ stream })).toEqual({ version: 5n, position, commitTime, ...whole });
}

/** All versions from one through another. */
export function versions(from: bigint, through: bigint): bigint[] {
  return Array.from({ length: Number(through - from) + 1 }, (_, index) => from + BigInt(index));
}

/** test_append_session: sessions through two gateways append to the same streams while a server is killed. */
export async function appendSessions(environment: Environment): Promise<void> {
  const { urls, flags, client, nodes } = environment;
  await using one = await startGatewayProcess(urls, flags);
  await using other = await startGatewayProcess(urls, flags);
  const attempts = new Map<string, Attempt[]>();
  const streams = Array.from({ length: 8 }, (_, i) => `sessions.${i}`);
  for (const stream of streams) attempts.set(stream, []);
  let acknowledged = 0;
  const run = async (address: string): Promise<void> => {
    const sluice = connect(address);
    await using session = sluice.appendSession({ pendingMax: 200 });
    const outcomes: Promise<void>[] = [];
    for (let i = 0; i < 3_000; i++) {
      await session.ready();
      const stream = streams[i % streams.length] as string;
      const eventIds = [randomUUID(), randomUUID()];
      const startedAt = performance.now();
      const appended = session.append(
        stream,
        eventIds.map((id) => ({ id, type: 'T' })),
      );
      const outcome = appended.then(
        (result): Outcome => ({ kind: 'stored', ...result }),
        (error: unknown): Outcome =>
          error instanceof OutcomeUnknownError
            ? { kind: 'unknown' }
            : { kind: 'refused', actualVersion: undefined },
      );
      outcomes.push(
        outcome.then((known) => {
          acknowledged++;
          const endedAt = performance.now();
          attempts
            .get(stream)
            ?.push({ eventIds, expectedVersion: undefined, startedAt, endedAt, outcome: known });
        }),
      );
    }
    await session.close();
    await Promise.all(outcomes);
    sluice.close();
  };
  const running = Promise.all([run(one.address), run(other.address)]);
  await until(() => acknowledged > 1_000, 30_000);
  await nodes[0]?.kill();
  await nodes[0]?.start();
  await running;
  await environment.settled();
  await serves(client);
  let stored = 0;
  for (const [stream, made] of attempts) {
    const { events } = await client.readStream({ stream });
    expect(historyFaults(made, events)).toEqual([]);
    stored += made.filter(({ outcome }) => outcome.kind === 'stored').length;
  }
  expect(stored).toBeGreaterThan(1_000);
}
