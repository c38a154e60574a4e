import type { AuditFacts } from '../auth/audit';
import type { Guard } from '../auth/guard';
import type { ServerFacts } from '../grpc/server-facts';
import { byName, counter, flag, gauge, type Metric } from './metric';

/** Metrics of callers that were refused, of the auth file, of the audit log and of the certificate. */
export function accessMetrics(
  { failures, certificate }: ServerFacts,
  guard: Pick<Guard, 'generation' | 'facts'>,
  audit: () => AuditFacts,
): Metric[] {
  return [
    counter('sluice_authentication_failures_total', 'Calls without a credential that is accepted.', () =>
      byName('cause', failures.unauthenticated),
    ),
    counter('sluice_access_denials_total', 'Calls to which an action was not granted.', () =>
      byName('action', failures.denied),
    ),
    ...authFileMetrics(guard),
    gauge(
      'sluice_audit_waiting_entries',
      'Lines of the audit log that wait.',
      'sum',
      () => audit().waitingLines,
    ),
    counter('sluice_audit_dropped_total', 'Lines of the audit log that were dropped.', () => audit().dropped),
    gauge(
      'sluice_tls_certificate_expiry_timestamp_seconds',
      'When the certificate expires.',
      'min',
      () => certificate && certificate.expiresAtMs / 1_000,
    ),
    gauge(
      'sluice_tls_last_reload_successful',
      'Whether the TLS files that were read last are in force.',
      'min',
      () => certificate && flag(certificate.isCurrent),
    ),
  ];
}

function authFileMetrics(guard: Pick<Guard, 'generation' | 'facts'>): Metric[] {
  return [
    gauge('sluice_auth_file_generation', 'The generation in force.', 'min', () => guard.generation),
    gauge(
      'sluice_auth_file_loaded_timestamp_seconds',
      'Since when it is in force.',
      'min',
      () => guard.facts && guard.facts.loadedAtMs / 1_000,
    ),
    gauge(
      'sluice_auth_file_last_reload_successful',
      'Whether the files that were read last are in force.',
      'min',
      () => guard.facts && flag(guard.facts.isCurrent),
    ),
    gauge('sluice_jwks_fetched_timestamp_seconds', 'When keys of an issuer were fetched.', 'min', () =>
      [...(guard.facts?.keysFetchedAtMs ?? [])].map(([issuer, atMs = 0]) => ({
        labels: { issuer },
        value: atMs / 1_000,
      })),
    ),
  ];
}
