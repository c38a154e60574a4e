import type { Logger } from 'pino';
import type { Config, EmbeddedNats } from './config/config';
import { startGrpcServer } from './grpc/server';
import { startEmbeddedNats, type EmbeddedServer } from './nats-server/embedded';
import { syncInGroups } from './nats-server/group-sync';
import { findNatsServer } from './nats-server/nats-binary';
import type { JetStreamOptions } from './jetstream/jetstream-store';
import type { NatsOptions } from './jetstream/nats/options';
import { openStore } from './open-store';
import { leftToNats } from './store/durability';
import type { FillingProgress } from './store/store-info';
import { version } from './versions';

/** A gateway that serves. */
export interface Gateway {
  /** host:port that it listens on. */
  readonly address: string;
  readonly port: number;
  describe(): GatewayFacts;
  /** Resolves if it cannot go on, since the disk has failed; it says NOT_SERVING then, and is to be closed. */
  readonly failed: Promise<void>;
  /** Stops in the reverse order of the start: calls under way, then NATS. Never throws; may be called again. */
  close(): Promise<void>;
}

/** What a user wants to know of a running gateway. */
export interface GatewayFacts {
  readonly version: string;
  readonly address: string;
  readonly tls: 'none' | 'server' | 'mutual';
  readonly store: string;
  readonly replicas: number;
  readonly durability: Durability;
  /** undefined: the gateway runs no NATS server of its own. */
  readonly embedded: { readonly version: string; readonly dataDir: string } | undefined;
  /** URLs of NATS, without credentials. */
  readonly servers: readonly string[];
  readonly replicaDir: string;
  /** How far the replica of the log is; undefined: it is filled. */
  readonly filling: FillingProgress | undefined;
}

/** What has happened to a commit by the time its append is answered; see Durability in the contract. */
export type Durability = 'fsyncAlways' | 'fsyncInterval' | 'unknown';

/** The gateway could not start: NATS or the store cannot be used, or it cannot listen. */
export class StartError extends Error {
  constructor(
    readonly stage: 'store' | 'listen',
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Starts NATS if it has to, then the store, then gRPC. Throws StartError; what was opened is closed again. */
export async function startGateway(config: Config, log: Logger): Promise<Gateway> {
  const opened: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (let close = opened.pop(); close !== undefined; close = opened.pop()) {
      await close().catch((err: unknown) => {
        log.error({ err }, 'closing failed');
      });
    }
  };
  let stage: StartError['stage'] = 'store';
  try {
    const nats = await reachNats(config, log, opened);
    const { limits, address, tls } = config;
    const { options, sync, ownServer } = nats;
    const mayCreate = config.createStore || nats.isNew;
    const store = await openStore({
      nats: options,
      store: config.store,
      mayCreate,
      limits,
      log,
      durability: sync,
      ownServer,
      replicaDir: config.replicaDir,
    });
    opened.push(() => store.close());
    let availableAtStart = true;
    let serve: (available: boolean) => void = (available) => (availableAtStart = available);
    store.onAvailability((available) => {
      serve(available);
    });
    stage = 'listen';
    const embedded = nats.embedded !== undefined;
    const about = { version, durability: nats.durability, embedded };
    const grpc = await startGrpcServer({ address, tls, store, limits, about, log });
    opened.push(() => grpc.close());
    let hasFailed = false;
    serve = (available) => {
      grpc.setServing(available && !hasFailed);
    };
    serve(availableAtStart);
    store.onRoom((hasRoom) => {
      grpc.setTakesAppends(hasRoom);
    });
    store.onFilled((isFilled) => {
      grpc.setAnswersReads(isFilled);
    });
    const failed = store.failed.then(() => {
      hasFailed = true;
      serve(false);
    });
    let closing: Promise<void> | undefined;
    return {
      address: grpc.address,
      port: grpc.port,
      describe: () => describe(config, nats, grpc.address, store.filling()),
      failed,
      close: () => (closing ??= closeAll()),
    };
  } catch (error) {
    log.debug({ err: error, stage }, 'the start failed');
    await closeAll();
    throw new StartError(stage, error);
  }
}

interface ReachableNats {
  readonly options: NatsOptions;
  readonly durability: Durability;
  readonly embedded: GatewayFacts['embedded'];
  /** Whether it is the gateway's own, and holds nothing yet. */
  readonly isNew: boolean;
  readonly sync: JetStreamOptions['durability'];
  readonly ownServer: EmbeddedServer | undefined;
}

async function reachNats(
  { nats, store, replicaDir }: Config,
  log: Logger,
  opened: (() => Promise<void>)[],
): Promise<ReachableNats> {
  if (nats.kind === 'external')
    return {
      options: nats.options,
      durability: 'unknown',
      embedded: undefined,
      isNew: false,
      sync: leftToNats,
      ownServer: undefined,
    };
  const server = await startOwnNats(nats, { store, replicaDir }, log);
  opened.push(() => server.close());
  const { url, user, password, dataDir } = server;
  return {
    options: {
      servers: [url],
      user,
      password,
      token: undefined,
      credsFile: undefined,
      tls: undefined,
      ...nats.connections,
    },
    durability: nats.sync === 'always' ? 'fsyncAlways' : 'fsyncInterval',
    embedded: { version: server.version, dataDir },
    isNew: server.isNew,
    ownServer: server,
    sync: nats.sync === 'always' ? syncInGroups({ dataDir, stream: store.name, log }) : leftToNats,
  };
}

async function startOwnNats(
  nats: EmbeddedNats,
  about: Pick<Config, 'store' | 'replicaDir'>,
  log: Logger,
): ReturnType<typeof startEmbeddedNats> {
  const { dataDir, cacheDir, releaseMirror, releaseSha256, env } = nats;
  const binary = await findNatsServer({
    explicitPath: nats.serverPath,
    cacheDir,
    releaseMirror,
    releaseSha256,
    env,
    log: (line) => {
      log.info(line);
    },
  });
  return startEmbeddedNats({ dataDir, binary, ...about, log, storeBytesMax: nats.storeBytesMax });
}

function describe(
  { tls, store, replicaDir }: Config,
  nats: ReachableNats,
  address: string,
  filling: FillingProgress | undefined,
): GatewayFacts {
  const security = tls?.clientCaFile === undefined ? 'server' : 'mutual';
  return {
    version,
    address,
    tls: tls === undefined ? 'none' : security,
    store: store.name,
    replicas: store.replicas,
    durability: nats.durability,
    embedded: nats.embedded,
    servers: nats.options.servers,
    replicaDir,
    filling,
  };
}
