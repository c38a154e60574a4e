import type { Limits } from '../limits';

/** The limits that bound the whole gateway, and that its workers share. */
const shared = [
  'appendsMax',
  'appendsBytesMax',
  'sessionsMax',
  'readsMax',
  'subscriptionsMax',
  'membersMax',
  'groupsBytesMax',
  'lookupsMax',
  'callsMax',
  'connectionsMax',
  'heldBytesMax',
  'subscriptionsBytesMax',
  'catchUpBytesMax',
  'tailBytesMax',
  'headCacheEntriesMax',
  'openBatchesMax',
  'inflatesMax',
  'identifyingMax',
  'authRememberedMax',
  'jwtVerificationsMax',
  'jwtsWaitingMax',
  'auditBytesMax',
  'auditDenialsMax',
] as const satisfies readonly (keyof Limits)[];

/** What a share must at least be, so that the largest request, and one of everything, still fits. */
const least: Partial<Record<keyof Limits, (limits: Limits) => number>> = {
  appendsBytesMax: ({ appendBytesMax, sessionBytesMax }) => appendBytesMax + sessionBytesMax,
  heldBytesMax: ({ requestBytesMax }) => requestBytesMax,
  subscriptionsBytesMax: ({ subscriptionBytesMax }) => subscriptionBytesMax,
  catchUpBytesMax: ({ subscriptionBytesMax }) => subscriptionBytesMax,
  groupsBytesMax: ({ appendBytesMax }) => appendBytesMax,
  auditBytesMax: () => 1 << 20,
};

/** Limits of one connection or stream, each with the one of which it leaves a part to others, if it does so in the whole gateway. */
const leaving = [
  ['connectionAppendsMax', 'appendsMax'],
  ['connectionAppendsBytesMax', 'appendsBytesMax'],
  ['connectionSessionsMax', 'sessionsMax'],
  ['connectionReadsMax', 'readsMax'],
  ['connectionSubscriptionsMax', 'subscriptionsMax'],
  ['connectionMembersMax', 'membersMax'],
  ['groupBytesMax', 'groupsBytesMax'],
  ['connectionLookupsMax', 'lookupsMax'],
  ['connectionHeldBytesMax', 'heldBytesMax'],
  ['connectionIdentifyingMax', 'identifyingMax'],
  ['streamQueueMax', 'appendsMax'],
  ['streamQueueMax', 'connectionAppendsMax'],
] as const satisfies readonly (readonly [keyof Limits, keyof Limits])[];

/** Limits of one session, which must not be above what there is. */
const within = [
  ['sessionAppendsMax', 'connectionAppendsMax'],
  ['sessionAppendsMax', 'streamQueueMax'],
  ['sessionBytesMax', 'connectionAppendsBytesMax'],
] as const satisfies readonly (readonly [keyof Limits, keyof Limits])[];

/**
 * The limits of one of several workers: its share of each limit of the whole gateway, at least 1. A connection, which has one worker, and
 * a stream leave half of that to others.
 */
export function shareLimits(limits: Limits, workers: number): Limits {
  const share: { -readonly [K in keyof Limits]: Limits[K] } = { ...limits };
  for (const key of shared) {
    const needed = Math.min(limits[key], least[key]?.(limits) ?? 1);
    share[key] = Math.max(needed, Math.floor(limits[key] / workers));
  }
  for (const [key, total] of leaving) {
    const room = limits[key] < limits[total] ? Math.ceil(share[total] / 2) : share[total];
    const needed = Math.min(share[total], least[total]?.(limits) ?? 1);
    share[key] = Math.min(share[key], Math.max(room, needed));
  }
  for (const [key, total] of within) share[key] = Math.min(share[key], share[total]);
  return share;
}
