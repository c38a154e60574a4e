import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import {
  Server,
  ServerCredentials,
  type MethodDefinition,
  type ServiceDefinition,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import type { Logger } from 'pino';
import {
  ServerReflectionRequest,
  ServerReflectionResponse,
  ServerReflectionService,
} from '../../generated/grpc/reflection/v1/reflection';
import { ServerReflectionService as AlphaService } from '../../generated/grpc/reflection/v1alpha/reflection';
import { ConsumerGroupServiceService } from '../../generated/sluice/v1/consumer_group_service';
import { EventStoreServiceService } from '../../generated/sluice/v1/event_store_service';
import { StreamServiceService } from '../../generated/sluice/v1/stream_service';
import type { Audit } from '../auth/audit';
import type { Guard } from '../auth/guard';
import type { Limits } from '../limits';
import type { ConsumerGroups } from '../store/consumer-groups';
import type { EventStore } from '../store/event-store';
import { traced } from '../store/traced';
import type { Tracing } from '../tracing/tracing';
import { AccessWatch } from './access-watch';
import { createAdmission, type Admission } from './admission';
import { CallAudit } from './call-audit';
import { CallLog } from './call-log';
import { CallReports } from './call-reports';
import { createCalls, type Calls } from './calls';
import { addService, type Entered } from './enter-call';
import { FailureCounts } from './failure-counts';
import { createGroupService } from './group-service';
import { addHealth } from './health';
import { createConnectionAppends } from './connection-appends';
import { createConnections } from './connections';
import { adjustHttp2 } from './http2-server';
import { createIdentify, type ReflectionMode } from './identify-caller';
import { logLibrary } from './library-log';
import { setPeer } from './peer';
import { createReflect } from './reflection';
import { RequestBytes } from './request-bytes';
import type { AboutGateway } from './server-info';
import { createRpcCounts } from './rpc-counts';
import { boundsOf, type ServerFacts } from './server-facts';
import { createShareOf } from './shares';
import { createService } from './service';
import { createStreamService } from './stream-service';
import { openTlsFiles, type FileCredentials, type TlsFiles } from './tls-files';
import { placeSocket, socketPathOf } from './unix-socket';

export interface GrpcServerOptions {
  /** host:port, and port 0 takes a free one; or unix:/path. */
  readonly address: string;
  /** undefined: plain text. */
  readonly tls: TlsFiles | undefined;
  readonly store: EventStore;
  readonly groups: ConsumerGroups;
  /** Decides who calls and what they may do. */
  readonly guard: Guard;
  /** Whether the principal of each commit is stored beside it. */
  readonly recordPrincipal: boolean;
  /** Records what callers do, and what they are denied. */
  readonly audit: Audit;
  readonly reflection: ReflectionMode;
  readonly limits: Limits;
  /** Calls that take the gateway longer are logged as slow; 0: none. */
  readonly slowCallMs: number;
  /** undefined: nobody collects traces. */
  readonly tracing: Tracing | undefined;
  readonly about: Omit<AboutGateway, 'address'>;
  readonly log: Logger;
  /** Gives the server its connections, which another process accepts. undefined: it listens on the address. */
  readonly accept?: ((take: Adopt) => void) | undefined;
}

/**
 * Serves gRPC on a connection that was accepted elsewhere. `peer`: the caller for whom the gateway itself has made it, which is in plain
 * text and has no more rights than any other; undefined: the caller is at its other end.
 */
export type Adopt = (socket: Socket, peer?: string) => void;

/** A gRPC server that listens. */
export interface GrpcServer {
  /** host:port or unix:/path. */
  readonly address: string;
  /** The health of the services; NOT_SERVING at first. */
  setServing(serving: boolean): void;
  /** Whether appends are taken: their health follows both. */
  setTakesAppends(takes: boolean): void;
  /** Whether what is stored can be read: the health of reads follows both. */
  setAnswersReads(answers: boolean): void;
  /** Reports NOT_SERVING from now on, and goes on serving. */
  leave(): void;
  /** For callers that come another way than by gRPC; the socket has not been read from. */
  readonly adopt: Adopt;
  readonly facts: ServerFacts;
  /** Looks at the TLS files at once. Never rejects: files that cannot be used change nothing. */
  reload(): Promise<void>;
  /** Refuses new calls, lets those under way finish for `shutdownTimeoutMs`, then cuts them off. */
  close(): Promise<void>;
}

const ourServices = ['EventStoreService', 'ConsumerGroupService', 'StreamService'].map(
  (name) => `sluice.v1.${name}`,
);
const services = [EventStoreServiceService, ConsumerGroupServiceService, StreamServiceService, healthService];
const reflectionServices = [ServerReflectionService, AlphaService];
const serviceNames = [
  ...ourServices,
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

/** Serves a store over gRPC. Throws if it cannot listen on the address or read a TLS file. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { groups, limits, log, guard, reflection } = options;
  const about = { ...options.about, address: options.address };
  logLibrary(log);
  const store = options.tracing === undefined ? options.store : traced(options.store);
  const watch = new AccessWatch(guard);
  const audit = new CallAudit(options.audit, guard);
  const reports = new CallReports(new CallLog(log, options.slowCallMs), options.tracing);
  const failures = new FailureCounts();
  const rpcs = createRpcCounts(reflection === 'off' ? services : [...services, ...reflectionServices]);
  const calls = createCalls({ limits, log, watch, audit, reports, failures });
  const shareOf = createShareOf(guard, limits);
  const { recordPrincipal } = options;
  const identify = createIdentify({ guard, recordPrincipal, reflection, shareOf, audit, limits, log });
  const admission = createAdmission({ limits, identify, rpcs, failures, reports });
  const connections = createConnections(limits, log);
  const server = createServer(limits, admission);
  const appends = createConnectionAppends({ store, audit, limits });
  add(server, EventStoreServiceService, createService({ store, appends, limits, about, guard, calls }));
  add(server, ConsumerGroupServiceService, createGroupService({ groups, limits, audit, calls }));
  add(server, StreamServiceService, createStreamService({ store, audit, calls, limits }));
  const health = addHealth(server, ourServices, calls);
  if (reflection !== 'off') addReflection(server, calls);
  const tls = options.tls && (await openTlsFiles(options.tls, limits.authLookIntervalMs, log));
  const listening = await listen(server, options, tls);
  about.address = listening.address;
  adjustHttp2(server, connections, limits);
  let closed: Promise<void> | undefined;
  return {
    address: listening.address,
    setServing: health.setServing,
    setTakesAppends: health.setTakesAppends,
    setAnswersReads: health.setAnswersReads,
    leave: health.leave,
    adopt: listening.adopt,
    facts: {
      rpcs: [...rpcs.values()],
      failures,
      connectionsRefused: () => connections.refused,
      serving: health.current,
      certificate: tls,
      bounds: () => boundsOf(limits, { calls, admission, identify, connections }),
    },
    reload: async () => tls?.reload(),
    close() {
      tls?.close();
      health.leave();
      calls.endOpenCalls();
      connections.drain('the gateway is stopping');
      const endings = {
        endReads: calls.endReads,
        endConnections: () => {
          connections.end();
        },
      };
      return (closed ??= listening
        .end()
        .then(() => shutDown(server, limits.shutdownTimeoutMs, log, endings))
        .finally(() => {
          admission.close();
          watch.close();
        }));
    },
  };
}

function createServer(limits: Limits, { intercept }: Admission): Server {
  return new Server({
    'grpc.max_receive_message_length': limits.requestBytesMax, // as in createAdmission
    'grpc.max_send_message_length': -1, // a single event may be larger than the default; responses are bounded elsewhere
    'grpc.max_concurrent_streams': limits.connectionStreamsMax,
    'grpc.keepalive_time_ms': limits.keepaliveIntervalMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    'grpc.enable_channelz': 0, // its counters cost time in each call
    interceptors: [intercept],
  });
}

function addReflection(server: Server, calls: Calls): void {
  const reflect = createReflect(serviceNames);
  const handlers = {
    serverReflectionInfo: calls.perRequest(ServerReflectionRequest, (request) =>
      Buffer.from(ServerReflectionResponse.encode(reflect(request)).finish()),
    ),
  };
  add(server, ServerReflectionService, handlers);
  add(server, AlphaService, handlers);
}

/**
 * Adds a service whose handlers decode the requests and encode the responses: an error in a deserializer of grpc-js cannot get a
 * typed status, and events are relayed as they are stored.
 */
function add(
  server: Server,
  definition: ServiceDefinition,
  handlers: Readonly<Record<string, Entered<UntypedHandleCall>>>,
): void {
  const asBytes = ([name, method]: [string, MethodDefinition<unknown, unknown>]) => {
    const requestDeserialize = method.requestStream ? sameBytes : (bytes: Buffer) => new RequestBytes(bytes);
    return [name, { ...method, requestDeserialize, responseSerialize: sameBytes }] as const;
  };
  addService(server, Object.fromEntries(Object.entries(definition).map(asBytes)), handlers);
}

function sameBytes<T>(bytes: T): T {
  return bytes;
}

interface Listening {
  /** With the port that is in use. */
  readonly address: string;
  /** Removes what would lead new callers here. */
  readonly end: () => Promise<void>;
  readonly adopt: Adopt;
}

async function listen(
  server: Server,
  { address, accept }: Pick<GrpcServerOptions, 'address' | 'accept'>,
  tls: FileCredentials | undefined,
): Promise<Listening> {
  const credentials = tls?.credentials ?? ServerCredentials.createInsecure();
  const inner = server.createConnectionInjector(ServerCredentials.createInsecure());
  const outer = accept === undefined ? undefined : server.createConnectionInjector(credentials);
  const adopt: Adopt = (socket, peer) => {
    if (peer !== undefined) setPeer(socket, peer);
    (peer === undefined ? outer : inner)?.injectConnection(socket);
    socket.read(0); // it may have been accepted without being read from, for another process
  };
  if (accept !== undefined) {
    accept(adopt);
    return { address, adopt, end: () => Promise.resolve() };
  }
  const path = socketPathOf(address);
  const bind = promisify(server.bindAsync.bind(server));
  try {
    if (path !== undefined) {
      return { address, adopt, end: await placeSocket(path, (made) => bind(`unix:${made}`, credentials)) };
    }
    const port = await bind(address, credentials);
    return { address: address.replace(/\d+$/, port.toString()), adopt, end: () => Promise.resolve() };
  } catch (error) {
    tls?.close();
    server.forceShutdown();
    throw new Error(`cannot listen on ${address}: ${(error as Error).message}`, { cause: error });
  }
}

/** How long callers have to take the last messages of their reads. */
const lastMessagesMs = 1_000;

/** What a stop ends, in this order. */
interface Endings {
  readonly endReads: () => void;
  readonly endConnections: () => void;
}

function shutDown(server: Server, timeoutMs: number, log: Logger, endings: Endings): Promise<void> {
  return new Promise((resolve) => {
    let timer = setTimeout(() => {
      log.warn({ timeoutMs }, 'calls are still under way; cutting them off');
      endings.endReads();
      timer = setTimeout(() => {
        // First, since after forceShutdown callers would get CANCELLED.
        endings.endConnections();
        server.forceShutdown();
      }, lastMessagesMs);
    }, timeoutMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      endings.endConnections();
      resolve();
    });
  });
}
