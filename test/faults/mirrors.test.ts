import { connect, type StreamConfig } from 'nats';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { metricsOf } from '../support/metrics-page';
import { startCluster, startNats, until } from '../support/nats-server';
import { Direction } from '../../generated/sluice/v1/event_store_service';

/**
 * A mirror of the log in its account answers requests that are meant for the log, without the headers of a commit.
 * The gateway still serves only what the log has.
 */

const rounds = 10;

/** Creates mirrors of a log, and waits until they are complete. */
async function mirror(
  url: string,
  streams: readonly Partial<StreamConfig>[],
  messages: readonly number[],
): Promise<void> {
  const connection = await connect({ servers: url });
  const { streams: api } = await connection.jetstreamManager();
  for (const [index, fields] of streams.entries()) {
    await api.add({ name: `MIRROR_${index.toString()}`, ...fields });
  }
  for (const [index, count] of messages.entries()) {
    await until(async () => (await api.info(`MIRROR_${index.toString()}`)).state.messages === count, 20_000);
  }
  await connection.close();
}

/** Everything that reads, again and again, since the mirror answers only some of the requests. */
async function expectWholeStore(
  { client }: TestGateway,
  ids: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const all = [...ids.values()].flat();
  for (let round = 0; round < rounds; round++) {
    for (const [stream, expected] of ids) {
      const version = BigInt(expected.length);
      expect((await client.getVersion({ stream })).version).toBe(version);
      const { events, header } = await client.readStream({ stream });
      expect({ ids: events.map(({ id }) => id), version: header.version }).toEqual({
        ids: expected,
        version,
      });
      const backward = await client.readStream({ stream, direction: Direction.BACKWARD });
      expect(backward.events.map(({ id }) => id)).toEqual(expected.toReversed());
      const part = await client.readAll({ patterns: [stream] });
      expect(part.events.map(({ id }) => id)).toEqual(expected);
      const conflict = client.append({ stream, events: [], expectedVersion: version });
      expect((await conflict).version).toBe(version);
    }
    expect((await client.readAll()).events.map(({ id }) => id)).toEqual(all);
    const backward = await client.readAll({ direction: Direction.BACKWARD });
    expect(backward.events.map(({ id }) => id)).toEqual(all.toReversed());
    const listed = await client.listStreams();
    expect(listed.map(({ stream, version }) => [stream, Number(version)])).toEqual(
      [...ids].map(([stream, expected]) => [stream, expected.length]),
    );
    const correlated = await client.readByCorrelation({ correlationId: 'all' });
    expect(correlated.events.map(({ id }) => id)).toEqual(all);
    expect((await client.getVersion({ stream: 'nothing' })).version).toBe(0n);
  }
}

/** Two streams of several commits, one of which is in parts. Resolves with the ids of their events, in order. */
async function fill({ client }: TestGateway): Promise<Map<string, string[]>> {
  const ids = new Map<string, string[]>();
  for (const stream of ['left.1', 'right.1']) {
    const sent: string[] = [];
    for (const events of [newEvents(2), newEvents(3), newEvents(4, 300_000), newEvents(1)]) {
      const correlated = events.map((event) => ({ ...event, correlationId: 'all' }));
      await client.append({ stream, events: correlated });
      sent.push(...events.map(({ id }) => id));
    }
    ids.set(stream, sent);
  }
  return ids;
}

const whole = { mirror: { name: 'EVENTS' } };
const onlyLeft = { mirror: { name: 'EVENTS', filter_subject: 'es.left.>' } };
const onlyNothing = { mirror: { name: 'EVENTS', filter_subject: 'es.nothing.>' } };

test('with one replica, a whole mirror and two filtered ones', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const ids = await fill(gateway);
  const log = (await gateway.client.serverInfo()).store?.messageCount ?? 0n;
  await mirror(nats.url, [whole, onlyLeft, onlyNothing], [Number(log), Number(log) / 2, 0]);
  await expectWholeStore(gateway, ids);
  await using other = await startTestGateway([nats.url]);
  const { store } = await other.client.serverInfo();
  expect(store?.log?.mirrors).toEqual(['MIRROR_0', 'MIRROR_1', 'MIRROR_2']);
}, 120_000);

test('a mirror that is made while the gateway runs is in the metrics, as long as it exists', async () => {
  await using nats = await startNats();
  const flags = ['--http-listen=127.0.0.1:0'];
  await using gateway = await startTestGateway([nats.url], flags, { mirrorsIntervalMs: 200 });
  const mirrors = async (): Promise<number | undefined> =>
    (await metricsOf(gateway.http)).value('sluice_log_mirrors');
  expect(await mirrors()).toBe(0);
  await mirror(nats.url, [whole], []);
  await until(async () => (await mirrors()) === 1);
  const connection = await connect({ servers: nats.url });
  await (await connection.jetstreamManager()).streams.delete('MIRROR_0');
  await connection.close();
  await until(async () => (await mirrors()) === 0);
});

test('a stream with the log among its sources does not answer instead of the log', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const ids = await fill(gateway);
  const log = Number((await gateway.client.serverInfo()).store?.messageCount);
  await mirror(nats.url, [{ sources: [{ name: 'EVENTS' }], allow_direct: true }], [log]);
  await expectWholeStore(gateway, ids);
  await using other = await startTestGateway([nats.url]);
  expect((await other.client.serverInfo()).store?.log?.mirrors).toEqual([]);
}, 120_000);

test('with three replicas', async () => {
  await using cluster = await startCluster();
  await using gateway = await startTestGateway(cluster.urls, ['--store-replicas=3']);
  const ids = await fill(gateway);
  const log = (await gateway.client.serverInfo()).store?.messageCount ?? 0n;
  await mirror(cluster.urls[0] ?? '', [whole, onlyLeft], [Number(log), Number(log) / 2]);
  await expectWholeStore(gateway, ids);
}, 180_000);
