import type { EventMethod, ReadMethod } from '../store/observed';
import type { StoreFacts } from '../store/store-facts';
import { byName, counter, gauge, histogram, type Metric, type Sample } from './metric';
import type { StoreCounts } from './store-counts';

/** The names of the RPCs, for the label `rpc`. */
const rpcOf: Readonly<Record<ReadMethod, string>> = {
  append: 'Append',
  appendMulti: 'AppendMulti',
  readStream: 'ReadStream',
  readAll: 'ReadAll',
  readByCorrelation: 'ReadByCorrelation',
  listStreams: 'ListStreams',
  getVersion: 'GetVersion',
  getCommit: 'GetCommit',
  getStream: 'GetStream',
  info: 'GetServerInfo',
  subscribe: 'Subscribe',
};

/** Metrics of what is appended, read and followed. */
export function storeMetrics(counts: StoreCounts, facts: () => StoreFacts): Metric[] {
  return [
    ...appendMetrics(counts, facts),
    ...readMetrics(counts),
    ...subscriptionMetrics(facts),
    ...stateMetrics(facts),
  ];
}

function stateMetrics(facts: () => StoreFacts): Metric[] {
  return [
    counter('sluice_state_changes_total', 'Changes of records of consumer groups.', () => {
      const { stored, tooLate, failed } = facts().state.changes;
      return byName('end', { stored, too_late: tooLate, failed });
    }),
    gauge('sluice_state_view_age_seconds', 'How long ago all records were known.', 'max', () => {
      const { viewAgeMs } = facts().state;
      return viewAgeMs === undefined ? undefined : viewAgeMs / 1_000;
    }),
  ];
}

function appendMetrics(counts: StoreCounts, facts: () => StoreFacts): Metric[] {
  return [
    counter('sluice_appends_total', 'Appends that have ended, by outcome.', () =>
      byName('outcome', counts.appends),
    ),
    histogram('sluice_append_seconds', 'Time of an append within the gateway.', () => [
      { histogram: counts.appendSeconds },
    ]),
    counter('sluice_appended_events_total', 'Events that were stored.', () => counts.storedEvents),
    counter('sluice_appended_bytes_total', 'Bytes of these events.', () => counts.storedBytes),
    counter('sluice_append_replays_total', 'Appends that an earlier call had stored.', () => counts.replays),
    counter(
      'sluice_append_doubts_total',
      'Appends to which an answer of NATS was lost, by what was found out.',
      () => {
        const { stored, notStored, unknown } = facts().appends.doubts;
        return byName('end', { stored, not_stored: notStored, unknown });
      },
    ),
    counter(
      'sluice_append_condition_attempts_total',
      'Attempts to store appends with conditions over all streams. lost: somebody else appended in between.',
      () => {
        const { attempts, lost } = facts().appends.fence;
        return byName('end', { lost, decided: attempts - lost });
      },
    ),
    gauge(
      'sluice_append_conditions_waiting',
      'Appends with conditions over all streams that wait until they can be published.',
      'sum',
      () => facts().appends.fence.waiting,
    ),
    counter('sluice_stream_controls_total', 'Controls of streams that have ended, by outcome.', () =>
      Object.entries(counts.controls).flatMap(([control, outcomes]) =>
        Object.entries(outcomes).map(([outcome, value]) => ({ labels: { control, outcome }, value })),
      ),
    ),
  ];
}

function readMetrics({ reads, events }: StoreCounts): Metric[] {
  const perMethod = (field: 'count' | 'bytes'): Sample[] =>
    (Object.keys(events) as EventMethod[]).map((method) => ({
      labels: { rpc: rpcOf[method] },
      value: events[method][field],
    }));
  return [
    counter('sluice_reads_total', 'Calls that append nothing, by outcome.', () =>
      (Object.keys(reads) as ReadMethod[]).flatMap((method) =>
        Object.entries(reads[method]).map(([outcome, value]) => ({
          labels: { rpc: rpcOf[method], outcome },
          value,
        })),
      ),
    ),
    counter('sluice_read_events_total', 'Events that were read.', () => perMethod('count')),
    counter('sluice_read_bytes_total', 'Bytes of these events.', () => perMethod('bytes')),
  ];
}

function subscriptionMetrics(facts: () => StoreFacts): Metric[] {
  return [
    gauge('sluice_subscriptions', 'Open subscriptions.', 'sum', () => {
      const { live, catchingUp } = facts().replica.subscriptions();
      return byName('state', { live: live.count, catching_up: catchingUp.count });
    }),
    gauge('sluice_subscription_lag_commits', 'How far the slowest subscription is behind.', 'max', () => {
      const { live, catchingUp } = facts().replica.subscriptions();
      return byName('state', { live: live.lagMax, catching_up: catchingUp.lagMax });
    }),
  ];
}
