import { randomUUID } from 'node:crypto';
import { connect, type JetStreamManager } from 'nats';
import { all, failureOf } from '../client/outcomes';
import { connect as connectClient, StoreMismatchError } from '../../src/client/client';
import { logConfig } from '../../src/jetstream/nats/open-stream';
import { defaultLimits } from '../../src/limits';
import { newEvents } from '../support/attempts';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { infoNow } from '../support/info-now';
import { startNats, until } from '../support/nats-server';

/** A store is known by an id, so that a position is not taken for one of another store. */

async function withNats(test: (url: string, manager: JetStreamManager) => Promise<void>): Promise<void> {
  await using nats = await startNats();
  const connection = await connect({ servers: nats.url });
  try {
    await test(nats.url, await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
}

test('a store gets an id when it is created, and keeps it', () =>
  withNats(async (url, { streams }) => {
    const ids: (string | undefined)[] = [];
    for (let start = 0; start < 2; start++) {
      await using gateway = await startTestGateway([url]);
      await using other = await startTestGateway([url]);
      for (const { client } of [gateway, other]) ids.push((await client.serverInfo()).store?.storeId);
    }
    const { metadata } = (await streams.info('EVENTS')).config;
    expect(metadata?.['sluice-store-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(new Set(ids)).toEqual(new Set([metadata?.['sluice-store-id']]));
  }));

test('a store without an id is served, matches no id, and can be given one while it is served', () =>
  withNats(async (url, { streams }) => {
    const { config } = await createWithoutId(url);
    await using gateway = await startTestGateway([url], ['--create-store=false']);
    using client = connectClient(gateway.address);
    await client.append('a.1', [{ type: 'A' }]);
    const read = client.readAll();
    expect(await all(read)).toHaveLength(1);
    expect(read.head.storeId).toBe('');
    expect(await failureOf(all(client.readAll({ after: '0@any' })))).toMatchObject({
      code: 'STORE_MISMATCH',
      expected: 'any',
      actual: '',
    });
    const storeId = randomUUID();
    await streams.update('EVENTS', { ...config, metadata: { 'sluice-store-id': storeId } });
    expect((await infoNow(gateway.client)).store?.storeId).toBe(storeId);
    expect(await all(client.readAll({ after: `0@${storeId}` }))).toHaveLength(1);

    async function createWithoutId(server: string): Promise<Awaited<ReturnType<typeof streams.info>>> {
      const connection = await connect({ servers: server });
      const wanted = logConfig({ name: 'EVENTS', prefix: 'es', replicas: 1 }, defaultLimits);
      await connection.request('$JS.API.STREAM.CREATE.EVENTS', JSON.stringify(wanted));
      await connection.close();
      return streams.info('EVENTS');
    }
  }));

test('a subscription that resumes at another store fails, and skips nothing', () =>
  withNats(async (url, { streams }) => {
    let gateway = await startGatewayProcess([url]);
    const { address } = gateway;
    using client = connectClient(address);
    await gateway.client.append({ stream: 'a.1', events: newEvents(5) });
    const subscription = client.subscribe();
    const taken: string[] = [];
    const following = failureOf(
      (async () => {
        for await (const { id } of subscription) taken.push(id);
      })(),
    );
    await until(() => taken.length === 5);
    const storeId = subscription.cursor?.split('@')[1];
    await gateway[Symbol.asyncDispose]();
    await streams.delete('EVENTS');
    gateway = await startGatewayProcess([url], [], Number(address.split(':')[1]));
    try {
      await gateway.client.append({ stream: 'a.1', events: newEvents(9) });
      const error = await following;
      expect(error).toBeInstanceOf(StoreMismatchError);
      expect(error).toMatchObject({ expected: storeId });
      expect(taken).toHaveLength(5);
      // A new loop reads the other store.
      expect(await all(client.readAll())).toHaveLength(9);
    } finally {
      await gateway[Symbol.asyncDispose]();
    }
  }));
