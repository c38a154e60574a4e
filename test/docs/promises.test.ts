import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { connect } from 'nats';
import { startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { failureOf } from '../support/rpc-failure';

/** Promises of the documentation about rare cases that no other suite covers. */

test('docs/errors.md: an append that is stored is never said not to be, when only its time cannot be had', async () => {
  // Without its consumer the gateway must request the time from the log.
  const noConsumer = '"$JS.API.CONSUMER.CREATE.EVENTS.>"';
  const permissions = `permissions: { publish: { deny: [${noConsumer}] } }`;
  await using nats = await startNats({
    extraConfig: `authorization { users: [ { user: u, password: p, ${permissions} } ] }`,
  });
  await using gateway = await startTestGateway([nats.url.replace('//', '//u:p@')]);
  const { client } = gateway;
  // From now on the gateway knows the head and needs no request before it publishes.
  await client.append({ stream: 'order.1', events: [{ type: 'A' }] });
  const nothing = `${noConsumer}, "$JS.API.STREAM.MSG.GET.EVENTS"`;
  await reconfigure(nats, `deny: [${noConsumer}]`, `deny: [${nothing}]`);
  const failure = await failureOf(
    client.append({ stream: 'order.1', expectedVersion: 1n, events: [{ type: 'B' }], withCommitTime: true }),
  );
  expect([failure.code, failure.reason]).toEqual([status.UNKNOWN, 'OUTCOME_UNKNOWN']);
  await reconfigure(nats, `deny: [${nothing}]`, 'deny: []');
  const version = async (): Promise<bigint> => (await client.getVersion({ stream: 'order.1' })).version;
  await until(async () => (await version().catch(() => 0n)) === 2n, 20_000);
});

test('docs/storage.md: a replica that is ahead of the log hides nothing from a query', async () => {
  await using nats = await startNats();
  const args = [`--replica-dir=${makeReplicaDir()}`];
  const correlated = (stream: string, correlationId: string) => ({
    stream,
    events: [{ type: 'A', correlationId }],
  });
  {
    await using gateway = await startTestGateway([nats.url], args);
    const { client } = gateway;
    await Promise.all(Array.from({ length: 100 }, (_, i) => client.append(correlated(`old.${i}`, 'old'))));
    await until(async () => (await client.serverInfo()).replica?.position === 100n);
  }
  // As if an older log, here an empty one, were restored.
  const connection = await connect({ servers: nats.url });
  await (await connection.jetstreamManager()).streams.delete('EVENTS');
  await connection.close();
  await using gateway = await startTestGateway([nats.url], args);
  const { client } = gateway;
  await client.append(correlated('new.1', 'new'));
  const ofNew = await client.readByCorrelation({ correlationId: 'new' });
  const ofOld = await client.readByCorrelation({ correlationId: 'old' });
  expect([ofNew.events.length, ofOld.events.length]).toEqual([1, 0]);
});

/** Changes the configuration of a server that runs. */
async function reconfigure({ dataDir, pid }: TestNats, from: string, to: string): Promise<void> {
  const [configFile, logFile] = [join(dataDir, 'nats.conf'), join(dataDir, 'nats.log')];
  const reloads = (): number => readFileSync(logFile, 'utf8').split('Reloaded server configuration').length;
  const before = reloads();
  writeFileSync(configFile, readFileSync(configFile, 'utf8').replace(from, to));
  process.kill(pid as number, 'SIGHUP');
  await until(() => reloads() > before);
}
