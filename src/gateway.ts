import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { openAudit } from './auth/audit';
import { openGuard, type Guard } from './auth/guard';
import type { Config } from './config/config';
import type { GrpcServer, GrpcServerOptions } from './grpc/server';
import { openGatewayHttp, type GatewayHttp, type GatewayHttpOptions } from './gateway-http';
import type { Snapshot } from './metrics/metric';
import { StoreCounts } from './metrics/store-counts';
import { openStore, type OpenedStore, type OpenStoreOptions } from './open-store';
import { alone, type Role } from './role';
import { streamSync, type DurabilityLevel, type ReachableNats } from './reach-nats';
import type { FillingProgress } from './store/store-info';
import { observed } from './store/observed';
import { openTracing } from './tracing/tracing';
import { version } from './version';
import { WorkerStartError } from './workers/worker-process';

/** A gateway that serves. */
export interface Gateway {
  /** The host:port, or unix:/path, that it listens on. */
  readonly address: string;
  describe(): GatewayFacts;
  /** Resolves when the gateway cannot go on, since its disk has failed: it reports NOT_SERVING and must be closed. */
  readonly failed: Promise<void>;
  /** Looks at the auth file, what it names, and the TLS files at once. Never rejects: files that cannot be used change nothing. */
  reload(): Promise<void>;
  /** Reports NOT_SERVING from now on, and goes on serving. */
  leave(): void;
  /** To be called before `close`: reports NOT_SERVING, and goes on serving for `drainWaitMs`. */
  drain(): Promise<void>;
  /** The metrics as another process combines them with those of others; empty until the gateway serves. */
  metricsAsJson(): Promise<readonly Snapshot[]>;
  /** Stops in the reverse order of the start: calls under way, then NATS. Never throws; may be called again. */
  close(): Promise<void>;
}

/** What a user wants to know of a running gateway. */
export interface GatewayFacts {
  readonly version: string;
  readonly address: string;
  /** host:port; undefined: nothing is served over HTTP. */
  readonly httpAddress: string | undefined;
  readonly tls: 'none' | 'server' | 'mutual';
  /** undefined: every caller may do everything. */
  readonly authFile: string | undefined;
  readonly reflection: Config['reflection'];
  readonly store: string;
  readonly replicas: number;
  readonly durability: DurabilityLevel;
  /** The embedded nats-server; undefined: NATS runs elsewhere. */
  readonly embedded: { readonly version: string; readonly dataDir: string } | undefined;
  /** URLs of NATS, without credentials. */
  readonly servers: readonly string[];
  readonly replicaDir: string;
  /** How far the replica of the log is; undefined: it is filled. */
  readonly filling: FillingProgress | undefined;
}

/** The gateway could not start: the auth file, NATS or the store cannot be used, or it cannot listen. */
export class StartError extends Error {
  constructor(
    readonly stage: 'settings' | 'store' | 'listen',
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/**
 * Reads the auth file, starts NATS if it is embedded, then the store, then gRPC. Throws StartError,
 * and then leaves nothing open.
 */
export async function startGateway(config: Config, log: Logger, role: Role = alone): Promise<Gateway> {
  const opened: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (let close = opened.pop(); close !== undefined; close = opened.pop()) {
      await close().catch((err: unknown) => {
        log.error({ err }, 'closing failed');
      });
    }
  };
  let stage: StartError['stage'] = 'settings';
  try {
    const guard = await openAccess(config, log, role);
    opened.push(() => {
      guard.close();
      return Promise.resolve();
    });
    const audit = await openAudit(guard, config.limits, log);
    opened.push(() => audit.close());
    stage = 'store';
    const nats = await role.reachNats(config, log);
    opened.push(async () => nats.embedded?.close());
    const store = await openStore({ ...storeOptions(config, nats, log), ...role.sharing });
    opened.push(() => store.close());
    stage = 'listen';
    const counts = new StoreCounts();
    const http = await openGatewayHttp({ ...httpOptions(config, nats), store, counts, guard, audit, log });
    opened.push(() => http.close());
    const served = observed(store, counts);
    const options = { ...serverOptions(config, nats, store), guard, audit, store: served, log };
    const grpc = await role.serve(options, { nats, space: store.space, removal: store.removal });
    opened.push(() => grpc.close());
    http.begin(grpc, grpc.metricsOfOthers);
    let closing: Promise<void> | undefined;
    return {
      address: grpc.address,
      describe: () => describe(config, nats, { grpc, http, store }),
      failed: reportHealth(store, grpc, http),
      reload: async () => {
        await Promise.all([guard.reload(), grpc.reload()]);
        await audit.reopen();
      },
      metricsAsJson: () => http.metricsAsJson(),
      leave: () => {
        grpc.leave();
      },
      async drain() {
        const { drainWaitMs } = config.limits;
        http.end('stopping');
        grpc.leave();
        if (drainWaitMs > 0)
          log.info({ drainWaitMs }, 'health is NOT_SERVING; calls are accepted until the wait is over');
        await sleep(drainWaitMs);
      },
      close() {
        http.end('stopping');
        return (closing ??= closeAll());
      },
    };
  } catch (error) {
    log.debug({ err: error, stage }, 'the start failed');
    await closeAll();
    throw new StartError(error instanceof WorkerStartError ? error.failure.stage : stage, error);
  }
}

async function openAccess(
  { authFile: file, tls, limits }: Config,
  log: Logger,
  { callerShare }: Role,
): Promise<Guard> {
  if (file === undefined) return openGuard;
  const { authLookIntervalMs: lookIntervalMs } = limits;
  // Verifying credentials takes much code, which a gateway without an auth file need not load.
  const { createGuard } = await import('./auth/file-guard.js');
  return createGuard({
    file,
    clientCaFile: tls?.clientCaFile,
    log,
    lookIntervalMs,
    keyTimes: limits,
    callerShare,
  });
}

function storeOptions(config: Config, nats: ReachableNats, log: Logger): OpenStoreOptions {
  const { address, store, createStore, replicaDir, limits } = config;
  const { options, durability, embedded } = nats;
  const mayCreate = createStore || embedded?.isNew === true;
  const syncStream = streamSync(config);
  return {
    address,
    nats: options,
    store,
    mayCreate,
    limits,
    log,
    durability,
    syncStream,
    embedded,
    replicaDir,
  };
}

function httpOptions(
  { httpAddress: address, httpCalls: calls, replicaDir, limits }: Config,
  { durability, embedded }: ReachableNats,
): Omit<GatewayHttpOptions, 'store' | 'counts' | 'guard' | 'audit' | 'log'> {
  return { address, calls, limits, durability, folders: { store: embedded?.dataDir, replica: replicaDir } };
}

function serverOptions(
  config: Config,
  { level, embedded }: ReachableNats,
  { groups }: OpenedStore,
): Omit<GrpcServerOptions, 'guard' | 'audit' | 'store' | 'log'> {
  const { address, local, tls, recordPrincipal, reflection, limits, slowCallMs } = config;
  const access = {
    local,
    tls: tls !== undefined,
    clientCertificateRequired: tlsKind(tls) === 'mutual',
    reflection,
  };
  const about = { version, durability: level, embedded: embedded !== undefined, access };
  const tracing = openTracing(version);
  return { groups, address, tls, recordPrincipal, reflection, limits, slowCallMs, tracing, about };
}

/** Keeps the health service up to date. Resolves when the store has failed. */
function reportHealth(store: OpenedStore, grpc: GrpcServer, http: GatewayHttp): Promise<void> {
  let isAvailable = false;
  let hasFailed = false;
  const report = (): void => {
    grpc.setServing(isAvailable && !hasFailed);
  };
  store.onAvailability((available) => {
    isAvailable = available;
    report();
  });
  store.onSpace((hasSpace) => {
    grpc.setTakesAppends(hasSpace);
  });
  store.onFilled((isFilled) => {
    grpc.setAnswersReads(isFilled);
  });
  return store.failed.then(() => {
    hasFailed = true;
    http.end('failed');
    report();
  });
}

interface Parts {
  readonly grpc: GrpcServer;
  readonly http: GatewayHttp;
  readonly store: OpenedStore;
}

function describe(
  { tls, authFile, reflection, store, replicaDir }: Config,
  { level, embedded, options }: ReachableNats,
  { grpc, http, store: opened }: Parts,
): GatewayFacts {
  return {
    version,
    address: grpc.address,
    httpAddress: http.address,
    tls: tlsKind(tls),
    authFile,
    reflection,
    store: store.name,
    replicas: store.replicas,
    durability: level,
    embedded,
    servers: options.servers,
    replicaDir,
    filling: opened.filling(),
  };
}

function tlsKind(tls: Config['tls']): GatewayFacts['tls'] {
  if (tls === undefined) return 'none';
  return tls.clientCaFile === undefined || tls.clientCert === 'optional' ? 'server' : 'mutual';
}
