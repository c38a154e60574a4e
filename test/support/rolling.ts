import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  VersionConflictError,
  type ConnectOptions,
  type SluiceClient,
} from '../../src/client/client';
import { newEvents } from './attempts';
import { historyFaults, type Attempt, type Outcome } from './history';
import { startCluster, until, type TestCluster } from './nats-server';
import { connectRpc, type RpcClient } from './rpc-client';
import { startRestartable, type RestartableGateway } from './restartable-gateway';

/** What clients saw while everything was restarted once. */
export interface Round {
  readonly appends: number;
  /** The longest append with all its attempts. */
  readonly appendMsMax: number;
  /** The longest time in which no append of any writer was acknowledged. */
  readonly standstillMsMax: number;
  /** The longest time in which a subscriber that was not behind received nothing. */
  readonly silenceMsMax: number;
  /** How often the subscribers had to begin again. */
  readonly reconnects: number;
  /** Appends that were lost or doubled, errors of writers, gaps and repeats of subscribers: in words. */
  readonly faults: string[];
}

const gateways = 3;
const writers = 16;
const subscribers = 4;
const streams = 8;
const eventCounts = [1, 3, 1, 12];
const payloadBytes = 300;
const restMs = 10;
/** Between two restarts, so that a pause belongs to one of them. */
const betweenMs = 500;
/** The deadline of the client, by default. */
export const deadlineMs = 15_000;

const roundRobin: ConnectOptions = {
  channelOptions: { 'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }) },
};

/** Three NATS servers and three gateways, as an operator runs them. */
export interface RollingCluster extends AsyncDisposable {
  /** Restarts them all by SIGTERM, one after the other, under 16 writers and 4 subscribers. */
  round(): Promise<Round>;
}

export async function startRollingCluster(): Promise<RollingCluster> {
  const nats = await startCluster(3);
  const flags = [`--nats-url=${nats.urls.join(',')}`, '--store-replicas=3', '--create-store'];
  const started: RestartableGateway[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(started.map((gateway) => gateway[Symbol.asyncDispose]()));
    await nats[Symbol.asyncDispose]();
  };
  try {
    for (let i = 0; i < gateways; i++) started.push(await startRestartable(flags));
  } catch (error) {
    await end();
    throw error;
  }
  return { round: () => round(nats, started), [Symbol.asyncDispose]: end };
}

/** The addresses of all gateways in one target, half of the clients with round robin and half without. */
function connectAll(all: readonly RestartableGateway[], count: number): SluiceClient[] {
  return Array.from({ length: count }, (_, index) => {
    // Without round robin, a client takes the first address that it reaches.
    const turned = [...all.slice(index % all.length), ...all.slice(0, index % all.length)];
    const target = `ipv4:${turned.map(({ address }) => address).join(',')}`;
    return connect(target, index % 2 === 0 ? roundRobin : {});
  });
}

async function round(nats: TestCluster, all: readonly RestartableGateway[]): Promise<Round> {
  const id = randomUUID();
  const names = Array.from({ length: streams }, (_, index) => `rolling.${id}.${index}`);
  const clients = connectAll(all, writers + subscribers);
  const stop = new AbortController();
  const load = new Load(names, stop.signal);
  const following = clients
    .slice(writers)
    .map((client, index) => new Follower(client, index % 2 === 0 ? [`rolling.${id}.*`] : names, stop.signal));
  try {
    const writing = Promise.all(clients.slice(0, writers).map((client, index) => load.write(client, index)));
    await load.more(writers);
    for (const gateway of all) {
      const code = await gateway.restart('SIGTERM');
      if (code !== 0) load.faults.push(`a gateway ended with ${code}`);
      await load.more(writers);
      await sleep(betweenMs);
    }
    for (const node of nats.nodes) {
      await node.restart();
      await nats.settled();
      await load.more(writers);
      await sleep(betweenMs);
    }
    load.end();
    await writing;
    using reader = connectRpc(all[0]?.address ?? '');
    const faults = [
      ...load.faults,
      ...(await historiesFaults(reader, load)),
      ...(await followedFaults(reader, names, following)),
    ];
    return {
      appends: load.appends,
      appendMsMax: load.appendMsMax,
      standstillMsMax: load.standstillMsMax,
      silenceMsMax: Math.max(...following.map(({ silenceMsMax }) => silenceMsMax)),
      reconnects: following.reduce((sum, { reconnects }) => sum + reconnects, 0),
      faults,
    };
  } finally {
    load.end();
    stop.abort(new Error('the round is over'));
    for (const client of clients) client[Symbol.dispose]();
  }
}

/** Writers, two for each stream, and what they observed. */
class Load {
  readonly attempts = new Map<string, Attempt[]>();
  readonly faults: string[] = [];
  appends = 0;
  appendMsMax = 0;
  standstillMsMax = 0;
  private lastMs = performance.now();
  private isOver = false;

  constructor(
    private readonly names: readonly string[],
    private readonly signal: AbortSignal,
  ) {
    for (const name of names) this.attempts.set(name, []);
  }

  end(): void {
    this.isOver = true;
  }

  /** Waits until this many more appends are acknowledged. */
  async more(count: number): Promise<void> {
    const enough = this.appends + count;
    await until(() => this.appends >= enough, 60_000);
  }

  async write(client: SluiceClient, number: number): Promise<void> {
    const stream = this.names[number % this.names.length] as string;
    const attempts = this.attempts.get(stream) ?? [];
    let known: bigint | undefined;
    for (let turn = number; !this.isOver; turn++) {
      const events = newEvents(eventCounts[turn % eventCounts.length] as number, payloadBytes);
      const expectedVersion = turn % 2 === 0 ? known : undefined;
      const startedAt = performance.now();
      const outcome = await client
        .append(
          stream,
          events.map(({ id, type, payload }) => ({ id, type, data: payload.value })),
          { expectedVersion, signal: this.signal },
        )
        .then(
          (result): Outcome => ({ kind: 'stored', ...result }),
          (error: unknown) => this.outcomeOf(error, performance.now() - startedAt),
        );
      const endedAt = performance.now();
      attempts.push({ eventIds: events.map(({ id }) => id), expectedVersion, startedAt, endedAt, outcome });
      this.appendMsMax = Math.max(this.appendMsMax, endedAt - startedAt);
      if (outcome.kind === 'stored') {
        known = outcome.version;
        this.appends++;
        this.standstillMsMax = Math.max(this.standstillMsMax, endedAt - this.lastMs);
        this.lastMs = endedAt;
      } else if (outcome.kind === 'refused') known = outcome.actualVersion ?? known;
      await sleep(restMs);
    }
  }

  /** A conflict with the other writer of the stream is no fault; any other error is. */
  private outcomeOf(error: unknown, afterMs: number): Outcome {
    if (error instanceof VersionConflictError) return { kind: 'refused', actualVersion: error.actual };
    this.faults.push(`after ${Math.round(afterMs)} ms an append failed: ${String(error)}`);
    return { kind: 'unknown' };
  }
}

/** A subscriber, and what it received. */
class Follower {
  readonly events: { readonly id: string; readonly position: bigint }[] = [];
  reconnects = 0;
  silenceMsMax = 0;
  failure: string | undefined;
  /** undefined: nothing has arrived, since it reads the store from its beginning. */
  private lastMs: number | undefined;

  constructor(client: SluiceClient, patterns: readonly string[], signal: AbortSignal) {
    this.follow(client, patterns, signal).catch((error: unknown) => {
      if (!signal.aborted) this.failure = String(error);
    });
  }

  private async follow(
    client: SluiceClient,
    patterns: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const onReconnect = (): void => {
      this.reconnects++;
    };
    for await (const { id, position } of client.subscribe({ patterns, signal, onReconnect })) {
      this.events.push({ id, position });
      const nowMs = performance.now();
      this.silenceMsMax = Math.max(this.silenceMsMax, nowMs - (this.lastMs ?? nowMs));
      this.lastMs = nowMs;
    }
  }
}

async function historiesFaults(reader: RpcClient, { attempts }: Load): Promise<string[]> {
  const faults: string[] = [];
  for (const [stream, all] of attempts) {
    const { events } = await reader.readStream({ stream });
    faults.push(...historyFaults(all, events).map((fault) => `${stream}: ${fault}`));
  }
  return faults;
}

/** Each follower must have all events of the streams, once and in the order of the store. */
async function followedFaults(
  reader: RpcClient,
  patterns: string[],
  followers: readonly Follower[],
): Promise<string[]> {
  const { events } = await reader.readAll({ patterns });
  const faults: string[] = [];
  for (const [index, follower] of followers.entries()) {
    const { events: received } = follower;
    await until(() => received.length >= events.length || follower.failure !== undefined, 30_000).catch(
      () => undefined,
    );
    if (follower.failure !== undefined) faults.push(`subscriber ${index} failed: ${follower.failure}`);
    const wrong = events.findIndex(({ id, position }, at) => {
      const one = received.at(at);
      return one?.id !== id || one.position !== position;
    });
    if (wrong !== -1 || received.length !== events.length)
      faults.push(
        `subscriber ${index} has ${received.length} events of ${events.length}, and another one at ${wrong}`,
      );
  }
  return faults;
}
