import { randomUUID } from 'node:crypto';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('event, correlation and causation ids belong to the event', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  const stream = 'ids';
  const root = randomUUID();
  const given = [
    // A root: both default to its own id.
    { id: root, type: 'Root' },
    // Caused by it, in the same append and in the same transaction.
    { id: randomUUID(), type: 'Effect', correlationId: root, causationId: root },
    // Caused by a command, and grouped by an id that is not a UUID.
    { id: 'order-17#2', type: 'Effect', correlationId: 'order-17', causationId: 'command:17' },
    // Another root within the same append, with nothing given.
    { type: 'Root' },
    { type: 'Root' },
  ];
  await client.append({ stream, events: given });
  const { events } = await client.readStream({ stream });
  const [first, second, third, fourth, fifth] = events.map(({ id, correlationId, causationId }) => ({
    id,
    correlationId,
    causationId,
  }));
  expect(first).toEqual({ id: root, correlationId: root, causationId: root });
  expect(second).toEqual({ id: given[1]?.id, correlationId: root, causationId: root });
  expect(third).toEqual({ id: 'order-17#2', correlationId: 'order-17', causationId: 'command:17' });
  for (const made of [fourth, fifth]) {
    expect(made?.id).toMatch(uuidV7);
    expect(made).toEqual({ id: made?.id, correlationId: made?.id, causationId: made?.id });
  }
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  // The same by correlation.
  const correlated = await client.readByCorrelation({ correlationId: root });
  expect(correlated.events).toEqual(events.slice(0, 2));
});

test('a commit has the same id through every gateway', async () => {
  await using nats = await startNats();
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const request = { stream: 'commits', events: [{ type: 'T' }], expectedVersion: 0n };
  const filledIn = await one.client.append(request);
  expect(filledIn.commitId).toMatch(uuidV7);
  const again = await other.client.append({ ...request, commitId: filledIn.commitId.toUpperCase() });
  expect(again).toEqual({ ...filledIn, replayed: true });
});
