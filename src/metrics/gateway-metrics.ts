import { collectDefaultMetrics, Registry, type Metric as PromMetric } from 'prom-client';
import type { AuditFacts } from '../auth/audit';
import type { Guard } from '../auth/guard';
import type { ServerFacts } from '../grpc/server-facts';
import type { HttpCounts } from '../http/http-counts';
import type { Limits } from '../limits';
import type { SyncCounts } from '../store/durability';
import type { StoreFacts } from '../store/store-facts';
import { accessMetrics } from './access-metrics';
import { boundMetrics, natsMetrics } from './bound-metrics';
import { callMetrics } from './call-metrics';
import { groupMetrics, type GroupLags } from './group-metrics';
import { diskMetrics, logMetrics, type Folders, type Lags } from './log-metrics';
import { counter, flag, gauge, type Metric, type Snapshot } from './metric';
import type { StoreCounts } from './store-counts';
import { storeMetrics } from './store-metrics';

/** Everything of a gateway that has metrics. */
export interface Sources {
  readonly version: string;
  readonly limits: Limits;
  readonly server: ServerFacts;
  readonly counts: StoreCounts;
  readonly store: { readonly facts: StoreFacts };
  readonly syncs: SyncCounts;
  readonly lags: Lags;
  readonly groups: GroupLags;
  readonly folders: Folders;
  readonly guard: Pick<Guard, 'generation' | 'facts'>;
  readonly audit: { readonly facts: AuditFacts };
  readonly http: HttpCounts;
}

/** The metrics of a gateway and its process. */
export interface GatewayMetrics {
  /** In the text format of Prometheus. */
  page(): Promise<string>;
  /** For another process, which combines them with those of others: `AggregatorRegistry.aggregate` of prom-client. */
  asJson(): Promise<readonly Snapshot[]>;
}

/** The type of the page. */
export const metricsContentType = Registry.PROMETHEUS_CONTENT_TYPE;

export function createMetrics(sources: Sources): GatewayMetrics {
  const own = new Registry();
  for (const metric of metricsOf(sources)) own.registerMetric(metric as unknown as PromMetric);
  const all = Registry.merge([own, processRegistry()]);
  return {
    page: () => all.metrics(),
    asJson: async () => (await all.getMetricsAsJSON()) as unknown as Snapshot[],
  };
}

let ofProcess: Registry | undefined;

/** Once for the process: its collectors never end. */
function processRegistry(): Registry {
  if (ofProcess !== undefined) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  return ofProcess;
}

function metricsOf(sources: Sources): Metric[] {
  const { server, counts, store, syncs, lags, groups, folders, guard, audit, limits } = sources;
  const facts = (): StoreFacts => store.facts;
  const bounds = () => {
    const { appends } = facts();
    return [
      { bound: 'appendsMax', used: appends.underWay, max: limits.appendsMax },
      { bound: 'appendsBytesMax', used: appends.bytesUnderWay, max: limits.appendsBytesMax },
      ...server.bounds(),
      { bound: 'auditBytesMax', used: audit.facts.waitingBytes, max: limits.auditBytesMax },
    ] as const;
  };
  return [
    ...callMetrics(server.rpcs),
    ...storeMetrics(counts, facts),
    ...groupMetrics(groups),
    ...logMetrics(facts, lags),
    ...diskMetrics(facts, syncs, folders),
    ...natsMetrics(facts),
    ...boundMetrics(server, bounds),
    ...accessMetrics(server, guard, () => audit.facts),
    ...processMetrics(sources),
  ];
}

function processMetrics({ version, server, http }: Sources): Metric[] {
  const labels = { version, node_version: process.version };
  return [
    gauge('sluice_build_info', 'The version of Sluice and of Node.js.', 'first', () => [
      { labels, value: 1 },
    ]),
    gauge('sluice_serving', 'Health: whether a service is SERVING.', 'min', () =>
      Object.entries(server.serving()).map(([service, isServing]) => ({
        labels: { service },
        value: flag(isServing as boolean),
      })),
    ),
    counter('sluice_http_requests_total', 'Requests on the HTTP port.', () =>
      http.all().map(({ route, code, count }) => ({ labels: { route, code }, value: count })),
    ),
  ];
}
