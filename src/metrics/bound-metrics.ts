import type { BoundInUse, ServerFacts } from '../grpc/server-facts';
import { boundName, type Limits } from '../limits';
import type { StoreFacts } from '../store/store-facts';
import { byName, counter, gauge, type Metric, type Sample } from './metric';

/** Metrics of bounds, and of what was refused at them. `bounds`: those of the whole gateway. */
export function boundMetrics(server: ServerFacts, bounds: () => readonly BoundInUse[]): Metric[] {
  const { failures } = server;
  return [
    counter(
      'sluice_refusals_total',
      'What was refused with OVERLOADED, by the bound that was reached.',
      () => [
        ...Object.entries(failures.overloaded).map(([bound, value]) => sample(bound, value)),
        sample('connectionsMax', server.connectionsRefused()),
      ],
    ),
    counter('sluice_quota_refusals_total', 'What was refused with QUOTA_EXCEEDED, by limit.', () =>
      byName('limit', failures.quotaExceeded),
    ),
    gauge('sluice_bound_usage', 'How much of a bound of the whole gateway is in use.', 'sum', () =>
      bounds().map(({ bound, used }) => sample(bound, used)),
    ),
    gauge('sluice_bound_limit', 'The bound.', 'sum', () =>
      bounds().map(({ bound, max }) => sample(bound, max)),
    ),
  ];
}

function sample(bound: string, value: number): Sample {
  return { labels: { bound: boundName(bound as keyof Limits) }, value };
}

/** Metrics of the connections to NATS. */
export function natsMetrics(facts: () => StoreFacts): Metric[] {
  const perRole = (field: 'connected' | 'wanted' | 'requests' | 'reconnects') => (): Sample[] =>
    facts().nats.map((links) => ({ labels: { role: links.role }, value: links[field] }));
  return [
    gauge('sluice_nats_connections', 'Connections to NATS that are up.', 'sum', perRole('connected')),
    gauge('sluice_nats_connections_wanted', 'Connections that should be up.', 'sum', perRole('wanted')),
    counter('sluice_nats_requests_total', 'Requests and publishes.', perRole('requests')),
    counter('sluice_nats_reconnects_total', 'How often a lost connection came back.', perRole('reconnects')),
  ];
}
