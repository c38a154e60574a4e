import { connect } from 'nats';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startCluster, until } from '../support/nats-server';

test('acknowledged appends are visible after the store got more replicas under running gateways', async () => {
  await using cluster = await startCluster(3);
  const [first, second, third] = cluster.urls as [string, string, string];
  await using writing = await startTestGateway([first], ['--store-replicas=1']);
  await using reading = await startTestGateway([second], ['--store-replicas=1']);
  const [writer, reader] = [writing.client, reading.client];
  await writer.append({ stream: 'kept.1', events: newEvents(1) });
  const connection = await connect({ servers: third });
  const { streams } = await connection.jetstreamManager();
  await streams.update('EVENTS', { num_replicas: 3 });
  await until(async () => {
    const { cluster: placed } = await streams.info('EVENTS');
    return placed?.replicas?.length === 2 && placed.replicas.every(({ current }) => current);
  }, 60_000);
  await connection.close();
  let stale = 0;
  for (let i = 0; i < 500; i++) {
    const stream = `edited.${(i % 5).toString()}`;
    const { version } = await writer.append({ stream, events: newEvents(1) });
    if ((await reader.getVersion({ stream })).version !== version) stale++;
    const { events } = await reader.readStream({ stream, fromVersion: version });
    if (events.length !== 1) stale++;
    const all = await reader.readAll({ patterns: [stream] });
    if (all.events.length !== Number(version)) stale++;
  }
  expect(stale).toBe(0);
}, 180_000);
