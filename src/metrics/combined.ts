import { AggregatorRegistry } from 'prom-client';
import type { Snapshot } from './metric';

/** What happens to the replica and the log is counted by the process that writes the replica; others only hear of it. */
const ofWriter = new Set(['sluice_replica_rebuilds_total', 'sluice_log_gone_back_total']);
/** Only the other processes have calls, and so bounds. */
const ofOthers = new Set(['sluice_bound_usage', 'sluice_bound_limit']);

/** The page of all processes of a gateway: `own` are the metrics of the one that writes the replica. */
export function combinedPage(
  own: readonly Snapshot[],
  others: readonly (readonly Snapshot[])[],
): Promise<string> {
  const all = [
    own.filter(({ name }) => !ofOthers.has(name)),
    ...others.map((metrics) => metrics.filter(({ name }) => !ofWriter.has(name))),
  ];
  return AggregatorRegistry.aggregate(all).metrics();
}

/** What two processes have counted together; their gauges are left out. */
export async function countsOf(one: readonly Snapshot[], other: readonly Snapshot[]): Promise<Snapshot[]> {
  const counts = [one, other].map((metrics) => metrics.filter(({ type }) => type !== 'gauge'));
  return (await AggregatorRegistry.aggregate(counts).getMetricsAsJSON()) as unknown as Snapshot[];
}
