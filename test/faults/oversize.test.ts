import { status } from '@grpc/grpc-js';
import type { DeepPartial, Event } from '../../generated/sluice/v1/event';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { failureOf, type RpcFailure } from '../support/rpc-failure';

/** What is too large is refused with the field at fault, its size and the limit. Nothing is stored, nothing else is affected. */

let nats: TestNats;
let gateway: TestGateway;
beforeAll(async () => {
  nats = await startNats({ maxPayloadBytes: 8_192 });
  gateway = await startTestGateway([nats.url]);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const text = (bytes: number): DeepPartial<Event> => ({
  type: 'T',
  payload: { $case: 'text', value: 'x'.repeat(bytes) },
});

/** Appends to a stream of one event, and expects that nothing is stored. */
async function refused(stream: string, events: DeepPartial<Event>[]): Promise<RpcFailure> {
  const { client } = gateway;
  const before = await client.append({ stream, events: newEvents(1) });
  const failure = await failureOf(client.append({ stream, events }));
  expect(failure.code).toBe(status.INVALID_ARGUMENT);
  expect(failure.reason).toBe('INVALID_REQUEST');
  expect(await client.getVersion({ stream })).toMatchObject({ version: 1n, position: before.position });
  expect((await client.append({ stream, events: newEvents(1) })).version).toBe(2n);
  expect((await client.readStream({ stream })).events).toHaveLength(2);
  return failure;
}

const violations = (failure: RpcFailure): Record<string, string> =>
  Object.fromEntries(
    failure
      .detail('google.rpc.BadRequest')
      ?.fieldViolations.map(({ field, description }) => [field, description]) ?? [],
  );

test('an event that is too large for one NATS message', async () => {
  const limit = (await gateway.client.serverInfo()).limits?.eventBytesMax ?? 0n;
  expect(limit).toBeLessThan(8_192n);
  const failure = await refused('oversize.event', [text(10), text(9_000), text(20), text(8_500)]);
  expect(Object.keys(violations(failure))).toEqual(['events[1]', 'events[3]']);
  expect(violations(failure)['events[1]']).toMatch(new RegExp(`\\b9\\d{3} bytes.*\\b${limit.toString()}\\b`));
});

test('the largest event that fits is stored, in one message and among others', async () => {
  const { client } = gateway;
  const limit = Number((await client.serverInfo()).limits?.eventBytesMax);
  const stream = 'oversize.fits';
  const { version: none } = await client.getVersion({ stream });
  expect(none).toBe(0n);
  // The bytes of the event without its text: measured, since the ids that the gateway fills in count as well.
  let bytes = limit;
  while (
    !(await client.append({ stream, events: [text(bytes)] }).then(
      () => true,
      () => false,
    ))
  )
    bytes--;
  expect(bytes).toBeGreaterThan(limit - 300);
  const { version } = await client.append({ stream, events: [text(10), text(bytes), text(bytes), text(10)] });
  expect(version).toBe(5n);
  const { events } = await client.readStream({ stream });
  expect(events.map(({ payload }) => payload?.value.length)).toEqual([bytes, 10, bytes, bytes, 10]);
});

test('a read begins at any version, wherever the messages of its commit end', async () => {
  const { client } = gateway;
  const stream = 'oversize.versions';
  // Five of these events fit into a message.
  const sent = Array.from({ length: 60 }, (_, commit) => newEvents(1 + ((commit * 7) % 16), 1_300));
  for (const events of sent) await client.append({ stream, events });
  const ids = sent.flat().map(({ id }) => id);
  for (const [index, id] of ids.entries()) {
    const version = BigInt(index + 1);
    const { events } = await client.readStream({ stream, fromVersion: version, toVersion: version });
    expect(events.map((event) => [event.version, event.id])).toEqual([[version, id]]);
  }
  for (const direction of [Direction.FORWARD, Direction.BACKWARD]) {
    const { events } = await client.readStream({ stream, direction });
    expect(events.map(({ id }) => id)).toEqual(direction === Direction.FORWARD ? ids : ids.toReversed());
  }
});

test('an append larger than the limit in all', async () => {
  const limits = (await gateway.client.serverInfo()).limits;
  expect(limits?.appendBytesMax).toBe(8n << 20n);
  const failure = await refused(
    'oversize.append',
    Array.from({ length: 1_300 }, () => text(7_000)),
  );
  expect(Object.keys(violations(failure))).toEqual(['events']);
  expect(violations(failure)['events']).toContain((8 << 20).toString());
});

test('an append of more events than the limit', async () => {
  const failure = await refused(
    'oversize.count',
    Array.from({ length: 10_001 }, () => ({ type: 'T' })),
  );
  expect(violations(failure)['events']).toBe('has more than the limit of 10000 events');
});

test('an append that needs more messages than NATS accepts in one batch', async () => {
  const failure = await refused(
    'oversize.messages',
    Array.from({ length: 1_400 }, () => text(5_000)),
  );
  expect(Object.keys(violations(failure))).toEqual(['events']);
});

test('a request larger than request_bytes_max is refused, and the connection stays open', async () => {
  const { client } = gateway;
  const stream = 'oversize.request';
  const failure = await failureOf(
    client.append({ stream, events: Array.from({ length: 4 }, () => text(5 << 20)) }),
  );
  expect(failure.code).toBe(status.INVALID_ARGUMENT);
  expect(Object.keys(violations(failure))).toEqual(['request']);
  expect((await client.getVersion({ stream })).version).toBe(0n);
});
