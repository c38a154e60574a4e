import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import {
  Direction,
  ReadStreamRequest,
  type ReadStreamResponse,
} from '../../generated/sluice/v1/event_store_service';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { until } from '../support/nats-server';
import { messagesOf } from '../support/rpc-client';
import { failureOf, type RpcFailure } from '../support/rpc-failure';
import { startWithStranger, type WithStranger } from '../support/stranger';

/** A stranger publishes where only Sluice should: reads of that stream report it, and no other stream is affected. */

let setting: WithStranger;
beforeAll(async () => {
  setting = await startWithStranger();
});
afterAll(() => setting[Symbol.asyncDispose]());

const publish: WithStranger['publish'] = (...message) => setting.publish(...message);

function expectDataLoss(failure: RpcFailure, stream: string, position: bigint): void {
  expect({ code: failure.code, reason: failure.reason }).toEqual({
    code: status.DATA_LOSS,
    reason: 'UNREADABLE_COMMIT',
  });
  expect(failure.detail('sluice.v1.UnreadableCommit')).toEqual({ stream, position });
}

/** The messages that are published after one valid commit of two events. */
const intruders: Readonly<Record<string, (stream: string) => Promise<bigint>>> = {
  'text without headers': (stream) => publish(stream, '{"hello":"world"}'),
  'nothing at all': (stream) => publish(stream, ''),
  'headers of somebody else': (stream) => publish(stream, 'x', { 'Nats-Msg-Id': 'mine', 'X-Version': '3' }),
  'numbers that are not numbers': (stream) =>
    publish(stream, 'x', { 'Nats-Msg-Id': randomUUID(), 'Sluice-Version': 'three', 'Sluice-Count': '1' }),
  'numbers that do not fit together': (stream) =>
    publish(stream, 'x', { 'Nats-Msg-Id': randomUUID(), 'Sluice-Version': '3', 'Sluice-Count': '9' }),
};

describe.each(Object.entries(intruders))('%s', (name, intrude) => {
  const stream = `foreign.${name.replaceAll(' ', '-')}`;
  const correlationId = `correlation-${randomUUID()}`;
  let position: bigint;
  let ids: string[];
  beforeAll(async () => {
    const events = newEvents(2).map((event) => ({ ...event, correlationId }));
    ids = events.map(({ id }) => id);
    await setting.gateway.client.append({ stream, events });
    position = await intrude(stream);
  });

  test('reads of the stream say where the message is', async () => {
    const { client } = setting.gateway;
    const backward = { stream, direction: Direction.BACKWARD };
    for (const call of [
      client.readStream({ stream }),
      client.readStream(backward),
      client.getVersion({ stream }),
      client.append({ stream, events: newEvents(1) }),
      client.append({ stream, events: newEvents(1), expectedVersion: 2n }),
      client.append({ stream, events: newEvents(1), commitId: randomUUID() }),
      client.append({ stream, events: [] }),
    ]) {
      expectDataLoss(await failureOf(call), stream, position);
    }
    const listed = await client.listStreams({ pattern: stream });
    expect(listed).toEqual([expect.objectContaining({ stream, version: 0n, position, unreadable: true })]);
  });

  test('other streams, listings, correlation and the index work', async () => {
    const { client } = setting.gateway;
    const neighbour = `${stream}.neighbour`;
    const events = newEvents(1).map((event) => ({ ...event, correlationId }));
    const appended = await client.append({ stream: neighbour, events, expectedVersion: 0n });
    expect(appended.version).toBe(1n);
    expect((await client.readStream({ stream: neighbour })).events).toHaveLength(1);
    expect(await client.getVersion({ stream: neighbour })).toMatchObject({ version: 1n });
    const listed = await client.listStreams({ pattern: 'foreign.>' });
    expect(listed).toContainEqual(
      expect.objectContaining({ stream: neighbour, version: 1n, unreadable: false }),
    );
    const correlated = await client.readByCorrelation({ correlationId });
    expect(correlated.events.map(({ id }) => id)).toEqual([...ids, events[0]?.id]);
  });
});

test('the replica has the log after foreign messages, for gateways that have nothing in memory', async () => {
  const { client } = setting.gateway;
  const correlationId = `correlation-${randomUUID()}`;
  await publish('index.first', 'x');
  const { position } = await client.append({
    stream: 'index.good',
    events: newEvents(1).map((event) => ({ ...event, correlationId })),
  });
  await publish('index.last', 'x');
  for (let i = 0; i < 100; i++) await client.append({ stream: 'index.noise', events: newEvents(1) });
  await until(async () => ((await client.serverInfo()).replica?.position ?? 0n) > position, 30_000);
  await using other = await startTestGateway([setting.natsUrl]);
  const { events } = await other.client.readByCorrelation({ correlationId });
  expect(events.map(({ stream }) => stream)).toEqual(['index.good']);
});

test('subjects that are not stream names are ignored', async () => {
  const { client } = setting.gateway;
  const good = 'odd.good';
  await client.append({ stream: good, events: newEvents(1) });
  for (const odd of [
    'odd.with$dollar',
    'odd.(round)',
    `odd.${Array.from({ length: 20 }, () => 'a').join('.')}`,
    'odd.ö',
  ]) {
    await publish(odd, 'x');
  }
  expect((await client.listStreams({ pattern: 'odd.>' })).map(({ stream }) => stream)).toEqual([good]);
  expect((await client.append({ stream: good, events: newEvents(1) })).version).toBe(2n);
});

test('a read returns everything before a body that is not a commit, then the error', async () => {
  const { client } = setting.gateway;
  const stream = 'forged.body';
  await client.append({ stream, events: newEvents(1) });
  const { position: previous } = await client.append({ stream, events: newEvents(1) });
  const position = await publish(stream, 'garbage', {
    'Nats-Msg-Id': randomUUID(),
    'Nats-Expected-Last-Subject-Sequence': previous.toString(),
    'Sluice-Version': '3',
    'Sluice-Count': '1',
  });
  const versions: bigint[] = [];
  const read = async (): Promise<void> => {
    const call = client.raw.readStream(ReadStreamRequest.fromPartial({ stream }));
    for await (const { events } of messagesOf<ReadStreamResponse>(call)) {
      versions.push(...events.map(({ version }) => version));
    }
  };
  expectDataLoss(await failureOf(read()), stream, position);
  expect(versions).toEqual([1n, 2n]);
  expectDataLoss(await failureOf(client.readStream({ stream, fromVersion: 3n })), stream, position);
  const { events } = await client.readStream({ stream, toVersion: 2n });
  expect(events.map(({ version }) => version)).toEqual([1n, 2n]);
});
