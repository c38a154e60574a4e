import { status } from '@grpc/grpc-js';
import { connect, DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from 'nats';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';

/** Nothing expires, nobody deletes from an immutable store, and a store that would lose events is not served. */

let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

/** The configuration of a JetStream stream at the server. */
async function configOf(name: string): Promise<StreamConfig> {
  const connection = await connect({ servers: nats.url });
  try {
    const { streams } = await connection.jetstreamManager();
    return (await streams.info(name)).config;
  } finally {
    await connection.close();
  }
}

const flags = (name: string): string[] => [`--store-name=${name}`, `--store-prefix=${name.toLowerCase()}`];

test('a new store keeps its events for ever', async () => {
  await using gateway = await startTestGateway([nats.url], flags('KEPT'));
  expect((await gateway.client.serverInfo()).store).toMatchObject({
    name: 'KEPT',
    prefix: 'kept',
    replicas: 1,
  });
  const forEver = {
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_age: 0,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: -1,
    num_replicas: 1,
    sealed: false,
  };
  expect(await configOf('KEPT')).toMatchObject({
    ...forEver,
    subjects: ['kept.>'],
    deny_delete: false,
    deny_purge: false,
  });
});

test('nobody can delete or purge events of an immutable store, and a version never starts again', async () => {
  await using gateway = await startTestGateway([nats.url], [...flags('LASTING'), '--store-immutable']);
  expect(await configOf('LASTING')).toMatchObject({ deny_delete: true, deny_purge: true });
  const { client } = gateway;
  const stream = 'only';
  for (let i = 0; i < 3; i++) await client.append({ stream, events: newEvents(1) });
  const connection = await connect({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  await expect(streams.deleteMessage('LASTING', 1)).rejects.toThrow(/delete/);
  await expect(streams.purge('LASTING', { filter: 'lasting.only' })).rejects.toThrow(/purge/);
  await expect(streams.update('LASTING', { deny_purge: false })).rejects.toThrow(/deny purge/);
  await connection.close();
  await nats.restart();
  await using next = await startTestGateway([nats.url], flags('LASTING'));
  const conflict = await failureOf(next.client.append({ stream, events: newEvents(1), expectedVersion: 0n }));
  expect(conflict.code).toBe(status.ABORTED);
  expect((await next.client.append({ stream, events: newEvents(1) })).version).toBe(4n);
  const { events } = await next.client.readStream({ stream });
  expect(events.map(({ version }) => version)).toEqual([1n, 2n, 3n, 4n]);
});

/** Settings that would lose events or break the checks, and the line that reports them. */
const disagreements: readonly (readonly [Partial<StreamConfig>, string])[] = [
  [{ max_age: 60_000_000_000 }, 'max_age: found 60000000000, needed 0'],
  [{ max_msgs: 1_000 }, 'max_msgs: found 1000, needed -1'],
  [{ max_msgs_per_subject: 5 }, 'max_msgs_per_subject: found 5, needed -1'],
  [{ discard: DiscardPolicy.Old }, 'discard: found "old", needed "new"'],
  [{ retention: RetentionPolicy.Interest }, 'retention: found "interest", needed "limits"'],
  [{ storage: StorageType.Memory }, 'storage: found "memory", needed "file"'],
  [{ allow_direct: false }, 'allow_direct: found false, needed true'],
  [{ allow_rollup_hdrs: true, deny_purge: false }, 'allow_rollup_hdrs: found true, needed false'],
  [{ subjects: ['bad.*'] }, 'subjects: found ["bad.*"], needed ["bad.>"]'],
  [{ no_ack: true }, 'no_ack: found true, needed false'],
];

test('an existing store with another configuration is refused with every field that differs', async () => {
  const connection = await connect({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  const good = {
    name: 'BAD',
    subjects: ['bad.>'],
    discard: DiscardPolicy.New,
    allow_direct: true,
    deny_delete: true,
    deny_purge: true,
  };
  for (const [fields, line] of disagreements) {
    await streams.add({ ...good, ...fields });
    const refusal = await refusalOf('BAD');
    expect(refusal).toContain('BAD exists, but not with the configuration that a Sluice store needs');
    expect(refusal).toContain(`  ${line}\n`);
    // The package does not know this field, so it is off in each of them.
    expect(refusal).toContain('  allow_atomic: found nothing, needed true\n');
    expect(refusal.split('\n').filter((text) => text.startsWith('  ')).length).toBeLessThanOrEqual(3);
    await streams.delete('BAD');
  }
  await connection.close();
});

/** Why a gateway does not start. */
async function refusalOf(name: string): Promise<string> {
  try {
    await using gateway = await startTestGateway([nats.url], flags(name));
    return `it serves at ${gateway.address}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test('a store on the subjects of another one is refused', async () => {
  await using first = await startTestGateway([nats.url], ['--store-name=ONE', '--store-prefix=same']);
  const second = startTestGateway([nats.url], ['--store-name=TWO', '--store-prefix=same']);
  await expect(second).rejects.toThrow(/the stream TWO cannot be created: .*overlap/);
  expect((await first.client.append({ stream: 's', events: newEvents(1) })).version).toBe(1n);
});

test('a valid store is opened again, with the settings that are up to the operator', async () => {
  {
    await using gateway = await startTestGateway([nats.url], flags('AGAIN'));
    await gateway.client.append({ stream: 's', events: newEvents(2) });
  }
  const connection = await connect({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  await streams.update('AGAIN', { max_bytes: 100 << 20, description: 'ours' });
  await connection.close();
  await using gateway = await startTestGateway([nats.url], flags('AGAIN'));
  expect((await gateway.client.append({ stream: 's', events: newEvents(1) })).version).toBe(3n);
  expect(await configOf('AGAIN')).toMatchObject({ max_bytes: 100 << 20, description: 'ours' });
});

test('two stores live side by side', async () => {
  await using left = await startTestGateway([nats.url], flags('LEFT'));
  await using right = await startTestGateway([nats.url], flags('RIGHT'));
  const correlationId = 'shared';
  const sent = new Map([left, right].map((gateway) => [gateway, newEvents(3)]));
  for (const [{ client }, events] of sent) {
    const correlated = events.map((event) => ({ ...event, correlationId }));
    const { version } = await client.append({ stream: 'order.1', events: correlated, expectedVersion: 0n });
    expect(version).toBe(3n);
  }
  for (const [{ client }, events] of sent) {
    const ids = events.map(({ id }) => id);
    expect((await client.readStream({ stream: 'order.1' })).events.map(({ id }) => id)).toEqual(ids);
    expect((await client.readByCorrelation({ correlationId })).events.map(({ id }) => id)).toEqual(ids);
    expect(await client.listStreams()).toEqual([expect.objectContaining({ stream: 'order.1', version: 3n })]);
  }
});
