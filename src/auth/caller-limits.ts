import { noLimits, type CallerLimits } from './permissions';
import type { LimitsEntry } from './schema';

/** The name of each limit in the auth file. */
export const limitNames = {
  appends: 'appends',
  appendBytes: 'append_bytes',
  reads: 'reads',
  subscriptions: 'subscriptions',
  sessions: 'sessions',
  lookups: 'lookups',
  appendsPerSecond: 'appends_per_s',
  bytesPerSecond: 'bytes_per_s',
  newStreamsPerSecond: 'new_streams_per_s',
} as const satisfies Record<keyof CallerLimits, keyof LimitsEntry>;

/** The limits of a caller in one of several processes that share them: at least 1, except rates. */
export function shareOf(limits: CallerLimits, share: number): CallerLimits {
  if (share === 1) return limits;
  const shared: Partial<Record<keyof CallerLimits, number>> = {};
  for (const [key, value] of Object.entries(limits) as [keyof CallerLimits, number | undefined][]) {
    if (value === undefined) continue;
    shared[key] = rates.has(key) ? value * share : Math.max(Math.min(1, value), Math.floor(value * share));
  }
  return { ...noLimits, ...shared };
}

const rates: ReadonlySet<keyof CallerLimits> = new Set([
  'appendsPerSecond',
  'bytesPerSecond',
  'newStreamsPerSecond',
]);

/** Each limit by the most specific that gives a value: of the principal, else the largest of the roles, else the default. */
export function callerLimits(
  principal: LimitsEntry,
  roles: readonly LimitsEntry[],
  defaults: LimitsEntry,
): CallerLimits {
  const limits: Partial<Record<keyof CallerLimits, number>> = {};
  for (const [key, name] of Object.entries(limitNames) as [keyof CallerLimits, keyof LimitsEntry][]) {
    const ofRoles = roles.map((role) => role[name]).filter((value) => value !== undefined);
    const value = principal[name] ?? (ofRoles.length > 0 ? Math.max(...ofRoles) : defaults[name]);
    if (value !== undefined) limits[key] = value;
  }
  return { ...noLimits, ...limits };
}
