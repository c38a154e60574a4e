import { randomUUID } from 'node:crypto';
import { connect, type NatsConnection } from 'nats';
import { attempt, insist, newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startCluster, until, type TestCluster } from '../support/nats-server';
import { createRelayedRoutes, type RelayedRoutes } from '../support/relayed-routes';
import type { RpcClient } from '../support/rpc-client';
import { RpcFailure } from '../support/rpc-failure';

/** A leader that is cut off from the others reports an old end for many seconds after they have elected another leader. */

const flags = ['--store-replicas=3'];
/** Reads that cannot be served are refused soon. */
const limits = { readProgressTimeoutMs: 500 };
const unavailable = 14;
const leadsMaxMs = 60_000;
const stream = 'kept.1';

interface StreamAnswer {
  readonly state: { readonly last_seq: number };
  readonly cluster: { readonly leader?: string };
}

/** The reported state of the log; undefined: no report. */
function askLog(connection: NatsConnection): Promise<StreamAnswer | undefined> {
  return connection.request('$JS.API.STREAM.INFO.EVENTS', '', { timeout: 1_000 }).then(
    (answer) => answer.json<StreamAnswer>(),
    () => undefined,
  );
}

/** The number of the server that leads the log. */
async function leaderOf({ nodes }: TestCluster): Promise<number> {
  const servers = nodes.filter(({ pid }) => pid !== undefined).map(({ url }) => url);
  const connection = await connect({ servers });
  let leader = -1;
  await until(async () => {
    const name = (await askLog(connection))?.cluster.leader;
    leader = nodes.findIndex(({ port, pid }) => pid !== undefined && `n${port.toString()}` === name);
    return leader >= 0;
  }, 30_000).finally(() => connection.close());
  return leader;
}

type Seen = 'seen' | 'missed' | 'refused';

/** Whether each kind of read has an append that was acknowledged before it began. */
async function readsOf(client: RpcClient, eventId: string, version: bigint): Promise<Seen[]> {
  const reads = [
    client.getVersion({ stream }).then((head) => head.version === version),
    client.readStream({ stream, fromVersion: version }).then(({ events }) => events[0]?.id === eventId),
    client.readAll().then(({ events }) => events.at(-1)?.id === eventId),
    client.readByCorrelation({ correlationId: eventId }).then(({ events }) => events[0]?.id === eventId),
    client.listStreams({ pattern: stream }).then(([first]) => first?.version === version),
    client.append({ stream, events: [], expectedVersion: version }).then(() => true),
  ];
  const outcomes = await Promise.allSettled(reads);
  return outcomes.map((outcome) => {
    if (outcome.status === 'fulfilled') return outcome.value ? 'seen' : 'missed';
    const error: unknown = outcome.reason;
    if (error instanceof RpcFailure && error.code === unavailable) return 'refused';
    if (error instanceof RpcFailure && error.reason === 'VERSION_CONFLICT') return 'missed';
    throw error;
  });
}

/** Appends through some gateways and reads through another one, as long as the server of that one believes that it leads. */
async function appendThereReadHere(there: readonly RpcClient[], here: RpcClient, server: NatsConnection) {
  const counts = { seen: 0, missed: 0, refused: 0, oldEnds: 0, appends: 0 };
  const giveUpMs = Date.now() + leadsMaxMs;
  for (let leads = true; leads && Date.now() < giveUpMs;) {
    const events = newEvents(1);
    const { outcome } = await insist(there, { stream, events });
    if (outcome.kind !== 'stored') throw new Error(`the append is ${outcome.kind}`);
    counts.appends++;
    const { position, version } = outcome;
    const [answer, seen] = await Promise.all([askLog(server), readsOf(here, events[0]?.id ?? '', version)]);
    for (const each of seen) counts[each]++;
    leads = answer?.cluster.leader !== undefined;
    if (leads && BigInt(answer?.state.last_seq ?? 0) < position) counts.oldEnds++;
  }
  return counts;
}

/** Cuts off the leader; resolves with its number. */
async function cutLeaderOff(cluster: TestCluster, routes: RelayedRoutes): Promise<number> {
  const leader = await leaderOf(cluster);
  routes.cutOff(leader);
  return leader;
}

/** The same with a leader that was elected while another server was away, which comes back to the others. */
async function cutSuccessorOff(cluster: TestCluster, routes: RelayedRoutes): Promise<number> {
  const killed = cluster.nodes[await leaderOf(cluster)];
  await killed?.kill();
  const leader = await cutLeaderOff(cluster, routes);
  await killed?.start();
  return leader;
}

test.each([
  ['a leader', cutLeaderOff],
  ['a leader that has never heard of one of the others', cutSuccessorOff],
])(
  'no read misses what was acknowledged when %s is cut off',
  async (_name, cutOff) => {
    await using routes = createRelayedRoutes();
    await using cluster = await startCluster(3, { routes });
    const start = (node: number): Promise<TestGateway> =>
      startTestGateway([cluster.urls[node] as string], flags, limits);
    await using first = await start(0);
    await using second = await start(1);
    await using third = await start(2);
    const clients = [first.client, second.client, third.client];
    await first.client.append({ stream, events: newEvents(1) });
    const leader = await cutOff(cluster, routes);
    const near = clients[leader] as RpcClient;
    const others = clients.filter((client) => client !== near);
    const server = await connect({ servers: cluster.urls[leader] as string });
    // It may be stored in the end, but before that nobody can know.
    const lonely = { stream: 'kept.2', commitId: randomUUID(), events: newEvents(1) };
    const attempted = attempt(near, lonely, { deadline: Date.now() + 5_000 });
    const counts = await appendThereReadHere(others, near, server).finally(() => server.close());
    expect((await attempted).outcome.kind).not.toBe('stored');
    expect(counts.oldEnds).toBeGreaterThan(0);
    expect(counts.missed).toBe(0);

    routes.heal();
    await cluster.settled();
    for (const client of clients) {
      await insist([client], { stream, events: newEvents(1) });
      await client.append(lonely);
    }
    const [events, ...same] = await Promise.all(
      clients.map(async (client) => (await client.readAll()).events),
    );
    for (const each of same) expect(each).toEqual(events);
    expect(events?.filter((event) => event.stream === stream)).toHaveLength(
      1 + counts.appends + clients.length,
    );
    expect(events?.filter((event) => event.stream === lonely.stream)).toHaveLength(1);
  },
  240_000,
);
