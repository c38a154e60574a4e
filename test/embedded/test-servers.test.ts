import { existsSync, readFileSync } from 'node:fs';
import { connect, StorageType, type NatsConnection } from 'nats';
import { freePorts } from '../support/free-ports';
import { startCluster, startNats, until, type TestNats } from '../support/nats-server';

/** The servers that other tests use, and their faults. */
function connected(servers: string | readonly string[]): Promise<NatsConnection> {
  return connect({ servers: [servers].flat(), timeout: 2_000, reconnect: false });
}

/** Whether it answers a round trip in time. */
async function answers({ url }: TestNats): Promise<boolean> {
  const connection = await connect({ servers: url, timeout: 500, reconnect: false }).catch(() => undefined);
  await connection?.close();
  return connection !== undefined;
}

describe('a single server', () => {
  test('serves JetStream with the given options, and leaves nothing behind', async () => {
    const [port] = await freePorts(1);
    const nats = await startNats({
      port: port as number,
      sync: 'always',
      maxPayloadBytes: 2_048,
      extraConfig: 'max_subscriptions: 7',
    });
    const { pid, dataDir } = nats;
    {
      await using server = nats;
      expect(server.port).toBe(port);
      expect(await server.monitor('/varz')).toMatchObject({
        port,
        max_payload: 2_048,
        max_subscriptions: 7,
        jetstream: { config: { sync_always: true } },
      });
    }
    expect(() => process.kill(pid as number, 0)).toThrow('ESRCH');
    expect(existsSync(dataDir)).toBe(false);
  });

  test('keeps its data and port over kill, stop and restart', async () => {
    await using nats = await startNats();
    const first = await connected(nats.url);
    await (await first.jetstreamManager()).streams.add({ name: 'S', subjects: ['s'] });
    await first.jetstream().publish('s', 'kept');
    await nats.kill();
    expect(nats.pid).toBeUndefined();
    expect(await answers(nats)).toBe(false);
    await nats.start();
    await expect(nats.start()).rejects.toThrow('runs already');
    await nats.stop();
    expect(await answers(nats)).toBe(false);
    await nats.start();
    await nats.restart();
    const last = await connected(nats.url);
    const message = await (await last.jetstreamManager()).streams.getMessage('S', { seq: 1 });
    expect(message.string()).toBe('kept');
    await last.close();
  });

  test('answers nothing while it is paused, and can be ended then', async () => {
    await using nats = await startNats();
    nats.pause();
    expect(await answers(nats)).toBe(false);
    nats.resume();
    expect(await answers(nats)).toBe(true);
    nats.pause();
    await nats.stop();
    expect(nats.pid).toBeUndefined();
  });

  test('says why it does not start', async () => {
    await expect(startNats({ extraConfig: 'max_payload: nonsense' })).rejects.toThrow(
      /ended with exit code 1: /,
    );
  });

  test('may require a login', async () => {
    await using nats = await startNats({ extraConfig: 'authorization { user: u, password: p }' });
    const connection = await connect({ servers: nats.url, user: 'u', pass: 'p' });
    await connection.jetstreamManager();
    await connection.close();
  });
});

test('free ports are all different, and none is one that an outgoing connection may take', async () => {
  const ports = [...(await freePorts(20)), ...(await freePorts(20))];
  expect(new Set(ports).size).toBe(40);
  const range = '/proc/sys/net/ipv4/ip_local_port_range';
  const [first = 49_152] = existsSync(range) ? readFileSync(range, 'utf8').split('\t').map(Number) : [];
  for (const port of ports) expect(port).toBeLessThan(first);
});

test('a cluster keeps three copies, works without a node, and settles when the node is back', async () => {
  await using cluster = await startCluster();
  const connection = await connected(cluster.urls);
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'S', subjects: ['s'], num_replicas: 3, storage: StorageType.File });
  await connection.jetstream().publish('s');
  await connection.close();

  const [node, other] = cluster.nodes as [TestNats, TestNats, TestNats];
  await node.kill();
  const survivor = await connected(other.url);
  // A new leader may have to be elected first.
  await until(
    () =>
      survivor
        .jetstream()
        .publish('s', '', { timeout: 1_000 })
        .then(
          () => true,
          () => false,
        ),
    30_000,
  );
  await survivor.close();

  await node.start();
  await cluster.settled();
  const back = await connected(node.url);
  expect((await (await back.jetstreamManager()).streams.info('S')).cluster?.replicas).toHaveLength(2);
  await back.close();
});
