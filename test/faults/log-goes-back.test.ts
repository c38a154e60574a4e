import { randomUUID } from 'node:crypto';
import { connect } from 'nats';
import pino from 'pino';
import { HealthCheckResponse_ServingStatus } from '../../generated/grpc/health/v1/health';
import { openJetStream } from '../../src/jetstream/jetstream-store';
import { defaultLimits } from '../../src/limits';
import { leftToNats } from '../../src/store/durability';
import type { LogSink } from '../../src/store/log';
import { sequence } from '../../src/store/values';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { infoNow } from '../support/info-now';
import { natsOptions } from '../support/nats-options';
import { startNats, until, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import type { RpcClient } from '../support/rpc-client';
import { copyStream, type StreamFiles } from '../support/stream-files';
import { startTcpRelay } from '../support/tcp-relay';

/**
 * The log goes back to an earlier state while gateways run, as after a power failure of your own NATS, and positions are given
 * again to other commits. A gateway and its replica must not mistake what they knew for what the log has now.
 */

interface Stored {
  readonly stream: string;
  readonly commitId: string;
  readonly correlationId: string;
}

const atOnce = 32;

async function inTurns<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < all.length; at += atOnce)
    results.push(...(await Promise.all(all.slice(at, at + atOnce).map(work))));
  return results;
}

/** Commits of one event each, every one with its own correlation id. */
async function appendMany(client: RpcClient, prefix: string, count: number): Promise<Stored[]> {
  const commits = Array.from({ length: count }, (_, i) => {
    const stream = `${prefix}.${i.toString()}`;
    return { stream, commitId: randomUUID(), correlationId: `of-${stream}` };
  });
  await inTurns(commits, (commit) => append(client, commit));
  return commits;
}

async function append(client: RpcClient, { stream, commitId, correlationId }: Stored): Promise<boolean> {
  const events = [{ id: `${stream}-1`, type: 'Happened', correlationId }];
  return (await client.append({ stream, commitId, events })).replayed;
}

/** Those whose events are not found, though the read ends well. */
async function missing(client: RpcClient, commits: readonly Stored[]): Promise<string[]> {
  const counts = await inTurns(commits, async ({ correlationId }) => {
    return (await client.readByCorrelation({ correlationId })).events.length;
  });
  return commits.filter((_, at) => counts[at] !== 1).map(({ stream }) => stream);
}

/** Those that are stored a second time when they are sent again. */
async function storedTwice(client: RpcClient, commits: readonly Stored[]): Promise<string[]> {
  const replays = await inTurns(commits, (commit) => append(client, commit));
  return commits.filter((_, at) => !replays[at]).map(({ stream }) => stream);
}

/** Makes the server forget all commit ids. */
async function forgetIds({ url }: TestNats): Promise<void> {
  const connection = await connect({ servers: url });
  const { streams } = await connection.jetstreamManager();
  await streams.update('EVENTS', { duplicate_window: 100_000_000 });
  await connection.close();
}

async function reached(client: RpcClient): Promise<void> {
  await until(async () => {
    const isServing = (await client.health()) === HealthCheckResponse_ServingStatus.SERVING;
    return isServing && (await client.getVersion({ stream: 'any' }).catch(() => undefined)) !== undefined;
  });
}

/** Stops the server, starts it with other files, and waits until the gateways have it again. */
async function change(nats: TestNats, clients: readonly RpcClient[], files: StreamFiles[]): Promise<void> {
  await nats.kill();
  for (const file of files) file.putBack();
  await nats.start();
  for (const client of clients) await reached(client);
}

/** A copy of the present log; the server is restarted. */
async function copyLog(nats: TestNats, clients: readonly RpcClient[]): Promise<StreamFiles> {
  await nats.stop();
  const files = copyStream(nats, 'EVENTS');
  await nats.start();
  for (const client of clients) await reached(client);
  return files;
}

async function appliedThrough(client: RpcClient, position: bigint): Promise<void> {
  await infoNow(client);
  await until(async () => ((await client.serverInfo()).replica?.position ?? 0n) >= position, 60_000);
}

test('the replica stays as it was, and the log grows past it at once', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  await appendMany(client, 'before', 10);
  const log = await copyLog(nats, [client]);
  await appendMany(client, 'lost', 200);
  await appliedThrough(client, 210n);
  await change(nats, [client], [log]);
  const commits = await appendMany(client, 'after', 300);
  expect(await missing(client, commits)).toEqual([]);
  await appliedThrough(client, 310n);
  await expectWhole(nats, client, commits);
}, 120_000);

/** A log of 10 commits and 200 that are lost, a replica of it, and a log of the same 10 commits and 300 others. */
async function twoPasts(nats: TestNats): Promise<{
  readonly lost: StreamFiles;
  readonly other: StreamFiles;
  readonly commits: readonly Stored[];
  /** Flags of a gateway that has the replica. */
  readonly args: readonly string[];
}> {
  const args = [`--replica-dir=${makeReplicaDir()}`];
  const { before, lost } = await (async () => {
    await using gateway = await startTestGateway([nats.url], args);
    const { client } = gateway;
    await appendMany(client, 'before', 10);
    const early = await copyLog(nats, [client]);
    await appendMany(client, 'lost', 200);
    const late = await copyLog(nats, [client]);
    await appliedThrough(client, 210n);
    return { before: early, lost: late };
  })();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  await change(nats, [client], [before]);
  const commits = await appendMany(client, 'after', 300);
  return { lost, other: await copyLog(nats, [client]), commits, args };
}

/** Every commit is found, and sent again it is a replay. */
async function expectWhole(nats: TestNats, client: RpcClient, commits: readonly Stored[]): Promise<void> {
  expect(await missing(client, commits)).toEqual([]);
  await forgetIds(nats);
  expect(await storedTwice(client, commits)).toEqual([]);
}

test('the log has grown past the replica before the first read', async () => {
  await using nats = await startNats();
  const { lost, other, commits, args } = await twoPasts(nats);
  await nats.stop();
  lost.putBack();
  await nats.start();
  await using gateway = await startTestGateway([nats.url], args);
  const { client } = gateway;
  const { events } = await client.readByCorrelation({ correlationId: 'of-lost.7' });
  expect(events).toHaveLength(1);
  await change(nats, [client], [other]);
  await expectWhole(nats, client, commits);
}, 120_000);

test('a gateway starts when the log has grown past the replica again', async () => {
  await using nats = await startNats();
  const { other, commits, args } = await twoPasts(nats);
  await nats.stop();
  other.putBack();
  await nats.start();
  await using gateway = await startTestGateway([nats.url], args);
  const { client } = gateway;
  await expectWhole(nats, client, commits);
}, 120_000);

test('another gateway stores commits at positions at which this one has stored others', async () => {
  await using nats = await startNats();
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const clients = [one.client, other.client];
  await appendMany(one.client, 'before', 1);
  const log = await copyLog(nats, clients);
  await appendMany(one.client, 'lost', 40);
  await change(nats, clients, [log]);
  const commits = await appendMany(other.client, 'after', 40);
  for (const client of clients) expect(await missing(client, commits)).toEqual([]);
}, 60_000);

test('a stream ends at the same position as before, with another version', async () => {
  await using nats = await startNats();
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const clients = [one.client, other.client];
  await one.client.append({ stream: 'a', events: newEvents(1) });
  const log = await copyLog(nats, clients);
  const { version, position } = await one.client.append({ stream: 'a', events: newEvents(5) });
  await change(nats, clients, [log]);
  const instead = await other.client.append({ stream: 'a', events: newEvents(1) });
  expect([version, instead.version, instead.position]).toEqual([6n, 2n, position]);
  expect((await one.client.append({ stream: 'a', events: newEvents(1) })).version).toBe(3n);
  const { events } = await other.client.readStream({ stream: 'a' });
  expect(events.map((event) => event.version)).toEqual([1n, 2n, 3n]);
}, 60_000);

test('commits are refused if the commit before them is not the known one', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const commits = await appendMany(gateway.client, 'some', 5);
  const jetstream = await openJetStream({
    nats: natsOptions(nats.url),
    store: { name: 'EVENTS', prefix: 'es', replicas: 1 },
    mayCreate: false,
    limits: defaultLimits,
    durability: leftToNats,
    log: pino({ level: 'silent' }),
  });
  try {
    const { log } = jetstream;
    /** What is followed after the third commit, if it is this one, and why that ends. */
    const follow = async (identity: string): Promise<readonly [bigint[], unknown]> => {
      const [stop, taken]: [AbortController, bigint[]] = [new AbortController(), []];
      const receive: LogSink['receive'] = (groups, upTo) => {
        taken.push(...groups.flat().map(({ position }) => position));
        if (upTo === 5n) stop.abort();
        return Promise.resolve();
      };
      const sink = {
        receive,
        onStarted: () => undefined,
        onProgress: () => undefined,
        isAwaited: () => true,
      };
      const place = { sequence: sequence(3n), last: { sequence: sequence(3n), identity } };
      const reason = await log.follow(place, sink, stop.signal).catch((error: unknown) => error);
      return [taken, reason];
    };
    const call = { signal: new AbortController().signal, deadlineMs: Infinity };
    const identity = (await log.identityAt(sequence(3n), call)) ?? '';
    expect(identity).toContain(commits.find(({ commitId }) => identity.includes(commitId))?.stream);
    expect(await follow(identity)).toEqual([[4n, 5n], 'closed']);
    expect(await follow('another one')).toMatchObject([[], { code: 'STORE_UNAVAILABLE' }]);
  } finally {
    await jetstream.idle();
    await jetstream.close();
  }
}, 60_000);

test('a subscriber gets new commits at positions that it has passed, or an error', async () => {
  await using nats = await startNats();
  await using relay = await startTcpRelay(nats.port);
  await using far = await startTestGateway([`nats://${relay.address}`]);
  await using near = await startTestGateway([nats.url]);
  const clients = [far.client, near.client];
  await appendMany(near.client, 'before', 10);
  const log = await copyLog(nats, clients);
  const got: string[] = [];
  const following = (async () => {
    for await (const { events } of far.client.subscribe()) for (const { stream } of events) got.push(stream);
  })().then(
    () => undefined,
    (error: unknown) => error,
  );
  await appendMany(near.client, 'lost', 20);
  await until(() => got.length === 30);
  relay.loseRequests();
  await change(nats, [near.client], [log]);
  await appendMany(near.client, 'after', 60);
  relay.heal();
  await reached(far.client);
  // It has passed 20 of them, and does not get these any more.
  expect(await following).toMatchObject({ code: 14 });
  expect(got.filter((stream) => stream.startsWith('after'))).toEqual([]);
}, 60_000);
