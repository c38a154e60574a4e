import { join } from 'node:path';
import type { Logger } from 'pino';
import type { AuditLog } from './auth/audit';
import type { Guard } from './auth/guard';
import { WebCalls, type WebCallsOptions } from './connect/web-calls';
import type { GrpcServer } from './grpc/server';
import type { ServerFacts } from './grpc/server-facts';
import { healthAnswer, textAnswer, type Answer, type Check } from './http/answer';
import { HttpCounts } from './http/http-counts';
import { startHttpServer, type HttpServer, type Routes } from './http/http-server';
import { sharedAnswer } from './http/shared-answer';
import { staticFiles } from './http/static-files';
import type { Limits } from './limits';
import { combinedPage } from './metrics/combined';
import { createMetrics, metricsContentType, type GatewayMetrics } from './metrics/gateway-metrics';
import { GroupLags } from './metrics/group-metrics';
import { Lag } from './metrics/lag';
import type { Folders } from './metrics/log-metrics';
import type { Snapshot } from './metrics/metric';
import type { StoreCounts } from './metrics/store-counts';
import type { ConsumerGroups } from './store/consumer-groups';
import type { Durability } from './store/durability';
import type { StoreFacts } from './store/store-facts';
import { packageFolder, version } from './version';

export interface GatewayHttpOptions {
  /** host:port; undefined: nothing is served over HTTP. */
  readonly address: string | undefined;
  readonly calls: Pick<WebCallsOptions, 'origins' | 'closed'>;
  readonly store: { readonly facts: StoreFacts; readonly groups: Pick<ConsumerGroups, 'facts'> };
  readonly counts: StoreCounts;
  readonly durability: Durability;
  readonly guard: Guard;
  readonly audit: AuditLog;
  readonly folders: Folders;
  readonly limits: Limits;
  readonly log: Logger;
}

/** Metrics, health and calls of a gateway over HTTP, from before its gRPC server starts until after that has ended. */
export interface GatewayHttp {
  /** host:port; undefined: nothing is served over HTTP. */
  readonly address: string | undefined;
  /** The gateway serves gRPC. `others`: the metrics of its other processes; undefined: it is the only process. */
  begin(server: GrpcServer, others?: MetricsOfOthers): void;
  /** See `GatewayMetrics.asJson`; empty before `begin`. */
  metricsAsJson(): Promise<readonly Snapshot[]>;
  /** The gateway is stopping, or cannot go on; from now on it is not ready. */
  end(reason: 'stopping' | 'failed'): void;
  close(): Promise<void>;
}

type MetricsOfOthers = () => Promise<readonly (readonly Snapshot[])[]>;

const lagIntervalMs = 1_000;

/** Throws if it cannot listen. */
export async function openGatewayHttp(options: GatewayHttpOptions): Promise<GatewayHttp> {
  const health = new Health(options);
  const calls = new WebCalls({ ...options.calls, limits: options.limits });
  const http =
    options.address === undefined ? undefined : await listen(options.address, health, calls, options);
  const timer = setInterval(() => {
    health.sample();
  }, lagIntervalMs).unref();
  return {
    address: http?.address,
    begin({ facts, adopt }, others) {
      health.begin(facts, others);
      calls.begin({
        give: adopt,
        note(failure) {
          facts.failures.note(failure);
        },
      });
    },
    metricsAsJson: () => health.metricsAsJson(),
    end(reason) {
      health.end(reason);
    },
    async close() {
      clearInterval(timer);
      await http?.close();
      await calls.close();
    },
  };
}

function listen(
  address: string,
  health: Health,
  calls: WebCalls,
  { limits, log }: GatewayHttpOptions,
): Promise<HttpServer> {
  const page = sharedAnswer(() => health.metricsPage(), limits.metricsAgeMaxMs);
  const routes: Routes = {
    '/metrics': page,
    '/livez': () => healthAnswer(health.liveChecks()),
    '/readyz': () => healthAnswer(health.readyChecks()),
  };
  const handlers = [calls, staticFiles(join(packageFolder, 'dist', 'console'), 'console')];
  return startHttpServer({ address, routes, handlers, counts: health.http, limits, log });
}

/** What a gateway says of itself. */
class Health {
  readonly http = new HttpCounts();
  private server: ServerFacts | undefined;
  private metrics: GatewayMetrics | undefined;
  private others: MetricsOfOthers | undefined;
  private ending: 'stopping' | 'failed' | undefined;
  private readonly tail: Lag;
  private readonly replica: Lag;
  private readonly groups: GroupLags;

  constructor(private readonly options: GatewayHttpOptions) {
    const { store, limits } = options;
    this.groups = new GroupLags(() => store.groups.facts(), limits.metricsAgeMaxMs);
    this.tail = new Lag(() => ({ at: store.facts.replica.received, end: store.facts.log.end }));
    this.replica = new Lag(() => ({ at: store.facts.replica.applied, end: store.facts.log.end }));
  }

  sample(): void {
    this.tail.sample();
    this.replica.sample();
    this.groups.sample();
  }

  begin(server: ServerFacts, others?: MetricsOfOthers): void {
    this.server = server;
    this.others = others;
    const { options, http, tail, replica, groups } = this;
    const { durability, ...sources } = options;
    const lags = { tail, replica };
    this.metrics = createMetrics({
      ...sources,
      version,
      server,
      lags,
      groups,
      http,
      syncs: durability.counts,
    });
  }

  end(reason: 'stopping' | 'failed'): void {
    if (this.ending !== 'failed') this.ending = reason;
  }

  async metricsAsJson(): Promise<readonly Snapshot[]> {
    return (await this.metrics?.asJson()) ?? [];
  }

  async metricsPage(): Promise<Answer> {
    if (this.metrics === undefined) return textAnswer(503, 'the gateway is starting');
    const page =
      this.others === undefined
        ? await this.metrics.page()
        : await combinedPage(await this.metrics.asJson(), await this.others());
    return { status: 200, type: metricsContentType, body: Buffer.from(page) };
  }

  /** That this runs shows that the event loop turns. */
  liveChecks(): Check[] {
    return [this.diskCheck()];
  }

  readyChecks(): Check[] {
    const { store } = this.options;
    return [
      { name: 'serving', problem: this.servingProblem() },
      this.diskCheck(),
      { name: 'nats', problem: natsProblem(store.facts) },
      { name: 'replica', problem: this.replicaProblem() },
      { name: 'certificate', problem: certificateProblem(this.server?.certificate) },
    ];
  }

  private diskCheck(): Check {
    const problem =
      this.ending === 'failed'
        ? 'the disk or the folder of the replica is lost; the gateway ends'
        : undefined;
    return { name: 'disk', problem };
  }

  private servingProblem(): string | undefined {
    if (this.ending !== undefined) return 'the gateway is stopping';
    if (this.server === undefined) return 'the gateway is starting';
    const isServed = this.others === undefined || this.server.serving().gateway;
    return isServed ? undefined : 'no worker takes connections';
  }

  private replicaProblem(): string | undefined {
    if (!this.options.store.facts.replica.isFilled) return 'the replica is being filled';
    const { replica } = this;
    const { readyLagMaxMs } = this.options.limits;
    if (replica.seconds * 1_000 <= readyLagMaxMs) return undefined;
    return `the replica has been behind the log for ${Math.floor(replica.seconds).toString()} s, by ${replica.commits.toString()} commits`;
  }
}

function natsProblem({ nats }: StoreFacts): string | undefined {
  const missing = nats.filter(({ role, connected }) => role !== 'tail' && connected === 0);
  if (missing.length === 0) return undefined;
  return `no connection to NATS for ${missing.map(({ role }) => role).join(', ')}`;
}

function certificateProblem(certificate: ServerFacts['certificate']): string | undefined {
  if (certificate === undefined || Date.now() < certificate.expiresAtMs) return undefined;
  return `the certificate expired at ${new Date(certificate.expiresAtMs).toISOString()}`;
}
