import { Direction } from '../../generated/sluice/v1/event_store_service';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { connectionsOf, consumersOf, sumOver } from '../support/monitor';
import { replicated } from '../support/info-now';
import { startNats, until, type TestNats } from '../support/nats-server';
import { processes } from '../support/one-process';
import type { RpcClient } from '../support/rpc-client';
import { failureOf, RpcFailure } from '../support/rpc-failure';

/** The resources that a gateway uses at the server, and the cost of a call there, do not grow. */

const callsInAll = 10_000;
const inFlight = 32;

/** The resources of the gateway at the server. */
async function footprint(nats: TestNats): Promise<{
  readonly connections: readonly string[];
  readonly subscriptions: unknown;
  readonly consumers: number;
}> {
  const connections = await connectionsOf([nats]);
  const { subscriptions } = await nats.monitor('/subsz');
  return {
    connections: connections.map(({ name, subscriptions: of }) => `${name}: ${of}`),
    subscriptions,
    consumers: await consumersOf([nats]),
  };
}

/** The kinds of calls, in turns. */
const kinds: readonly ((client: RpcClient, stream: string, turn: number) => Promise<unknown>)[] = [
  (client, stream, turn) => client.append({ stream, events: newEvents(1 + (turn % 3)) }),
  (client, stream) => client.getVersion({ stream }),
  (client, stream) => client.readStream({ stream, maxCount: 20n }),
  (client, _stream, turn) => client.readStream({ stream: `nobody.${turn}` }),
  (client, stream) => client.append({ stream, events: newEvents(1) }),
  (client, stream) => failureOf(client.append({ stream, events: newEvents(1), expectedVersion: 1n })),
  // The caller leaves in the middle.
  (client, stream) => client.readStream({ stream }, { deadline: Date.now() + 2 }).catch(unlessRpc),
  (client, stream) => client.getVersion({ stream }),
  (client, stream) => client.readStream({ stream, maxCount: 5n, direction: Direction.BACKWARD }),
  (client, stream) => client.append({ stream, events: [] }),
  (client, stream) => client.append({ stream, events: newEvents(2) }),
  (client, _stream, turn) => client.readByCorrelation({ correlationId: `none-${turn}` }),
  (client, stream) => client.readAll({ patterns: [stream, 'nobody.*'], maxCount: 3n }),
];

function unlessRpc(error: unknown): void {
  if (!(error instanceof RpcFailure)) throw error;
}

function call(client: RpcClient, turn: number): Promise<unknown> {
  const kind = kinds[turn % kinds.length] as (typeof kinds)[number];
  return kind(client, `flat.${turn % 50}`, turn);
}

test('connections, subscriptions and consumers at the server stay the same over 10,000 mixed calls', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  for (let stream = 0; stream < 50; stream++) {
    await client.append({ stream: `flat.${stream}`, events: newEvents(2) });
  }
  const before = await footprint(nats);
  // Of several processes, each has its own.
  const connections = new Set(before.connections.map((text) => text.replace(/\d$/, 'n')));
  expect([...connections].sort()).toEqual(['append', 'read', 'tail'].map((role) => `sluice-${role}-0: n`));
  if (processes === 1) expect(before.connections).toHaveLength(3);
  expect(before.consumers).toBe(1);

  const during: unknown[] = [];
  let turn = 0;
  const work = async (): Promise<void> => {
    while (turn < callsInAll) {
      if (turn % 1_000 === 0) during.push(await footprint(nats));
      await call(client, turn++);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  expect(during.length).toBeGreaterThanOrEqual(10);
  for (const sample of [...during, await footprint(nats)]) expect(sample).toEqual(before);
}, 240_000);

const samples = 50;
/** The replica uses the same connections, in bursts: the cheapest of some rounds is the cost of the calls. */
const rounds = 4;
const othersMax = 5;

test('an append and GetVersion cost the same on a stream of 10 and of 100,000 events', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  const sizes = { short: 10, long: 100_000 };
  for (const [stream, events] of Object.entries(sizes)) {
    const batch = Math.min(events, 1_000);
    for (let at = 0; at < events; at += batch) await client.append({ stream, events: newEvents(batch) });
    // The answer has the last commit, which is the same for both.
    await client.append({ stream, events: newEvents(1) });
  }
  await replicated(client, 60_000);

  const seen = async (field: 'in_msgs' | 'out_bytes'): Promise<number> =>
    (await sumOver([nats], 'append', field)) + (await sumOver([nats], 'read', field));
  /** Messages that the gateway sends for some calls, and bytes that it gets. */
  const costOf = async (work: () => Promise<unknown>): Promise<{ messages: number; bytes: number }> => {
    const costs = { messages: Infinity, bytes: Infinity };
    for (let round = 0; round < rounds; round++) {
      const [messages, bytes] = [await seen('in_msgs'), await seen('out_bytes')];
      for (let i = 0; i < samples; i++) await work();
      await until(async () => (await seen('in_msgs')) - messages >= samples);
      costs.messages = Math.min(costs.messages, (await seen('in_msgs')) - messages);
      costs.bytes = Math.min(costs.bytes, (await seen('out_bytes')) - bytes);
    }
    return costs;
  };
  const requests: Record<string, (stream: string) => Promise<unknown>> = {
    getVersion: (stream) => client.getVersion({ stream }),
    append: (stream) => client.append({ stream, events: newEvents(1) }),
    conflict: (stream) =>
      failureOf(client.append({ stream, events: newEvents(1), expectedVersion: 2n ** 40n })),
  };
  for (const [name, request] of Object.entries(requests)) {
    const short = await costOf(() => request('short'));
    const long = await costOf(() => request('long'));
    const messages = Math.max(short.messages, long.messages);
    expect({ name, isFlat: messages <= samples + othersMax, messages }).toMatchObject({ name, isFlat: true });
    expect(long.bytes).toBeLessThan(2 * short.bytes);
  }
}, 240_000);
