import { randomUUID } from 'node:crypto';
import { connect, type RecordedEvent } from '../../src/client/client';
import { insist, newEvents } from '../support/attempts';
import { consumersOf } from '../support/monitor';
import { until } from '../support/nats-server';
import { startRestartable } from '../support/restartable-gateway';
import type { Environment } from './environment';

const eventsPerCommit = 25;
const writers = 8;
const timeoutMs = 240_000;

/**
 * No gap and no repeat over all these events while writers append, servers are killed and started again, and the
 * subscriber's gateway is restarted twice.
 */
export async function followThroughFailures(environment: Environment, eventCount: number): Promise<void> {
  const { nodes, urls, flags, client: writing } = environment;
  await using gateway = await startRestartable([`--nats-url=${urls.join(',')}`, ...flags]);
  using client = connect(gateway.address);
  const received: RecordedEvent[] = [];
  let reconnects = 0;
  const leave = new AbortController();
  const following = follow();
  async function follow(): Promise<void> {
    const subscription = client.subscribe({ signal: leave.signal, onReconnect: () => reconnects++ });
    for await (const event of subscription) received.push(event);
  }
  const run = randomUUID();
  let written = 0;
  const writingAll = Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      while (written < eventCount) {
        written += eventsPerCommit;
        const events = newEvents(eventsPerCommit);
        const { outcome } = await insist([writing], { stream: `follow.${run}.${writer}`, events });
        if (outcome.kind !== 'stored') throw new Error(`an append was ${outcome.kind}`);
      }
    }),
  );

  const at = (share: number) => until(() => received.length >= share * eventCount, timeoutMs);
  for (const [index, share] of [0.15, 0.35].entries()) {
    await at(share);
    const node = nodes[index % nodes.length];
    await node?.kill();
    await node?.start();
    await environment.settled();
  }
  await at(0.55);
  await gateway.restart('SIGTERM');
  await at(0.75);
  await gateway.restart('SIGKILL');
  await writingAll;

  const { events } = await writing.readAll({});
  await until(() => received.length >= events.length, timeoutMs);
  expect(received.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
  expect(received.every(({ position }, index) => position === events[index]?.position)).toBe(true);
  expect(events.length).toBeGreaterThanOrEqual(eventCount);
  expect(reconnects).toBeGreaterThanOrEqual(2);
  leave.abort(new Error('enough'));
  await expect(following).rejects.toThrow('enough');
  // One for each gateway, and not that of the one that was killed.
  let consumers = -1;
  await until(async () => (consumers = await consumersOf(nodes)) === 2, 60_000).catch(() => {
    throw new Error(`there are still ${consumers} consumers`);
  });
}
