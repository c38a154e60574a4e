/** A time series as promtool reads it: a name with labels, and a value for each minute. */
export type Series = readonly [name: string, values: string];

/** What makes an alert fire, and what does not. */
export interface AlertCase {
  readonly bad: readonly Series[];
  readonly good: readonly Series[];
  /** Minutes after the start. */
  readonly at: number;
  /** The labels of the alert, without its name and severity. */
  readonly labels: Readonly<Record<string, string>>;
}

const gateway = { job: 'sluice', instance: 'a' };
const group = { group: 'mailer' };

/** `name{job="sluice",instance="a",...}` */
function of(name: string, labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries({ ...gateway, ...labels }).map(([key, value]) => `${key}="${value}"`);
  return `${name}{${pairs.join(',')}}`;
}

const constant = (value: number): string => `${value}x1600`;
/** Goes up by so much a minute. */
const rising = (by: number): string => `0+${by}x1600`;

/** A gauge that is bad with one value and good with another one. */
function gauge(
  name: string,
  [bad, good]: readonly [number, number],
  at: number,
  labels: Readonly<Record<string, string>> = {},
): AlertCase {
  const series = of(name, labels);
  return {
    bad: [[series, constant(bad)]],
    good: [[series, constant(good)]],
    at,
    labels: { ...gateway, ...labels },
  };
}

/** A counter that is bad with one rate and good with another one, by the minute; the alert has the labels `kept`. */
function counter(
  name: string,
  [bad, good]: readonly [number, number],
  at: number,
  kept: Readonly<Record<string, string>> = {},
): AlertCase {
  const series = of(name, kept);
  return {
    bad: [[series, rising(bad)]],
    good: [[series, rising(good)]],
    at,
    labels: { ...gateway, ...kept },
  };
}

/** A histogram whose observations are all between `below` and `above`: bad, or all below `below`: good. */
function slow(name: string, below: number, above: number, labels: Readonly<Record<string, string>> = {}) {
  const series = (atMost: string): readonly Series[] => [
    [of(`${name}_bucket`, { ...labels, le: below.toString() }), atMost],
    [of(`${name}_bucket`, { ...labels, le: above.toString() }), rising(100)],
    [of(`${name}_bucket`, { ...labels, le: '+Inf' }), rising(100)],
  ];
  return { bad: series(constant(0)), good: series(rising(100)), at: 20, labels: gateway };
}

/** Calls of which one in ten ends with a status, or none. */
function failing(grpc_code: string, at: number): AlertCase {
  const handled = (code: string, values: string): Series => [
    of('grpc_server_handled_total', { grpc_method: 'Append', grpc_code: code }),
    values,
  ];
  return {
    bad: [handled('OK', rising(90)), handled(grpc_code, rising(10))],
    good: [handled('OK', rising(90)), handled(grpc_code, constant(7))],
    at,
    labels: gateway,
  };
}

/** A counter that has been at 1 for long, and one that got there five minutes before the end. */
function recent(name: string): AlertCase {
  return {
    bad: [[of(name), '0x395 1x100']],
    good: [[of(name), constant(1)]],
    at: 400,
    labels: gateway,
  };
}

const day = 86_400;

/** For every alert of deploy/prometheus/sluice.rules.yml. */
export const alertCases: Readonly<Record<string, AlertCase>> = {
  SluiceGatewayDown: gauge('up', [0, 1], 5),
  SluiceNoGatewayUp: {
    bad: [[of('up'), constant(0)]],
    good: [
      [of('up'), constant(0)],
      ['up{job="sluice",instance="b"}', constant(1)],
    ],
    at: 5,
    labels: {},
  },
  SluiceGatewayNotReady: gauge('sluice_serving', [0, 1], 5, { service: 'gateway' }),
  SluiceReadsNotServed: {
    bad: [
      [of('sluice_serving', { service: 'gateway' }), constant(1)],
      [of('sluice_serving', { service: 'read' }), constant(0)],
    ],
    // The whole gateway does not serve, which has its own alert.
    good: [
      [of('sluice_serving', { service: 'gateway' }), constant(0)],
      [of('sluice_serving', { service: 'read' }), constant(0)],
    ],
    at: 15,
    labels: { ...gateway, service: 'read' },
  },
  SluiceGatewayRestarts: {
    bad: [[of('process_start_time_seconds'), '1x10 2x10 3x10 4x10 5x10']],
    good: [[of('process_start_time_seconds'), '1x10 2x50']],
    at: 50,
    labels: gateway,
  },
  SluiceVersionsDiffer: {
    bad: [
      [of('sluice_build_info', { version: '0.1.0' }), constant(1)],
      ['sluice_build_info{job="sluice",instance="b",version="0.2.0"}', constant(1)],
    ],
    good: [
      [of('sluice_build_info', { version: '0.1.0' }), constant(1)],
      ['sluice_build_info{job="sluice",instance="b",version="0.1.0"}', constant(1)],
    ],
    at: 130,
    labels: {},
  },

  SluiceCallsUnavailable: failing('Unavailable', 15),
  SluiceInternalErrors: {
    ...failing('Internal', 15),
    labels: { ...gateway, grpc_method: 'Append' },
  },
  SluiceDeadlinesExceeded: failing('DeadlineExceeded', 20),
  SluiceAppendsSlow: slow('sluice_append_seconds', 0.1, 1),
  SluiceReadsSlow: slow('grpc_server_handling_seconds', 0.1, 1, { grpc_method: 'GetVersion' }),
  SluiceAppendsStuck: {
    bad: [
      [of('sluice_bound_usage', { bound: 'appends_max' }), constant(3)],
      [of('sluice_appends_total', { outcome: 'OK' }), constant(9)],
    ],
    good: [
      [of('sluice_bound_usage', { bound: 'appends_max' }), constant(3)],
      [of('sluice_appends_total', { outcome: 'OK' }), rising(60)],
    ],
    at: 10,
    labels: gateway,
  },
  SluiceOutcomesUnknown: counter('sluice_append_doubts_total', [1, 0], 15, { end: 'unknown' }),
  SluiceOverloaded: counter('sluice_refusals_total', [60, 1], 15, { bound: 'reads_max' }),
  SluiceBoundNearlyReached: {
    bad: [
      [of('sluice_bound_usage', { bound: 'reads_max' }), constant(230)],
      [of('sluice_bound_limit', { bound: 'reads_max' }), constant(256)],
    ],
    good: [
      [of('sluice_bound_usage', { bound: 'reads_max' }), constant(200)],
      [of('sluice_bound_limit', { bound: 'reads_max' }), constant(256)],
    ],
    at: 20,
    labels: { ...gateway, bound: 'reads_max' },
  },

  SluiceStoreFull: {
    bad: [
      [of('sluice_store_takes_appends'), constant(0)],
      [of('sluice_appends_total', { outcome: 'STORE_FULL' }), rising(5)],
    ],
    good: [
      [of('sluice_store_takes_appends'), constant(1)],
      [of('sluice_appends_total', { outcome: 'STORE_FULL' }), constant(5)],
    ],
    at: 10,
    labels: gateway,
  },
  SluiceStoreNearlyFull: {
    bad: [
      [of('sluice_store_bytes'), constant(9e9)],
      [of('sluice_store_limit_bytes'), constant(1e10)],
    ],
    good: [
      [of('sluice_store_bytes'), constant(8e9)],
      [of('sluice_store_limit_bytes'), constant(1e10)],
    ],
    at: 15,
    labels: gateway,
  },
  SluiceStoreFullSoon: {
    bad: [
      [of('sluice_store_bytes'), rising(2e6)],
      [of('sluice_store_limit_bytes'), constant(1e10)],
    ],
    good: [
      [of('sluice_store_bytes'), rising(1e6)],
      [of('sluice_store_limit_bytes'), constant(1e10)],
    ],
    at: 480,
    labels: gateway,
  },
  SluiceDiskNearlyFull: gauge('sluice_disk_free_bytes', [1e9, 3e9], 20, { disk: 'replica' }),
  SluiceSyncSlow: slow('sluice_sync_seconds', 0.05, 1),
  SluiceLogGoneBack: gauge('sluice_log_gone_back_total', [1, 0], 5),
  SluiceMessagesLost: recent('sluice_log_lost_messages'),
  SluiceMessagesUnreadable: gauge('sluice_log_unreadable_messages', [1, 0], 5),
  SluiceLogMirrored: gauge('sluice_log_mirrors', [1, 0], 15),
  SluiceRemovalFails: counter('sluice_log_sweep_failures_total', [1, 0.1], 40),

  SluiceReplicaFilling: gauge('sluice_replica_filled', [0, 1], 40),
  SluiceReplicaBehind: {
    bad: [
      [of('sluice_replica_lag_seconds'), constant(20)],
      [of('sluice_replica_filled'), constant(1)],
    ],
    // It is being filled, which has its own alert.
    good: [
      [of('sluice_replica_lag_seconds'), constant(20)],
      [of('sluice_replica_filled'), constant(0)],
    ],
    at: 5,
    labels: gateway,
  },
  SluiceReplicaRebuilt: recent('sluice_replica_rebuilds_total'),
  SluiceTailBehind: gauge('sluice_tail_lag_seconds', [20, 2], 5),
  SluiceSubscriptionsBehind: {
    ...gauge('sluice_subscription_lag_commits', [20_000, 5_000], 20, { state: 'catching_up' }),
    labels: gateway,
  },

  SluiceGroupStuck: {
    bad: [
      [of('sluice_group_lag_commits', group), constant(7)],
      [of('sluice_group_floor_position', group), constant(100)],
    ],
    good: [
      [of('sluice_group_lag_commits', group), constant(7)],
      [of('sluice_group_floor_position', group), rising(100)],
    ],
    at: 30,
    labels: { job: 'sluice', ...group },
  },
  SluiceGroupWithoutMembers: {
    bad: [[of('sluice_group_members', group), '2x10 _x200']],
    good: [[of('sluice_group_members', group), constant(2)]],
    at: 60,
    labels: { job: 'sluice', ...group },
  },
  SluiceGroupParked: {
    bad: [[of('sluice_group_parked_events', group), constant(101)]],
    good: [[of('sluice_group_parked_events', group), constant(100)]],
    at: 10,
    labels: { job: 'sluice', ...group },
  },
  SluiceNatsConnectionLost: {
    bad: [
      [of('sluice_nats_connections', { role: 'append' }), constant(0)],
      [of('sluice_nats_connections_wanted', { role: 'append' }), constant(1)],
    ],
    good: [
      [of('sluice_nats_connections', { role: 'append' }), constant(1)],
      [of('sluice_nats_connections_wanted', { role: 'append' }), constant(1)],
    ],
    at: 5,
    labels: { ...gateway, role: 'append' },
  },
  SluiceNatsReconnects: {
    ...counter('sluice_nats_reconnects_total', [1, 0.1], 40, { role: 'read' }),
    labels: gateway,
  },

  SluiceQuotaRefusals: counter('sluice_quota_refusals_total', [120, 30], 20, { limit: 'calls_per_s' }),
  SluiceAuthenticationFailures: counter('sluice_authentication_failures_total', [120, 30], 20, {
    cause: 'invalid',
  }),
  SluiceAccessDenials: counter('sluice_access_denials_total', [120, 30], 20, { action: 'append' }),
  SluiceAuthFileUnusable: gauge('sluice_auth_file_last_reload_successful', [0, 1], 5),
  // The time in these tests begins at 0.
  SluiceKeysOld: {
    bad: [[of('sluice_jwks_fetched_timestamp_seconds', { issuer: 'main' }), constant(60)]],
    good: [[of('sluice_jwks_fetched_timestamp_seconds', { issuer: 'main' }), '0+60x1600']],
    at: 400,
    labels: { ...gateway, issuer: 'main' },
  },
  SluiceTlsFilesUnusable: gauge('sluice_tls_last_reload_successful', [0, 1], 5),
  SluiceCertificateExpiring: gauge(
    'sluice_tls_certificate_expiry_timestamp_seconds',
    [10 * day, 30 * day],
    90,
  ),
  SluiceCertificateNearlyExpired: gauge(
    'sluice_tls_certificate_expiry_timestamp_seconds',
    [1 * day, 10 * day],
    5,
  ),
  SluiceAuditDropped: counter('sluice_audit_dropped_total', [1, 0], 15),

  SluiceEventLoopSlow: gauge('nodejs_eventloop_lag_p99_seconds', [0.5, 0.02], 10),
  SluiceMemory: {
    bad: [
      [of('nodejs_heap_size_used_bytes'), constant(1e9)],
      [of('nodejs_external_memory_bytes'), constant(1e9)],
    ],
    good: [
      [of('nodejs_heap_size_used_bytes'), constant(4e8)],
      [of('nodejs_external_memory_bytes'), constant(1e8)],
    ],
    at: 20,
    labels: gateway,
  },
  SluiceFileDescriptors: {
    bad: [
      [of('process_open_fds'), constant(900)],
      [of('process_max_fds'), constant(1024)],
    ],
    good: [
      [of('process_open_fds'), constant(90)],
      [of('process_max_fds'), constant(1024)],
    ],
    at: 10,
    labels: gateway,
  },
};
