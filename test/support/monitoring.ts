import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { document, tableRows } from '../docs/markdown';
import { startPrometheus } from './prometheus';

/** What deploy/ has for Prometheus and Grafana, and the metrics that docs/operations/metrics.md documents. */
const root = join(__dirname, '..', '..');
export const rulesFile = join(root, 'deploy', 'prometheus', 'sluice.rules.yml');

export interface Alert {
  readonly name: string;
  /** Seconds. */
  readonly duration: number;
  readonly query: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The alerts, as Prometheus reads them. */
export async function readAlerts(prometheus: string): Promise<Alert[]> {
  await using server = await startPrometheus(prometheus, { rule_files: [rulesFile] });
  const { groups } = (await server.api('/api/v1/rules')) as { groups: { rules: Alert[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(join(root, 'deploy', 'grafana', 'sluice.json'), 'utf8')) as Dashboard;
}

/** The expressions of the dashboard, as Grafana sends them to Prometheus. */
export function dashboardExpressions(): string[] {
  const { panels, annotations } = readDashboard();
  const all = [...panels.flatMap(({ targets = [] }) => targets), ...annotations.list];
  return all.map(({ expr }) => expr.replaceAll('$instance', '.+').replaceAll('$__rate_interval', '1m'));
}

/** The names of the metrics in an expression, without those of Prometheus itself. */
export function metricsIn(expression: string): string[] {
  return expression.match(/\b(?:sluice|grpc_server|process|nodejs)_\w+/g) ?? [];
}

/** The names under which the documented metrics are served: three for a histogram. */
export function documentedNames(): Set<string> {
  const rows = tableRows(document('docs/operations/metrics.md'));
  return new Set(
    rows.flatMap(([code = '', type]) => {
      const name = code.slice(1, -1);
      return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
    }),
  );
}
