import { connect, DiscardPolicy, type StreamAPI, type StreamConfig } from 'nats';
import { encodeIndexRecord } from '../../src/jetstream/index-record';
import { newEvents } from '../support/attempts';
import { BulkLoad } from '../support/bulk';
import { startTestGateway } from '../support/gateway';
import { indexed } from '../support/info-now';
import { startNats, until, type TestNats } from '../support/nats-server';
import type { RpcClient } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';

/** A part of the index is gone, or is not what this gateway knows: a read has all events of its id, or it is an error. */

let nats: TestNats;
beforeEach(async () => {
  // Of such a server a record of the index takes few commits.
  nats = await startNats({ maxPayloadBytes: 4_096 });
});
afterEach(() => nats[Symbol.asyncDispose]());

async function withStreams<T>(use: (streams: StreamAPI) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: nats.url });
  try {
    return await use((await connection.jetstreamManager()).streams);
  } finally {
    await connection.close();
  }
}

const setIndex = (change: Partial<StreamConfig>): Promise<unknown> =>
  withStreams((streams) => streams.update('EVENTS_INDEX', change));

async function loaded(commits: number): Promise<BulkLoad> {
  const load = new BulkLoad(commits);
  await using gateway = await startTestGateway([nats.url]);
  await load.write(gateway.address);
  return load;
}

test('records that a limit has removed are noticed, and the index is made from the log again', async () => {
  const load = await loaded(4_000);
  const before = await withStreams(async (streams) => (await streams.info('EVENTS_INDEX')).state.messages);
  await setIndex({ max_msgs: Math.ceil(before / 2), discard: DiscardPolicy.Old });
  await expect(startTestGateway([nats.url])).rejects.toThrow(/EVENTS_INDEX .*max_msgs: found/s);
  await setIndex({ max_msgs: -1, discard: DiscardPolicy.New });
  await using gateway = await startTestGateway([nats.url]);
  expect(await load.incompleteIds(gateway.address, 3)).toEqual([]);
}, 240_000);

test('records that are gone from the middle are noticed too', async () => {
  const load = await loaded(4_000);
  await withStreams(async (streams) => {
    const { state } = await streams.info('EVENTS_INDEX');
    for (let sequence = state.first_seq + 1; sequence < state.last_seq; sequence += 4)
      await streams.deleteMessage('EVENTS_INDEX', sequence);
  });
  await using gateway = await startTestGateway([nats.url]);
  expect(await load.incompleteIds(gateway.address, 3)).toEqual([]);
}, 240_000);

/** Events of the id that are found; undefined: the store says that it cannot tell. */
async function found(client: RpcClient, correlationId: string): Promise<number | undefined> {
  try {
    return (await client.readByCorrelation({ correlationId })).events.length;
  } catch {
    return undefined;
  }
}

test('settings of the index that somebody has changed are told, and no read leaves anything out', async () => {
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  const append = async (count: number): Promise<void> => {
    const events = newEvents(1).map((event) => ({ ...event, correlationId: 'limited' }));
    for (let i = 0; i < count; i++) await client.append({ stream: `limited.${i}`, events });
  };
  // Two records of the index.
  for (let record = 0; record < 2; record++) {
    await append(100);
    await indexed(client, 60_000);
  }
  await setIndex({ max_msgs_per_subject: 1, discard: DiscardPolicy.Old });
  const wrongSettings = async (): Promise<string[]> => (await client.serverInfo()).store?.wrongSettings ?? [];
  await until(async () => (await wrongSettings()).length > 0);
  for (const line of ['discard: found "old", needed "new"', 'max_msgs_per_subject: found 1, needed -1'])
    expect(await wrongSettings()).toContain(`EVENTS_INDEX ${line}`);
  await append(100);
  await using other = await startTestGateway([nats.url]).catch(() => undefined);
  expect(other).toBeUndefined();
  expect([300, undefined]).toContain(await found(client, 'limited'));
  await setIndex({ max_msgs_per_subject: -1, discard: DiscardPolicy.New });
  await until(async () => (await found(client, 'limited')) !== undefined);
  await using another = await startTestGateway([nats.url]);
  for (const reader of [client, another.client]) expect(await found(reader, 'limited')).toBe(300);
  await until(async () => (await wrongSettings()).length === 0);
}, 60_000);

const nothing = Buffer.alloc(0);

/** As the index of another Sluice, which says that it has all of the log, and has nothing of it. */
async function publishRecord(subject: string): Promise<void> {
  const connection = await connect({ servers: nats.url });
  const body = encodeIndexRecord({ hashes: nothing, positions: nothing, after: 0n, through: 3n });
  await connection.jetstream().publish(subject, body);
  await connection.close();
}

test('an index of the first format may have gaps: it is made from the log again', async () => {
  const events = newEvents(1).map((event) => ({ ...event, correlationId: 'old' }));
  {
    await using gateway = await startTestGateway([nats.url]);
    for (let i = 0; i < 3; i++) await gateway.client.append({ stream: `old.${i}`, events });
  }
  await publishRecord('ix.es.key.fresh');
  await using gateway = await startTestGateway([nats.url]);
  expect(await found(gateway.client, 'old')).toBe(3);
});

test('an index of a newer format is refused', async () => {
  {
    await using gateway = await startTestGateway([nats.url]);
    await gateway.client.append({ stream: 'new.1', events: newEvents(1) });
  }
  await publishRecord('ix.es.v4.fresh');
  await expect(startTestGateway([nats.url])).rejects.toThrow(
    /the index EVENTS_INDEX has the format 4, of a newer Sluice; this one knows 3/,
  );
  await withStreams((streams) => streams.delete('EVENTS_INDEX'));
  await using gateway = await startTestGateway([nats.url]);
  expect(
    (await failureOf(gateway.client.append({ stream: 'new.1', events: newEvents(1), expectedVersion: 0n })))
      .code,
  ).toBe(10);
});
