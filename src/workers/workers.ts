import { openTlsFiles, type TlsFiles } from '../grpc/tls-files';
import { FailureCounts } from '../grpc/failure-counts';
import type { GrpcServer } from '../grpc/server';
import type { ServerFacts } from '../grpc/server-facts';
import type { Limits } from '../limits';
import type { Snapshot } from '../metrics/metric';
import { acceptOn } from './acceptor';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool';

export interface WorkersOptions extends WorkerPoolOptions {
  /** host:port, and port 0 takes a free one; or unix:/path. */
  readonly address: string;
  /** The workers use them; undefined: plain text. */
  readonly tls: TlsFiles | undefined;
  readonly limits: Limits;
}

/** A gRPC server in worker processes. */
export interface WorkersServer extends GrpcServer {
  metricsOfOthers(): Promise<readonly (readonly Snapshot[])[]>;
}

/** Serves gRPC in worker processes. Throws WorkerStartError, or an error if it cannot listen on the address. */
export async function startWorkers(options: WorkersOptions): Promise<WorkersServer> {
  const { limits, log } = options;
  const tls = options.tls && (await openTlsFiles(options.tls, limits.authLookIntervalMs, log));
  const pool = new WorkerPool(options);
  const close = async (): Promise<void> => {
    tls?.close();
    await pool.close();
  };
  try {
    await pool.start();
    const acceptor = await acceptOn(options.address, (socket) => {
      pool.give(socket);
    });
    return {
      address: acceptor.address,
      ...known,
      facts: factsOf(pool, tls),
      adopt: pool.give,
      leave() {
        pool.leave();
      },
      async reload() {
        await Promise.all([tls?.reload(), ...pool.ready.map((worker) => worker.reload(log.level))]);
      },
      metricsOfOthers: () => pool.metrics(),
      async close() {
        await acceptor.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Each worker knows the health of its own services. */
const known = {
  setServing: () => undefined,
  setTakesAppends: () => undefined,
  setAnswersReads: () => undefined,
};

/** What the primary knows; the rest is in the metrics of the workers. */
function factsOf(pool: WorkerPool, certificate: ServerFacts['certificate']): ServerFacts {
  return {
    rpcs: [],
    failures: new FailureCounts(),
    connectionsRefused: () => pool.refused,
    serving: () => {
      const isServing = pool.ready.length > 0;
      return { gateway: isServing, append: isServing, read: isServing };
    },
    certificate,
    bounds: () => [],
  };
}
