import type { Logger } from 'pino';
import type { Config } from './config/config';
import { startGrpcServer, type GrpcServer, type GrpcServerOptions } from './grpc/server';
import type { Space } from './jetstream/log/space';
import type { Snapshot } from './metrics/metric';
import type { OpenedStore, OpenStoreOptions } from './open-store';
import { reachNats, type ReachableNats } from './reach-nats';

/** What a process of a gateway serves gRPC with. */
export interface Serving extends GrpcServer {
  /** The metrics of the other processes of the gateway; undefined: it is the only process. */
  readonly metricsOfOthers?: () => Promise<readonly (readonly Snapshot[])[]>;
}

/** How a process of a gateway comes to NATS, its store and its callers. */
export interface Role {
  reachNats(config: Config, log: Logger): Promise<ReachableNats>;
  /** The share of this process of what the auth file allows callers. */
  readonly callerShare: number;
  /** What the store shares with other processes of the gateway. */
  readonly sharing: Pick<OpenStoreOptions, 'publication' | 'replicaLink'>;
  /** Serves the store over gRPC. Throws if it cannot listen, or WorkerStartError. */
  serve(
    options: GrpcServerOptions,
    parts: { readonly nats: ReachableNats; readonly space: Space; readonly removal: OpenedStore['removal'] },
  ): Promise<Serving>;
}

/** One process that does everything. */
export const alone: Role = { reachNats, callerShare: 1, sharing: {}, serve: startGrpcServer };
