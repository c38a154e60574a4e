import { HealthCheckResponse_ServingStatus as Serving } from '../../generated/grpc/health/v1/health';
import { startTestGateway } from '../support/gateway';
import { startCluster, startNats, until, type TestNats, type TestNatsOptions } from '../support/nats-server';
import type { RpcClient } from '../support/rpc-client';

/** Where a row of the acceptance table runs: servers that keep a store, and a gateway before it. */
export interface Environment extends AsyncDisposable {
  readonly nodes: readonly TestNats[];
  readonly urls: readonly string[];
  /** Of the gateway. */
  readonly client: RpcClient;
  /** Flags that every gateway of the store needs. */
  readonly flags: readonly string[];
  /** Waits until all servers are there and have all that there is. */
  settled(): Promise<void>;
  /** Stops all servers and starts them on their data again; comes back when the gateway serves. */
  restart(): Promise<void>;
}

export async function singleServer(options: TestNatsOptions = {}): Promise<Environment> {
  const nats = await startNats(options);
  return environment([nats], [], () => Promise.resolve(), nats);
}

/** Three servers, each with a copy of the store. */
export async function threeServers(options: Omit<TestNatsOptions, 'port'> = {}): Promise<Environment> {
  const cluster = await startCluster(3, options);
  return environment(cluster.nodes, ['--store-replicas=3'], () => cluster.settled(), cluster);
}

async function environment(
  nodes: readonly TestNats[],
  flags: readonly string[],
  settled: () => Promise<void>,
  servers: AsyncDisposable,
): Promise<Environment> {
  const urls = nodes.map(({ url }) => url);
  // What was stored stays in the log, where tests look for it.
  const gateway = await startTestGateway(urls, flags, { sweepIntervalMs: 0 }).catch(
    async (error: unknown) => {
      await servers[Symbol.asyncDispose]();
      throw error;
    },
  );
  return {
    nodes,
    urls,
    client: gateway.client,
    flags,
    settled,
    async restart() {
      await Promise.all(nodes.map((node) => node.stop()));
      await Promise.all(nodes.map((node) => node.start()));
      await settled();
      await serves(gateway.client);
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await servers[Symbol.asyncDispose]();
    },
  };
}

/** Waits until the gateway says that it serves, and the store answers. */
export async function serves(client: RpcClient): Promise<void> {
  await until(async () => (await client.health()) === Serving.SERVING, 30_000);
  await until(
    () =>
      client.getVersion({ stream: 'is-anybody-there' }).then(
        () => true,
        () => false,
      ),
    30_000,
  );
}
